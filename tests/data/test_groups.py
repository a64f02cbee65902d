"""Images that belong together: read from columns or by a rule, and kept together by splits and subsets."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import shlex
import tarfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from hpt_ray.core.errors import DataError
from hpt_ray.data import inventory, leakage
from hpt_ray.data.dataset import Dataset, load
from hpt_ray.data.groups import suggestion
from hpt_ray.data.splits import complete, nested

PATIENTS, SLICES = 20, 5
#: "a/p03/2.png": ten patients of each class, five slices of each.
NAMES = sorted(f"{'ab'[p % 2]}/p{p:02}/{s}.png" for p in range(PATIENTS) for s in range(SLICES))


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def folder(root: Path, names: Iterable[str] = NAMES) -> Path:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(seed))
    return root


def as_folder(root: Path) -> Dataset:
    return load(str(folder(root)), 8, "folder")


def as_list(root: Path) -> Dataset:
    rows = [f"{name},{name[0]},{name[2:5]}" for name in NAMES]
    (folder(root) / "list.csv").write_text("\n".join(["path,label,PatientID", *rows]))
    return load(str(root / "list.csv"), 8)


def as_parquet(root: Path) -> Dataset:
    root.mkdir()
    images = [{"bytes": png(seed), "path": name} for seed, name in enumerate(NAMES)]
    columns = {"image": images, "label": [name[0] for name in NAMES], "patient_id": [name[2:5] for name in NAMES]}
    pq.write_table(pa.table(columns), root / "images.parquet")
    return load(str(root), 8)


def as_shard(root: Path) -> Dataset:
    root.mkdir()
    with tarfile.open(root / "images.tar", "w") as archive:
        for seed, name in enumerate(NAMES):
            described = json.dumps({"label": name[0], "group": name[2:5]}).encode()
            for kind, content in (("png", png(seed)), ("json", described)):
                member = tarfile.TarInfo(f"{seed:03}.{kind}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return load(str(root), 8)


@pytest.mark.parametrize(
    ("read", "given_by"),
    [
        (as_folder, "groups=folder"),
        (as_list, "the column 'PatientID'"),
        (as_parquet, "the column 'patient_id'"),
        (as_shard, "'group' in .json"),
    ],
)
def test_every_source_keeps_patients_together(read, given_by: str, tmp_path: Path) -> None:
    data = read(tmp_path / "data")
    assert data.groups is not None
    assert [data.groups.name(image) for image in range(100)] == [name[2:5] for name in NAMES]
    patients = {name: {NAMES[i][2:5] for i in indices} for name, indices in data.splits.items()}
    assert {name: len(of_split) for name, of_split in patients.items()} == {"train": 14, "val": 2, "test": 4}
    assert sum(map(len, patients.values())) == PATIENTS
    for indices in data.splits.values():
        assert np.bincount(data.labels[indices]).tolist() == [len(indices) // 2] * 2
    wanted = f"20 test images in 4 groups, given by {given_by} (train has 14, val 2); intervals rest on the groups."
    assert any(line.endswith(wanted) for line in inventory.lines([data]))


def test_a_pattern_reads_the_group_from_the_name(tmp_path: Path) -> None:
    names = [f"{'ab'[p % 2]}/patient{p}_slice{s}.png" for p in range(6) for s in range(3)]
    data = load(str(folder(tmp_path, names)), 8, r"(patient\d+)_")
    assert data.groups is not None and data.groups.names == tuple(f"patient{p}" for p in range(6))
    assert data.fingerprint != load(str(tmp_path), 8).fingerprint


def test_without_groups_nothing_is_another_than_before(tmp_path: Path) -> None:
    data = load(str(folder(tmp_path / "data", [f"{'ab'[i % 2]}/{i:02}.png" for i in range(100)])), 8)
    assert data.groups is None
    plain = complete("x", data.labels, np.full(100, ""))
    assert {name: indices.tolist() for name, indices in data.splits.items()} == {
        name: indices.tolist() for name, indices in plain.items()
    }
    assert inventory.lines([data]) == [
        "data: 100 images, 2 classes; train 70, val 10, test 20 "
        "(val is 10 % and test is 20 % of the labelled images, drawn by class).",
        "data: 8 x 8 px, RGB of 8 bits.",
    ]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("folders", "groups=folders is neither 'folder' nor a pattern with one group"),
        ("(p", "groups=\\(p is no regular expression"),
        (r"(q\d+)", r"groups=\(q\\d\+\) finds no group in 'a/p00/0.png'; write a pattern .* or groups=folder"),
        ("^(.)", "each class lies in one group"),
    ],
)
def test_a_rule_that_does_not_fit_is_one_line(rule: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says) as raised:
        load(str(folder(tmp_path)), 8, rule).evaluation()
    assert "\n" not in str(raised.value)


def test_a_rule_is_checked_before_anything_is_decoded(tmp_path: Path) -> None:
    root = folder(tmp_path, ["a/p1_1.png", "b/p2_1.png", "b/other.png"])
    done: list[int] = []
    with pytest.raises(DataError, match="finds no group in 'b/other"):
        load(str(root), 8, r"(p\d)_", progress=lambda number, of: done.append(number))
    assert done == []


def test_images_directly_in_their_class_have_no_folder(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"groups=folder finds no group in 'test/a/3\.png'; give each group a folder of its own"
    ):
        load(str(folder(tmp_path, ["train/a/1.png", "train/b/2.png", "test/a/3.png"])), 8, "folder")


def test_a_drawn_data_set_has_no_names() -> None:
    with pytest.raises(DataError, match="images that have no file names: leave groups out"):
        load("digits", 8, "folder")


TIF = [f"TCGA_{patient}_1996_{number}.tif" for patient in range(40, 50) for number in range(3)]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (NAMES, ["its images lie in folders as if they came in 20 groups, such as 'p00'"]),
        ([f"{'ab'[i % 2]}/{name}" for i, name in enumerate(TIF)], ["are named as if they came in 10 groups, such as"]),
        ([f"a/scan{s} ({i}).jpg" for s in range(4) for i in range(5)], ["in 4 groups, such as 'scan0'"]),
        ([f"{'ab'[i % 2]}/gg ({i}).jpg" for i in range(30)], []),  # a running number, and no patient
        ([f"{'ab'[i % 2]}/n0{i % 2}_{i}.jpg" for i in range(30)], []),  # a class and a number
        ([f"a/{i}_{i}.jpg" for i in range(30)], []),  # every image its own
        ([*(f"a/p{i // 5}_{i}.jpg" for i in range(30)), "a/other.jpg"], []),
        (["" for _ in range(30)], []),
    ],
)  # fmt: skip
def test_names_that_look_like_groups_are_remarked_on(names: list[str], says: list[str]) -> None:
    labels = np.array([int(name.startswith("b")) for name in names])
    found = suggestion(names, labels, ("a", "b"))
    assert len(found) == len(says)
    for line, part in zip(found, says, strict=True):
        assert part in line and "add --set groups=" in line


def test_the_rule_that_is_suggested_can_be_used(tmp_path: Path) -> None:
    root = folder(tmp_path, [f"{'ab'[p % 2]}/p{p}_slice{s}.png" for p in range(10) for s in range(4)])
    (remark,) = (line for line in load(str(root), 8).remarks if "--set groups=" in line)
    rule = shlex.split(remark)[-1].removeprefix("groups=")
    data = load(str(root), 8, rule)
    assert data.groups is not None and data.groups.names == tuple(f"p{p}" for p in range(10))
    assert not any("--set groups=" in line for line in data.remarks)


def test_unlabelled_images_have_groups_too(tmp_path: Path) -> None:
    rows = [f"{name},{name[2:5]}" for name in NAMES]
    (folder(tmp_path) / "list.csv").write_text("\n".join(["path,patient", *rows]))
    lines = inventory.lines([load(str(tmp_path / "list.csv"), 8)])
    assert "list: its images are in 20 groups, given by the column 'patient'." in lines


def test_groups_of_a_source_that_are_called_like_tested_ones_are_remarked_on(tmp_path: Path) -> None:
    target, other = as_list(tmp_path / "one"), as_parquet(tmp_path / "other")
    everything = {"train": np.arange(100), "val": np.arange(0), "test": np.arange(0)}
    copies = dataclasses.replace(other, splits=everything, apart=(target,))
    assert [line.split(":")[0] for line in leakage.remarks([copies])] == ["other"]  # they are left out
    others = dataclasses.replace(copies, hashes=np.array([b"%032d" % i for i in range(100)]))
    (line,) = leakage.remarks([others])
    assert line.startswith(
        "other: 4 groups are called like groups of test images of list; if they are the same, remove"
    )
    assert leakage.alike(target, target) == 0


def test_floats_with_gaps_are_integers_with_images_alone(tmp_path: Path) -> None:
    columns = {
        "image": [{"bytes": png(seed), "path": None} for seed in range(12)],
        "label": [seed % 2 for seed in range(12)],
        "group": [float("nan") if seed == 3 else float(seed // 2) for seed in range(12)],
    }
    pq.write_table(pa.table(columns), tmp_path / "images.parquet")
    data = load(str(tmp_path), 8)
    assert data.groups is not None and data.groups.names == tuple("012345")
    assert (data.groups.name(2), data.groups.name(3)) == ("1", None)


def grouped_table(root: Path, groups: list[object]) -> Dataset:
    images = [{"bytes": png(seed), "path": None} for seed in range(len(groups))]
    columns = {"image": images, "label": [seed % 2 for seed in range(len(groups))], "group": groups}
    root.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), root / "images.parquet")
    return load(str(root), 8)


def test_two_spellings_of_a_name_are_one_group(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))
    names = [f"p{number // 2}" for number in range(20)]
    table = grouped_table(tmp_path / "table", [composed, decomposed, *names])
    images = [f"{'ab'[p % 2]}/p{p}_{s}.png" for p in range(8) for s in range(2)]
    images += [f"a/{spelled}_{s}.png" for spelled in (composed, decomposed) for s in range(2)]
    for data in (table, load(str(folder(tmp_path / "files", images)), 8, r"/(.+)_\d")):
        assert data.groups is not None
        assert data.groups.names.count(composed) == 1
        assert decomposed not in data.groups.names


def test_a_column_that_can_name_no_groups_is_remarked_on(tmp_path: Path) -> None:
    for groups, kind in (([[seed // 2] for seed in range(20)], "list<element: int64>"), ([None] * 20, "null")):
        data = grouped_table(tmp_path / "data", list(groups))
        assert data.groups is None
        assert any(f"its column 'group' is {kind}, which names no groups" in line for line in inventory.lines([data]))


def test_files_without_the_column_of_groups_are_counted(tmp_path: Path) -> None:
    grouped_table(tmp_path, [f"p{seed // 2}" for seed in range(20)])
    images = [{"bytes": png(100 + seed), "path": None} for seed in range(10)]
    pq.write_table(pa.table({"image": images, "label": [seed % 2 for seed in range(10)]}), tmp_path / "more.parquet")
    data = load(str(tmp_path), 8)
    assert data.groups is not None and data.groups.count(np.arange(30)) == 10 + 10
    assert any("no column of groups in 1 of its 2 files" in line for line in inventory.lines([data]))


def test_nan_in_json_is_an_image_alone(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "images.tar", "w") as archive:
        for seed in range(20):
            group = float("nan") if seed < 4 else float(seed // 2)
            for kind, content in (
                ("png", png(seed)),
                ("json", json.dumps({"label": seed % 2, "group": group}).encode()),
            ):
                member = tarfile.TarInfo(f"{seed:03}.{kind}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    groups = load(str(tmp_path / "images.tar"), 8).groups
    assert groups is not None
    assert [groups.name(image) for image in (0, 3, 4, 5)] == [None, None, "2", "2"]


def test_encoded_pixels_have_the_same_groups(tmp_path: Path) -> None:
    resident = as_folder(tmp_path / "data")
    encoded = load(str(tmp_path / "data"), 8, "folder", pixels="encoded")
    assert encoded.groups is not None and resident.groups is not None
    assert encoded.groups.names == resident.groups.names
    assert {name: chosen.tolist() for name, chosen in encoded.splits.items()} == {
        name: chosen.tolist() for name, chosen in resident.splits.items()
    }


@pytest.mark.parametrize("patients", [1, 2])
def test_too_few_groups_for_three_splits_serve_pretraining_alone(patients: int, tmp_path: Path) -> None:
    names = [f"{'ab'[s % 2]}/p{p}/{s}.png" for p in range(patients) for s in range(10)]
    data = load(str(folder(tmp_path, names)), 8, "folder")
    assert len(data.pretraining()) == 10 * patients - 10 * (patients == 2)
    with pytest.raises(
        DataError, match=f"labelled images are of {patients} group.* by groups=folder.*whole groups; add"
    ):
        data.evaluation()


def test_a_group_on_both_sides_of_given_splits_is_counted(tmp_path: Path) -> None:
    names = [
        f"{split}/{'ab'[p % 2]}/p{p}/{split}{s}.png" for split in ("train", "test") for p in range(6) for s in "12"
    ]
    kept = [name for name in names if "train" in name or "p0" in name or "p1" in name]
    kept += [f"test/{'ab'[p % 2]}/p{p}/1.png" for p in (6, 7)]
    data = load(str(folder(tmp_path, kept)), 8, "folder")
    assert data.evaluation()["test"].size == 6
    assert any("2 of 4 groups of test have images in train or val too" in line for line in inventory.lines([data]))


def test_an_empty_cell_is_an_image_alone(tmp_path: Path) -> None:
    rows = [f"{name},{name[0]},{'' if i % 2 else name[2:5]}" for i, name in enumerate(NAMES)]
    (folder(tmp_path) / "list.csv").write_text("\n".join(["path,label,group", *rows]))
    data = load(str(tmp_path / "list.csv"), 8)
    assert data.groups is not None
    assert data.groups.name(1) is None
    assert data.groups.count(np.arange(100)) == PATIENTS + 50


def test_shares_of_drawn_groups_are_as_even_as_scikit_learns() -> None:
    """Groups of 1 to 40 images, one class each: images and classes of test lie near a fifth."""
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 41, 120)
    units = np.repeat(np.arange(120), sizes)
    labels = np.repeat(generator.choice(4, 120, p=[0.4, 0.3, 0.2, 0.1]), sizes)
    test = complete("x", labels, np.full(len(labels), ""), units)["test"]
    other = next(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(labels, labels, units))[1]

    def error(indices: np.ndarray) -> float:
        return float(np.abs(np.bincount(labels[indices], minlength=4) - 0.2 * np.bincount(labels)).max())

    assert len(np.unique(units[test])) == 24
    assert not set(units[test]) & set(np.delete(units, test))
    assert abs(len(test) / len(labels) - 0.2) < 0.03
    assert error(test) < max(2 * error(other), 0.03 * len(labels))


def test_a_group_larger_than_a_split_should_be_stays_in_train() -> None:
    sizes = [900, *[10] * 12, *[12] * 12]
    units, generator = np.repeat(np.arange(25), sizes), np.random.default_rng(0)
    for _ in range(5):
        order = generator.permutation(25)
        splits = complete("x", order[units] % 2, np.full(len(units), ""), order[units])
        assert len(splits["train"]) >= 900 and min(len(splits["val"]), len(splits["test"])) >= 20


def test_images_without_a_label_go_where_their_group_goes() -> None:
    units = np.repeat(np.arange(30), 4)
    labels = np.where(np.arange(120) % 4, units % 2, -1)
    splits = complete("x", labels, np.full(120, ""), units)
    assert (labels[splits["test"]] < 0).sum() == 6
    assert not set(units[splits["test"]]) & set(units[splits["train"]])


def test_a_subset_takes_whole_groups_but_for_the_last() -> None:
    units = np.repeat(np.arange(25), 4)
    labels = units % 3
    subsets = [nested(np.arange(100), labels, n, np.random.default_rng(1), units) for n in (7, 30, 61, 100)]
    for number, subset in zip((7, 30, 61, 100), subsets, strict=True):
        counts = np.unique(units[subset], return_counts=True)[1]
        assert len(subset) == number and (counts < 4).sum() <= 1
    for smaller, larger in itertools.pairwise(subsets):
        assert set(smaller) < set(larger)


def test_a_fraction_of_pretraining_takes_whole_groups(tmp_path: Path) -> None:
    data = as_folder(tmp_path / "data")
    assert data.groups is not None
    counts = np.unique(data.groups.units[data.pretraining(0.5, 3)], return_counts=True)[1]
    assert counts.tolist() == [SLICES] * 8
