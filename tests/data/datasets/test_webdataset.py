from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import webdataset
from PIL import Image

from hpt_ray.core.errors import DataError
from hpt_ray.data import inventory
from hpt_ray.data.dataset import Dataset, load
from hpt_ray.data.datasets import _tar
from hpt_ray.data.records import source

Files = dict[str, bytes | str]


def _png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _write(path: Path, files: Files) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def _labelled(count: int, kind: str = "cls", first: int = 0) -> Files:
    files: Files = {}
    for i in range(first, first + count):
        files |= {f"a/{i:04}.png": _png(i), f"a/{i:04}.{kind}": str(i % 2)}
    return files


def _sizes(data: Dataset) -> dict[str, int]:
    return {name: len(chosen) for name, chosen in data.splits.items()}


def test_shards_hold_what_webdataset_itself_writes_and_reads(tmp_path: Path) -> None:
    for number in range(3):
        with webdataset.TarWriter(str(tmp_path / f"train-{number:04}.tar")) as writer:
            for i in range(number * 10, number * 10 + 10):
                writer.write({"__key__": f"x/{i:05}", "png": _png(i), "cls": i % 3, "json": {"label": 9}})
    pattern = f"{tmp_path}/train-{{0000..0002}}.tar"
    reference = list(webdataset.WebDataset(pattern, shardshuffle=False).decode("rgb8").to_tuple("png", "cls"))
    data = load(pattern, 8)
    assert np.array_equal(data.images, np.stack([image for image, _ in reference]).transpose(0, 3, 1, 2))
    assert data.labels.tolist() == [label for _, label in reference]
    assert (data.name, data.classes) == ("train", ("0", "1", "2"))
    assert data.remarks == ("its labels are from .cls",)


@pytest.mark.parametrize("place", ["{split}-0000.tar", "{split}/0000.tar", "data/{split}-0000.tar"])
def test_a_shards_name_or_folder_gives_its_split(tmp_path: Path, place: str) -> None:
    for number, split in enumerate(("train", "val", "test")):
        _write(tmp_path / place.format(split=split), _labelled(6, first=10 * number))
    data = load(str(tmp_path), 8)
    assert _sizes(data) == {"train": 6, "val": 6, "test": 6}
    assert inventory.origin(data) == "train and val and test given by its file names"


@pytest.mark.parametrize(
    ("texts", "labels", "remark"),
    [
        ({"cls": ["cat", "dog"], "txt": ["a", "b"]}, ["cat", "dog"], "its labels are from .cls"),
        ({"label": ["7", ""]}, ["7", None], "its labels are from .label"),
        ({"json": ['{"label": "x"}', '{"label": 3}']}, ["x", "3"], "its labels are from 'label' in .json"),
        ({"json": ['{"class": 1}', "{}"]}, ["1", None], "its labels are from 'class' in .json"),
        ({"txt": ["cat\n", "dog\n"]}, ["cat", "dog"], "its labels are from .txt (2 different texts)"),
        ({"json": ['{"url": "x"}'] * 2}, [None, None], None),
        ({"cls": ["-1", "0"]}, [None, "0"], "its labels are from .cls"),
    ],
)
def test_labels(tmp_path: Path, texts: dict[str, list[str]], labels: list[str | None], remark: str | None) -> None:
    files: Files = {}
    for i in range(20):
        files |= {f"{i:03}.png": _png(i)} | {f"{i:03}.{kind}": two[i % 2] for kind, two in texts.items()}
    data = load(str(_write(tmp_path / "all.tar", files)), 8)
    assert [data.classes[i] if i >= 0 else None for i in data.labels] == labels * 10
    assert data.remarks == ((remark,) if remark else ())


def test_captions_are_no_labels_and_it_is_said(tmp_path: Path) -> None:
    files: Files = {}
    for i in range(20):
        files |= {f"{i}.png": _png(i), f"{i}.txt": f"a photograph of number {i}"}
    data = load(str(_write(tmp_path / "all.tar", files)), 8)
    assert data.classes == ()
    assert data.remarks == (".txt holds captions (20 different texts of 20) and no labels",)


def test_names_of_integers_stand_beside_the_shards(tmp_path: Path) -> None:
    _write(tmp_path / "all.tar", _labelled(20))
    (tmp_path / "classes.json").write_text(json.dumps(["owl", "ant"]))
    assert load(str(tmp_path), 8).classes == ("owl", "ant")
    (tmp_path / "classes.json").write_text(json.dumps(["owl"]))
    with pytest.raises(DataError, match=r"all\.tar, a/0001\.png: label 1 is out of range; there are 1 classes"):
        load(str(tmp_path), 8)


def test_files_of_a_sample_need_not_stand_together_and_others_are_passed_over(tmp_path: Path) -> None:
    files = dict(sorted(_labelled(20).items(), key=lambda pair: pair[0][-3:]))
    files |= {"readme": "x", "._0001.png": b"x", "__meta__/x.png": b"x", "lost.cls": "1", "a/0003.mask.png": _png(99)}
    data = load(str(_write(tmp_path / "all.tar", files)), 8)
    expected = np.stack([np.asarray(Image.open(io.BytesIO(_png(i)))).transpose(2, 0, 1) for i in range(20)])
    assert np.array_equal(data.images, expected)
    assert data.labels.tolist() == [0, 1] * 10
    assert data.remarks == (
        "samples have several images (mask.png, png): png is read",
        "its labels are from .cls",
        "samples without an image passed over: 1",
    )


def test_links_devices_and_names_that_lead_away_are_never_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(_png(77))
    path = _write(tmp_path / "in" / "all.tar", {**_labelled(4), "../../away.png": _png(5), "/etc/x.png": _png(6)})
    with tarfile.open(path, "a") as archive:
        for name, kind in (("l.png", tarfile.SYMTYPE), ("h.png", tarfile.LNKTYPE), ("d.png", tarfile.CHRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "../secret.png"
            archive.addfile(member)
    data = load(str(path), 8)
    assert len(data.images) == 6
    assert data.remarks[-1] == "3 links, devices or sparse files passed over"
    assert sorted(found.name for found in tmp_path.rglob("*.png")) == ["secret.png"]


def _broken(path: Path, how: str) -> None:
    whole = _write(path, _labelled(20)).read_bytes()
    path.write_bytes(
        {
            "cut in a file": whole[: 5 * 512 + 100],
            "cut in a header": whole[: 8 * 512 + 200],
            "damaged header": whole[: 8 * 512] + b"x" * 512 + whole[9 * 512 :],
            "no tar": b"<html>404</html>" * 100,
            "empty": b"",
            "no files": bytes(10_240),
            "compressed": gzip.compress(whole),
        }[how]
    )


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cut in a file", "all.tar cannot be read as a tar .*unexpected end of data"),
        ("cut in a header", r"all.tar is damaged after 4,096 bytes"),
        ("damaged header", r"all.tar is damaged after 4,096 bytes"),
        ("no tar", "all.tar is not a tar archive but a web page"),
        ("empty", "all.tar is an empty tar"),
        ("no files", "all.tar is an empty tar"),
        ("compressed", "all.tar is compressed"),
    ],
)
def test_a_shard_that_cannot_be_read_is_one_line(tmp_path: Path, how: str, message: str) -> None:
    _broken(tmp_path / "all.tar", how)
    with pytest.raises(DataError, match=message):
        load(str(tmp_path), 8)


def test_a_tar_that_ends_between_two_files_is_remarked(tmp_path: Path) -> None:
    path = _write(tmp_path / "all.tar", _labelled(20))
    with tarfile.open(path) as archive:
        end = archive.getmembers()[30].offset
    path.write_bytes(path.read_bytes()[:end])
    data = load(str(path), 8)
    assert len(data.images) == 15
    assert data.remarks[-1] == "all.tar: the end mark of a tar is missing, it may have been cut"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": "x"}, "has shards without images"),
        ({"a.png": b"", "a.cls": b"\xff"}, "its .cls is no text"),
        ({"a.png": b"", "a.cls": "9999999"}, "label 9999999 is out of range"),
        ({"a.png": b"", "a.cls": "x" * 2000}, "has 2,000 characters"),
        ({"a.png": b"", "a.json": "{"}, "its .json cannot be read"),
        (
            {"a.png": b"", "a.json": '{"label": [1, 0]}'},
            r"'label' in its .json is \[1, 0\]; write an integer .*several labels an image are read from an image list",
        ),
        ({"a.png": b"broken"}, r"all\.tar, a\.png is not an image"),
    ],
)
def test_samples_that_cannot_be_used(tmp_path: Path, files: Files, message: str) -> None:
    _write(tmp_path / "all.tar", files)
    with pytest.raises(DataError, match=message):
        load(str(tmp_path), 8)


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "all.tar", _labelled(2))
    with tarfile.open(path, "a") as archive:
        archive.addfile(tarfile.TarInfo("a/0001.png"))
    with pytest.raises(DataError, match=r"holds a/0001\.png twice"):
        source(str(path))


def test_long_names_are_read_as_they_are(tmp_path: Path) -> None:
    name = "x" * 150 + "/" + "ü" * 120
    (sample,) = _tar.tar(_write(tmp_path / "all.tar", {f"{name}.png": _png(0)})).samples
    assert sample.key == name
