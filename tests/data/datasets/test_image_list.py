from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpt_ray.core.errors import DataError
from hpt_ray.data import cache
from hpt_ray.data.dataset import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with twenty images in it."""
    for i in range(20):
        path = tmp_path / "x" / "images" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 10 * i, dtype=np.uint8)).save(path)
    return tmp_path / "x"


def _listed(folder: Path, *lines: str, name: str = "list.csv") -> str:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder / name)


def test_paths_labels_and_splits(folder: Path) -> None:
    splits = ["train"] * 12 + ["val"] * 4 + ["test"] * 4
    lines = [f"images/{i}.png, {'cat' if i % 2 else 'ant'}, {splits[i]}" for i in range(20)]
    data = load(_listed(folder, "path,label,split", "# a comment", "", *lines), 8)
    assert (data.name, data.classes) == ("list", ("ant", "cat"))
    assert np.array_equal(data.images[:, 0, 0, 0], np.arange(20) * 10)
    assert np.array_equal(data.labels, np.arange(20) % 2)
    assert data.splits["val"].tolist() == [12, 13, 14, 15]


def test_paths_alone_are_unlabelled(folder: Path) -> None:
    data = load(_listed(folder, *(f"images/{i}.png" for i in range(20)), name="list.txt"), 8)
    assert data.classes == ()
    assert len(data.pretraining()) == 20


def test_numbers_are_ordered_as_numbers_and_labels_may_be_left_out(folder: Path) -> None:
    data = load(
        _listed(folder, *(f"images/{i}.png,{(2, 10)[i % 2]}" for i in range(18)), "images/18.png", "images/19.png,"), 8
    )
    assert data.classes == ("2", "10")
    assert data.labels[16:].tolist() == [0, 1, -1, -1]


def test_a_changed_label_is_noticed(folder: Path) -> None:
    before = load(_listed(folder, *(f"images/{i}.png,{i % 2}" for i in range(20))), 8)
    after = load(_listed(folder, *(f"images/{i}.png,{i % 4 // 2}" for i in range(20))), 8)
    assert before.fingerprint != after.fingerprint
    assert after.labels[:4].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("header", ['path,"cat, dog",split', "path,label,split", None])
def test_several_labels_an_image(folder: Path, header: str | None) -> None:
    targets = np.random.default_rng(0).integers(-1, 2, (20, 2))
    splits = ("train", "val", "test")
    lines = [f'images/{i}.png,"{row[0]}, {row[1]}.0",{splits[i % 3]}' for i, row in enumerate(targets)]
    lines[0], targets[0] = 'images/0.png,"1,",train', (1, -1)
    lines[1], targets[1] = "images/1.png,,val", -1
    data = load(_listed(folder, *([header] if header else []), *lines), 8)
    assert data.multilabel
    assert data.classes == (("cat", "dog") if header and "cat" in header else ("0", "1"))
    np.testing.assert_array_equal(data.targets, targets)
    assert set(data.labels.tolist()) == {-1}


def test_several_labels_are_counted_and_checked(folder: Path) -> None:
    for line in ('images/1.png,"1,0,1"', 'images/1.png,"1,2"', "images/1.png,cat"):
        with pytest.raises(DataError, match=r"1\.png has the label '.*', which is not 2 of 1, 0 and -1"):
            load(_listed(folder, 'images/0.png,"1,0"', line), 8)
    with pytest.raises(DataError, match="which is not 3 of 1, 0 and -1"):
        load(_listed(folder, 'path,"a,b,c"', 'images/0.png,"1,0"'), 8)


def test_a_class_may_have_a_comma_in_its_name(folder: Path) -> None:
    lines = [f'images/{i}.png,"{("cat, wild", "cat, tame")[i % 2]}"' for i in range(20)]
    data = load(_listed(folder, *lines), 8)
    assert (data.multilabel, data.classes, data.targets) == (False, ("cat, tame", "cat, wild"), None)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("../secret.png,1", r"line 2: '\.\./secret\.png' leaves the list's folder"),
        ("/etc/passwd", "leaves the list's folder"),
        ("loop.png,1", "line 2: .*loop"),
        ("images/99.png", r"no file 'images/99\.png'"),
        ("images", "no file 'images'"),
        ("images/0.png,-3", "label -3 is out of range"),
        ("images/0.png,1,holdout", "split 'holdout' is none of train, val, test"),
        ("images/0.png,1,train,7", "4 columns"),
        ("images/0\0.png", "cannot be"),
    ],
)
def test_bad_lines(folder: Path, line: str, says: str) -> None:
    (folder.parent / "secret.png").write_bytes((folder / "images" / "0.png").read_bytes())
    (folder / "loop.png").symlink_to(folder / "loop.png")
    with pytest.raises(DataError, match=says):
        load(_listed(folder, "images/1.png", line), 8)


def test_a_link_in_the_lists_folder_is_followed(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    (folder / "images" / "3.png").rename(folder.parent / "elsewhere" / "3.png")
    (folder / "link").symlink_to(folder.parent / "elsewhere")
    data = load(_listed(folder, "images/1.png", "link/3.png", str(folder / "link" / "3.png")), 8)
    assert data.images[:, 0, 0, 0].tolist() == [10, 30, 30]
    with pytest.raises(DataError, match=r"line 1: 'link/\.\./\.\./elsewhere/3\.png' leaves the list's folder"):
        load(_listed(folder, "link/../../elsewhere/3.png"), 8)


def test_bad_lists(folder: Path) -> None:
    with pytest.raises(DataError, match="lists no images"):
        load(_listed(folder, "path,label"), 8)
    (folder / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as an image list"):
        load(str(folder / "list.txt"), 8)


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("path;label", "{path};{label}"),
        ("path\tlabel", "{path}\t{label}"),
        (None, "{path} {number}"),
        ("sep=;", "{path};{label}"),
        ("Filename,Label", "{path},{label}"),
        ("file_name,label", "{path},{label}"),
        ("image,label", "{path},{label}"),
        ("Image Path,Class", "{path},{label}"),
        ("label,path", "{label},{path}"),
        (",path,label", "{i},{path},{label}"),
        ("path,age,label", "{path},{i},{label}"),
        ("path,fine_label", "{path},{label}"),
        ("path,label,fine_label", "{path},{label},{i}"),
        ("path,label", "images\\{i}.png,{label}"),
    ],
)
def test_columns_are_known_by_their_names_and_the_delimiter_is_found_out(
    folder: Path, header: str | None, line: str
) -> None:
    lines = [line.format(i=i, path=f"images/{i}.png", label=("ant", "cat")[i % 2], number=i % 2) for i in range(20)]
    data = load(_listed(folder, *([header] if header else []), *lines), 8)
    assert data.classes == (("ant", "cat") if header else ("0", "1"))
    assert np.array_equal(data.labels, np.arange(20) % 2)
    said = {
        "path,age,label": "columns passed over: age",
        "path,label,fine_label": "columns passed over: fine_label",
        "path,fine_label": "its labels are from the column 'fine_label'",
    }
    assert data.remarks[:-1] == ((said[header],) if header in said else ())
    assert "nearly constant" in data.remarks[-1]  # they are: each image of this test has one colour


@pytest.mark.parametrize("header", ["path,split,label", "split,path,label", "label,subset,file"])
def test_a_column_of_splits_is_never_one_of_labels(folder: Path, header: str) -> None:
    splits = ["train"] * 12 + ["validation"] * 4 + ["test"] * 4
    rows = [
        {"path": f"images/{i}.png", "file": f"images/{i}.png", "label": ("ant", "cat")[i % 2]}
        | dict.fromkeys(("split", "subset"), splits[i])
        for i in range(20)
    ]
    data = load(_listed(folder, header, *(",".join(row[name] for name in header.split(",")) for row in rows)), 8)
    assert data.classes == ("ant", "cat")
    assert {name: len(chosen) for name, chosen in data.splits.items()} == {"train": 12, "val": 4, "test": 4}
    assert data.given == ("train", "val", "test")


def test_splits_alone_leave_a_list_without_labels(folder: Path) -> None:
    lines = (f"images/{i}.png,{('train', 'val', 'test')[i % 3]}" for i in range(20))
    data = load(_listed(folder, "path,split", *lines), 8)
    assert data.classes == ()
    assert data.splits["test"].tolist() == [2, 5, 8, 11, 14, 17]


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("path,scanner", "column 'scanner' is none of path, label, split and group; call the column of labels 'label'"),
        ("path,age", "column 'age' is none of"),
        ("path,cat,dog", "column 'cat', 'dog' is none of .*several labels an image"),
        ("path,label,class", r"several columns for the label \('label', 'class'\)"),
        ("path,fine_label,coarse_label", r"several columns for the label \('fine_label', 'coarse_label'\)"),
    ],
)
def test_a_header_that_does_not_tell_the_labels_is_refused(folder: Path, header: str, says: str) -> None:
    lines = (f"images/{i}.png,{i % 2}" for i in range(20))
    with pytest.raises(DataError, match=says):
        load(_listed(folder, header, *lines), 8)


def test_a_list_that_was_replaced_with_its_size_and_time_is_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "SETTLED_SECONDS", -1)
    first = _listed(folder, *(f"images/{i}.png,{i % 2}" for i in range(20)))
    before, time = load(first, 8), Path(first).stat()
    _listed(folder, *(f"images/{i}.png,{1 - i % 2}" for i in range(20)))
    os.utime(first, ns=(time.st_atime_ns, time.st_mtime_ns))
    after = load(first, 8)
    assert Path(first).stat().st_size == time.st_size
    assert after.fingerprint != before.fingerprint
    assert after.labels.tolist() == [1 - label for label in before.labels.tolist()]


@pytest.mark.parametrize("names", [("nan", "null"), ("None", "NA"), ("NaN", "none"), ("1", "1.0")])
def test_a_class_may_be_called_like_a_missing_value(folder: Path, names: tuple[str, str]) -> None:
    lines = [f"images/{i}.png,{names[i % 2]}" for i in range(20)]
    data = load(_listed(folder, "path,label", *lines), 8)
    assert data.classes == tuple(sorted(names))
    assert [data.classes[i] for i in data.labels] == [names[i % 2] for i in range(20)]
    data = load(_listed(folder, f'path,"{names[0]},{names[1]}"', *(f'images/{i}.png,"1,0"' for i in range(20))), 8)
    assert data.classes == names


@pytest.mark.parametrize("character", ["9", "x"])
def test_a_label_beyond_measure_is_refused(folder: Path, character: str) -> None:
    with pytest.raises(
        DataError, match=r"list\.csv, line 3: label '.*' has 4,400 characters, and a class name at most"
    ):
        load(_listed(folder, "path,label", "images/0.png,1", f"images/1.png,{character * 4_400}"), 8)


def test_marks_of_many_classes_are_no_long_label(folder: Path) -> None:
    marks = ",".join("1" * 700)
    data = load(_listed(folder, *(f'images/{i}.png,"{marks}"' for i in range(20))), 8)
    assert data.targets is not None and data.targets.shape == (20, 700)


@pytest.mark.parametrize("name", ["phase", "Data Split", "dataset"])
def test_a_column_that_holds_splits_alone_gives_them(folder: Path, name: str) -> None:
    lines = [f"images/{i}.png,{'ab'[i % 2]},{('Train', 'val', 'test')[(i > 11) + (i > 14)]},Bern" for i in range(20)]
    data = load(_listed(folder, f"path,label,{name},city", *lines), 8)
    assert {split: len(data.splits[split]) for split in data.splits} == {"train": 12, "val": 3, "test": 5}
    assert data.remarks[:2] == (f"its splits are from the column {name!r}", "columns passed over: city")


@pytest.mark.parametrize(
    ("header", "line", "says"),
    [
        ("path,label,is_test", "images/{i}.png,{c},{b}", "the column 'is_test' seems to tell the splits apart"),
        ("path,label,train", "images/{i}.png,{c},{b}", "the column 'train' seems to tell the splits apart"),
        ("image_id,category_id", "images/{i}.png,{b}", "column 1 holds paths of images, but the first line names no"),
        ("# a comment", "{c},images/{i}.png", "column 2 holds paths of images, but without a header the first is"),
        ("# a comment", "images/{i}.png,{s}", "its labels are 'test', 'train', which are splits"),
        ("path,label,phase,usage", "images/{i}.png,{c},{s},{s}", r"several columns for the split \('phase', 'usage'\)"),
    ],
)
def test_columns_that_are_not_what_they_stand_for_are_refused(folder: Path, header: str, line: str, says: str) -> None:
    lines = [line.format(i=i, c="ab"[i % 2], b=i % 2, s=("train", "test")[i % 2]) for i in range(20)]
    with pytest.raises(DataError, match=says):
        load(_listed(folder, header, *lines), 8)


def test_a_first_image_that_is_missing_is_not_taken_for_a_header(folder: Path) -> None:
    lines = [f"images/{i}.png,{'ab'[i % 2]}" for i in range(20)]
    with pytest.raises(DataError, match=r"line 1: there is no file 'images/lost\.png'"):
        load(_listed(folder, "images/lost.png,a", *lines), 8)


@pytest.mark.parametrize(("name", "delimiter"), [("list.csv", "|"), ("list.tsv", "\t")])
def test_other_signs_may_separate_columns(folder: Path, name: str, delimiter: str) -> None:
    data = load(_listed(folder, *(f"images/{i}.png{delimiter}{'ab'[i % 2]}" for i in range(20)), name=name), 8)
    assert data.classes == ("a", "b")


def test_a_class_called_like_a_missing_value_is_remarked_upon(folder: Path) -> None:
    data = load(_listed(folder, *(f"images/{i}.png,{('cat', 'nan')[i % 2]}" for i in range(20))), 8)
    assert "a class is called 'nan'; leave the label empty where an image has none" in data.remarks
