from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights
from torchvision.models.segmentation import FCN_ResNet50_Weights

from hpt_ray.core.errors import DataError, UnknownNameError
from hpt_ray.data.dataset import load
from hpt_ray.data.datasets._paper import ENTRIES, Entry
from hpt_ray.data.records import source

Put = Callable[..., None]

#: In the order of the paper's section on data sets.
PAPER = ["xview", "resisc", "ucmerced", "bdd", "viper", "chexpert", "chest_xray_kids", "coco_2014", "pascal"]
PAPER += ["clipart", "infograph", "painting", "quickdraw", "real", "sketch", "flowers"]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data root."""
    monkeypatch.setenv("HPT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def put(data: Path) -> Put:
    """Writes small images, no two alike, below the data root."""
    generator = np.random.default_rng(0)

    def put(*paths: str) -> None:
        for path in paths:
            (data / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(data / path)

    return put


def _sizes(spec: str) -> dict[str, int]:
    return {name: len(chosen) for name, chosen in load(spec, 8).splits.items()}


def test_all_sixteen_are_there() -> None:
    assert list(ENTRIES) == PAPER
    assert len({entry.title for entry in ENTRIES.values()}) == 16
    assert len({(entry.folder, entry.lists) for entry in ENTRIES.values()}) == 16
    # The published configurations normalise xView with RESISC45's statistics.
    assert ENTRIES["xview"].mean == ENTRIES["resisc"].mean
    assert len({entry.mean for entry in ENTRIES.values()}) == 15


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_is_whole(entry: Entry) -> None:
    assert entry.title
    assert entry.home.startswith("http")
    assert entry.folder
    assert entry.lists.count("{}") == 1
    assert entry.classes >= 2
    assert len(entry.names) in (0, entry.classes) and len(set(entry.names)) == len(entry.names)
    assert all(size > 0 for size in vars(entry.sizes).values() if size is not None)
    assert all(0 < value < 1 for value in (*entry.mean, *entry.std))
    # Values in 0..1 of this mean spread no wider than zeros and ones do, which quickdraw's are; and for four digits.
    assert all(std <= (mean * (1 - mean)) ** 0.5 + 2e-4 for mean, std in zip(entry.mean, entry.std, strict=True))


def test_sizes_add_up_to_what_is_known_of_the_whole() -> None:
    def whole(name: str) -> int:
        return sum(size for size in vars(ENTRIES[name].sizes).values() if size)

    assert whole("resisc") == 45 * 700
    assert whole("ucmerced") == 21 * 100
    assert whole("bdd") == 100_000
    assert whole("chest_xray_kids") == 5_856
    assert whole("coco_2014") == 123_287
    assert whole("flowers") == 8_189
    domains = [entry.sizes for entry in ENTRIES.values() if entry.title.startswith("DomainNet")]
    assert sum(sizes.train or 0 for sizes in domains) == 409_832
    assert sum(sizes.test or 0 for sizes in domains) == 176_743


def test_names_are_torchvisions() -> None:
    coco = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    assert [name for name in coco if name not in ("N/A", "__background__")] == list(ENTRIES["coco_2014"].names)
    pascal = FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1.meta["categories"]
    assert pascal[1:] == list(ENTRIES["pascal"].names)


@pytest.mark.parametrize("name", ENTRIES)
def test_a_missing_one_says_where_to_get_it_and_how_to_lay_it_out(name: str, data: Path) -> None:
    entry = ENTRIES[name]
    with pytest.raises(DataError) as caught:
        source(f"paper:{name}")
    line = str(caught.value)
    assert "\n" not in line
    for part in (f"paper:{name} ", str(data / entry.folder), "HPT_DATA", entry.title, entry.home, "'PATH LABEL'"):
        assert part in line
    for split in ("train", "val", "test"):
        assert entry.lists.format(split) in line
    assert f"{entry.classes} classes" in line


def test_an_empty_folder_is_a_missing_one(data: Path) -> None:
    (data / "flowers").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no data set paper:flowers in .*torchvision:Flowers102,download=yes"):
        load("paper:flowers", 8)


def test_the_root_is_data_here_unless_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HPT_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"in data/viper \(HPT_DATA .* \./data unless set"):
        load("paper:viper", 8)


@pytest.mark.parametrize("spec", ["paper", "paper:", "paper:reisc", "paper:RESISC"])
def test_an_unknown_name_is_answered_with_all(spec: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown data set of the paper .*{', '.join(sorted(PAPER))}"):
        load(spec, 8)


def test_class_folders(data: Path, put: Put) -> None:
    parts = {"train/NORMAL": 12, "train/PNEUMONIA": 28, "test/NORMAL": 3, "test/PNEUMONIA": 5}
    put(*(f"chest_xray_kids/{part}/{i}.png" for part, count in parts.items() for i in range(count)))
    (data / "chest_xray_kids" / "notes.txt").touch()
    loaded = load("paper:chest_xray_kids", 8)
    assert (loaded.name, loaded.classes) == ("chest_xray_kids", ENTRIES["chest_xray_kids"].names)
    assert _sizes("paper:chest_xray_kids") == {"train": 36, "val": 4, "test": 8}
    assert (loaded.given_by, loaded.remarks) == ("its folders", ("1 file passed over: .txt 1",))
    assert np.bincount(loaded.labels[loaded.splits["test"]]).tolist() == [3, 5]
    assert {split: len(chosen) for split, chosen in loaded.evaluation().items()} == _sizes("paper:chest_xray_kids")


def _ucmerced(data: Path, put: Put, **splits: range) -> None:
    """As the authors have it: lists of ``Images/CLASS/CLASSnn.tif NUMBER``, numbered in the order of the names."""
    names = sorted(ENTRIES["ucmerced"].names)
    for split, numbers in splits.items():
        paths = [f"Images/{name}/{name}{number:02}.tif" for number in numbers for name in names]
        put(*(f"ucmerced/{path}" for path in paths))
        lines = [f"{path} {names.index(path.split('/')[1])}\n" for path in paths]
        (data / "ucmerced" / "meta").mkdir(exist_ok=True)
        (data / "ucmerced" / "meta" / f"{split}_labeled.txt").write_text("".join(lines))


def test_image_lists_of_the_authors(data: Path, put: Put) -> None:
    _ucmerced(data, put, train=range(3), val=range(3, 4), test=range(4, 6))
    loaded = load("paper:ucmerced", 8)
    assert loaded.classes == ENTRIES["ucmerced"].names
    assert _sizes("paper:ucmerced") == {"train": 63, "val": 21, "test": 42}
    assert loaded.given_by == "the authors' lists"
    for name, number in (("harbor", 0), ("runway", 5)):
        pixels = np.asarray(Image.open(data / "ucmerced" / "Images" / name / f"{name}{number:02}.tif"))
        (row,) = np.flatnonzero((loaded.images == pixels.transpose(2, 0, 1)).all(axis=(1, 2, 3)))
        assert loaded.classes[loaded.labels[row]] == name
        assert row in loaded.splits["test" if number > 3 else "train"]


def test_lists_win_over_class_folders_and_without_them_those_do(data: Path, put: Put) -> None:
    _ucmerced(data, put, train=range(6), test=range(6, 10))
    assert _sizes("paper:ucmerced") == {"train": 113, "val": 13, "test": 84}
    (data / "ucmerced" / "meta" / "train_labeled.txt").unlink()
    loaded = load("paper:ucmerced", 8)
    assert loaded.classes == ENTRIES["ucmerced"].names
    assert _sizes("paper:ucmerced") == {"train": 147, "val": 21, "test": 42}


def test_a_list_that_is_not_whole(data: Path, put: Put) -> None:
    _ucmerced(data, put, train=range(3), test=range(3, 5))
    meta = data / "ucmerced" / "meta"
    (data / "ucmerced" / "Images" / "beach" / "beach04.tif").unlink()
    with pytest.raises(DataError, match=r"test_labeled\.txt, line 25: there is no file 'Images/beach/beach04\.tif'"):
        load("paper:ucmerced", 8)
    (meta / "test_labeled.txt").write_text(f"Images/beach/beach03.tif {'9' * 4_400}\n")
    with pytest.raises(DataError, match=r"test_labeled\.txt, line 1: label '9{20}\.\.\.' has 4,400 characters"):
        load("paper:ucmerced", 8)
    (meta / "test_labeled.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"test_labeled\.txt cannot be read as an image list"):
        load("paper:ucmerced", 8)
    (meta / "test_labeled.txt").unlink()
    with pytest.raises(DataError, match=r"train_labeled\.txt is there but .*test_labeled\.txt is not; add it"):
        load("paper:ucmerced", 8)


def test_a_data_set_that_is_not_the_papers(data: Path, put: Put) -> None:
    put(*(f"resisc45/all/{name}/{i}.png" for name in ("airplane", "airport") for i in range(5)))
    # Read by its path before, so that a copy of it stands in the cache.
    load(str(data / "resisc45" / "all"), 8)
    with pytest.raises(DataError, match=r"has 2 classes in .*resisc45 and should have 45: complete it"):
        load("paper:resisc", 8)


def test_one_domain_of_a_shared_folder(data: Path, put: Put) -> None:
    for domain in ("clipart", "sketch"):
        paths = {split: [f"{domain}/{i}/{split}.png" for i in range(345)] for split in ("train", "test")}
        for split, names in paths.items():
            put(*(f"domain_net/{name}" for name in names))
            lines = [f"{name} {i}\n" for i, name in enumerate(names)]
            (data / "domain_net" / f"{domain}_{split}.txt").write_text("".join(lines))
    assert _sizes("paper:sketch") == {"train": 311, "val": 34, "test": 345}
    assert source("paper:sketch").fingerprint != source("paper:clipart").fingerprint


def test_several_labels_an_image_without_lists_serve_pretraining(data: Path, put: Put) -> None:
    splits = {"train": 6, "val": 2, "test": 3}
    (data / "chexpert" / "meta").mkdir(parents=True)
    for split, count in splits.items():
        names = [f"{split}/patient {i}/view1.png" for i in range(count)]
        put(*(f"chexpert/{name}" for name in names))
        (data / "chexpert" / "meta" / f"{split}-labeled.txt").write_text(
            "".join(f"{name} 1.0,0.0,-1.0,,{i % 2}.0\n" for i, name in enumerate(names))
        )
    assert _sizes("paper:chexpert") == splits
    listed = load("paper:chexpert", 8)
    assert (listed.multilabel, listed.classes) == (True, ENTRIES["chexpert"].names)
    # Unknown is absent in the authors' map; the lines of a split alternate.
    wanted = {(1, 0, 0, 0, 0), (1, 0, 0, 0, 1)}
    assert listed.targets is not None
    assert {tuple(row) for row in listed.targets.tolist()} == wanted
    assert {name: len(chosen) for name, chosen in listed.evaluation().items()} == splits
    whole = (data / "chexpert" / "meta" / "train-labeled.txt").read_text()
    (data / "chexpert" / "meta" / "train-labeled.txt").write_text(whole.replace("1.0,0.0,", "1.0,"))
    with pytest.raises(DataError, match="which is not 5 of 1, 0 and -1"):
        load("paper:chexpert", 8)
    for split in splits:
        (data / "chexpert" / "meta" / f"{split}-labeled.txt").unlink()
    (data / "chexpert" / "meta").rmdir()
    assert _sizes("paper:chexpert") == splits
    loaded = load("paper:chexpert", 8)
    assert (loaded.classes, set(loaded.labels)) == ((), {-1})
    assert len(loaded.pretraining()) == 8
    with pytest.raises(
        DataError, match="paper:chexpert has several labels an image, which only the authors' lists give"
    ):
        loaded.evaluation()
