from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hpt_ray.core.errors import DataError
from hpt_ray.data import cache, inventory
from hpt_ray.data.dataset import Dataset, load
from hpt_ray.data.records import source
from tests.support.places import SHARED_DATA as DATA


def _png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format="PNG")
    return buffer.getvalue()


def _pictures(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def _write(
    path: Path, pictures: np.ndarray, labels: Any = None, names: list[str] | None = None, /, **others: Any
) -> None:
    images = [{"bytes": _png(picture), "path": f"{i}.png"} for i, picture in enumerate(pictures)]
    table = pa.table({"image": pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()}))})
    if labels is not None:
        table = table.append_column("label", pa.array(labels))
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    for column, values in others.items():
        table = table.append_column(column, pa.array(values))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=7)


def test_round_trip_with_splits_names_and_shards(tmp_path: Path) -> None:
    parts = {
        "train-00000-of-00002": 20,
        "train-00001-of-00002": 10,
        "validation-00000-of-00001": 6,
        "test-00000-of-00001": 9,
    }
    for seed, (name, count) in enumerate(parts.items()):
        _write(tmp_path / "data" / f"{name}.parquet", _pictures(count, seed), np.arange(count) % 3, ["x", "y", "z"])
    data = load(str(tmp_path), 8)
    assert {name: len(chosen) for name, chosen in data.splits.items()} == {"train": 30, "val": 6, "test": 9}
    assert data.classes == ("x", "y", "z")
    for seed, (split, part) in enumerate([("train", slice(0, 20)), ("train", slice(20, 30)), ("val", slice(None))]):
        chosen = data.splits[split][part]
        assert np.array_equal(data.images[chosen], _pictures(len(chosen), seed).transpose(0, 3, 1, 2))
        assert np.array_equal(data.labels[chosen], np.arange(len(chosen)) % 3)


def test_one_file_without_labels_is_for_pretraining_only(tmp_path: Path) -> None:
    _write(tmp_path / "photos.parquet", _pictures(10, 0))
    data = load(str(tmp_path / "photos.parquet"), 8)
    assert (data.name, data.classes, len(data.pretraining())) == ("photos", (), 10)
    with pytest.raises(DataError, match="no labels"):
        data.evaluation()


@pytest.mark.parametrize(
    ("labels", "listed", "classes"),
    [
        ([0, 1, 2, 0, 1, 2, 0, 1, 2, 0], ["a", "b", "c"], ("a", "b", "c")),
        ([0, 1, 2, 0, 1, 2, 0, 1, 2, 0], None, ("0", "1", "2")),
        (["owl", "ant"] * 5, None, ("ant", "owl")),
        ([0, -1, None, 1, 0, 1, 0, 1, 0, 1], None, ("0", "1")),
    ],
    ids=["classes.json", "numbers", "names", "some without"],
)
def test_class_names(tmp_path: Path, labels: list[Any], listed: list[str] | None, classes: tuple[str, ...]) -> None:
    _write(tmp_path / "all.parquet", _pictures(10, 0), labels)
    if listed is not None:
        (tmp_path / "classes.json").write_text(json.dumps({"classes": listed}))
    data = load(f"parquet:{tmp_path}", 8)
    assert data.classes == classes
    expected = (
        [-1 if label in (None, -1) else classes.index(str(label)) for label in labels] if listed is None else labels
    )
    assert data.labels.tolist() == expected


@pytest.mark.parametrize("listed", [["owl", "ant", "bat"], None])
def test_lists_are_several_labels_an_image(tmp_path: Path, listed: list[str] | None) -> None:
    targets = np.random.default_rng(0).integers(-1, 2, (40, 3))
    labels = [None if i == 7 else row.tolist() for i, row in enumerate(targets)]
    labels[3] = [1, None, 0]
    targets[3], targets[7] = (1, -1, 0), -1
    _write(tmp_path / "all.parquet", _pictures(40, 0), labels)
    if listed is not None:
        (tmp_path / "classes.json").write_text(json.dumps(listed))
    data = load(str(tmp_path), 8)
    assert data.classes == (tuple(listed) if listed else ("0", "1", "2"))
    np.testing.assert_array_equal(data.targets, targets)
    assert set(data.labels.tolist()) == {-1}


@pytest.mark.parametrize("label", [[0, 1], [0, 1, 2]])
def test_a_list_that_fits_not_the_classes_is_named(tmp_path: Path, label: list[int]) -> None:
    _write(tmp_path / "all.parquet", _pictures(3, 0), [[0, 1, 1], [1, 0, 0], label])
    with pytest.raises(DataError, match=r"all\.parquet, row 2: label \[0, 1.* is not 3 of 1, 0 and -1"):
        load(str(tmp_path), 8)


@pytest.mark.parametrize("label", [3, -2])
def test_a_label_out_of_range_is_named(tmp_path: Path, label: int) -> None:
    _write(tmp_path / "all.parquet", _pictures(4, 0), [0, 1, label, 2], ["x", "y", "z"])
    with pytest.raises(DataError, match=rf"all\.parquet, row 2: label {label} is out of range; there are 3"):
        load(str(tmp_path), 8)


def test_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "all.parquet"
    pq.write_table(pa.table({"picture": [b"1"], "label": [0]}), path)
    with pytest.raises(DataError, match=r"no column 'image' .* \(it has: picture, label\)"):
        load(str(path), 8)
    pq.write_table(pa.table({"image": [1]}), path)
    with pytest.raises(DataError, match="column 'image' is int64"):
        load(str(path), 8)
    pq.write_table(pa.table({"image": [_png(_pictures(1, 0)[0])], "label": [[0.5, 1.0]]}), path)
    with pytest.raises(DataError, match="column 'label' is list"):
        load(str(path), 8)
    pq.write_table(pa.table({"image": pa.array([{"bytes": None, "path": "x.png"}])}), path)
    with pytest.raises(DataError, match=r"row 0 \(x\.png\) has no image bytes|column 'image' is"):
        load(str(path), 8)
    pq.write_table(pa.table({"image": [_png(_pictures(1, 0)[0]), b"broken"], "label": [0, 1]}), path)
    with pytest.raises(DataError, match=r"all\.parquet, row 1 is not an image"):
        load(str(path), 8)
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        load(str(path), 8)


def test_a_file_without_rows(tmp_path: Path) -> None:
    _write(tmp_path / "all.parquet", _pictures(0, 0))
    with pytest.raises(DataError, match="has no images"):
        load(str(tmp_path), 8)


@pytest.mark.skipif(not (DATA / "rsscn7").is_dir(), reason="the real data sets beside the checkout are not there")
@pytest.mark.parametrize(
    ("name", "sizes", "first"),
    [("rsscn7", (1960, 280, 560), "Grass"), ("pacs_sketch", (2750, 393, 786), "dog")],
)
def test_real_data(name: str, sizes: tuple[int, int, int], first: str) -> None:
    data = load(str(DATA / name), 32)
    assert tuple(len(chosen) for chosen in data.splits.values()) == tuple(sizes)
    assert (data.excluded, data.classes[0], len(data.classes)) == (0, first, 7)
    assert len(data.pretraining()) == sizes[0] + sizes[1]
    assert {split: len(chosen) for split, chosen in data.evaluation().items()} == dict(
        zip(("train", "val", "test"), sizes, strict=True)
    )
    labels = [
        pq.read_table(DATA / name / f"{part}.parquet", columns=["label"])["label"] for part in ("train", "val", "test")
    ]
    for split, column in zip(("train", "val", "test"), labels, strict=True):
        assert np.array_equal(data.labels[data.splits[split]], column.to_numpy())


def test_text_is_not_taken_for_the_path_of_an_image(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(_png(_pictures(1, 0)[0]))
    paths = [str(tmp_path / "secret.png")] * 20
    for kind, values in (
        (pa.string(), paths),
        (pa.struct({"bytes": pa.string()}), [{"bytes": path} for path in paths]),
    ):
        pq.write_table(pa.table({"image": pa.array(values, kind)}), tmp_path / "x.parquet")
        with pytest.raises(DataError, match=r"column 'image' is .*; it must be struct<bytes, path> or binary"):
            load(str(tmp_path / "x.parquet"), 8)


SPLITS = ["train"] * 12 + ["val"] * 4 + ["test"] * 4


def _sizes(data: Dataset) -> dict[str, int]:
    return {name: len(chosen) for name, chosen in data.splits.items()}


@pytest.mark.parametrize(
    ("column", "written"),
    [
        ("split", SPLITS),
        ("Split", [split.upper() for split in SPLITS]),
        ("split", [{"val": "validation"}.get(split, split) for split in SPLITS]),
        ("split", pa.array(SPLITS).dictionary_encode()),
        ("subset", SPLITS),
        ("set", SPLITS),
    ],
)
def test_a_column_of_splits_gives_them(tmp_path: Path, column: str, written: Any) -> None:
    # The file's name speaks of one split, and each image's own column knows better.
    _write(tmp_path / "train.parquet", _pictures(20, 0), np.arange(20) % 2, **{column: written})
    data = load(str(tmp_path / "train.parquet"), 8)
    assert _sizes(data) == {"train": 12, "val": 4, "test": 4}
    assert data.splits["test"].tolist() == [16, 17, 18, 19]
    assert inventory.origin(data) == "train and val and test given by its column of splits"


def test_several_labels_an_image_have_splits_too(tmp_path: Path) -> None:
    _write(tmp_path / "all.parquet", _pictures(20, 0), [[i % 2, 1 - i % 2] for i in range(20)], split=SPLITS)
    data = load(str(tmp_path), 8)
    assert (data.multilabel, _sizes(data)) == (True, {"train": 12, "val": 4, "test": 4})


def test_numbers_are_splits_where_the_metadata_names_them(tmp_path: Path) -> None:
    path = tmp_path / "all.parquet"
    _write(
        path,
        _pictures(20, 0),
        np.arange(20) % 2,
        split=[("train", "test").index(s) if s != "val" else 0 for s in SPLITS],
    )
    with pytest.raises(DataError, match=r"all\.parquet, row 0: split 0 is none of train, val, test"):
        load(str(path), 8)
    features = {"split": {"names": ["train", "test"], "_type": "ClassLabel"}}
    table = pq.read_table(path).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path)
    assert load(str(path), 8).splits["test"].tolist() == [16, 17, 18, 19]


def test_an_unknown_split_is_named_and_other_sets_are_no_splits(tmp_path: Path) -> None:
    path = tmp_path / "all.parquet"
    _write(path, _pictures(20, 0), np.arange(20) % 2, split=[*SPLITS[:-1], "holdout"])
    with pytest.raises(DataError, match=r"all\.parquet, row 19: split 'holdout' is none of train, val, test"):
        load(str(path), 8)
    _write(path, _pictures(20, 0), np.arange(20) % 2, set=["train", "museum"] * 10)
    data = load(str(path), 8)
    assert (data.given, _sizes(data)) == ((), {"train": 14, "val": 2, "test": 4})
    _write(path, _pictures(20, 0), np.arange(20) % 2, set=SPLITS, subset=SPLITS)
    with pytest.raises(DataError, match=r"several columns for the split \('set', 'subset'\)"):
        load(str(path), 8)


def test_only_what_is_read_differently_has_another_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    for split, same in (("test", True), ("train", False)):
        _write(path, _pictures(20, 0), np.arange(20) % 2, split=[split] * 20)
        found = source(str(path)).fingerprint
        assert (found == cache.fingerprint([path], tmp_path)) is same


@pytest.mark.parametrize("name", ["labels", "fine_label", "image-class", "Label", "target", "sceneCategory"])
def test_the_only_column_that_is_called_like_labels_holds_them(tmp_path: Path, name: str) -> None:
    _write(tmp_path / "all.parquet", _pictures(20, 0), **{name: np.arange(20) % 2, "size": np.arange(20)})
    data = load(str(tmp_path), 8)
    assert data.labels.tolist() == [0, 1] * 10
    assert data.remarks == (f"its labels are from the column {name!r}",)
    _write(tmp_path / "all.parquet", _pictures(20, 0), 1 - np.arange(20) % 2, **{name: np.arange(20) % 2})
    data = load(str(tmp_path), 8)
    assert (data.labels.tolist(), data.remarks) == ([1, 0] * 10, ())


def test_several_columns_called_like_labels_are_named_when_labels_are_asked_for(tmp_path: Path) -> None:
    both = {"fine_label": np.arange(20), "coarse_label": np.arange(20) % 2}
    _write(tmp_path / "all.parquet", _pictures(20, 0), **both)
    data = load(str(tmp_path), 8)
    assert (data.classes, len(data.pretraining())) == ((), 20)
    with pytest.raises(DataError, match=r"several columns that may be its labels \('coarse_label', 'fine_label'\)"):
        data.evaluation()


def test_what_cannot_be_a_label_is_none(tmp_path: Path) -> None:
    _write(tmp_path / "all.parquet", _pictures(20, 0), target=[{"box": [1.0]}] * 20, labels=np.arange(20) % 2)
    assert load(str(tmp_path), 8).labels.tolist() == [0, 1] * 10


@pytest.mark.parametrize(
    "places",
    [
        ("default/train/0000", "default/validation/0000", "default/test/0000"),
        ("split=train/0", "split=val/0", "split=test/0"),
        ("data/split=train/kind=a/0", "data/split=val/kind=a/0", "data/split=test/kind=a/0"),
        ("parts/train-00000-of-00001", "parts/val-00000-of-00001", "parts/test-00000-of-00001"),
        ("train.parquet/part-0", "val.parquet/part-0", "test.parquet/part-0"),
    ],
)
def test_files_further_down_are_found_and_their_folders_name_the_splits(
    tmp_path: Path, places: tuple[str, ...]
) -> None:
    for seed, (place, count) in enumerate(zip(places, (12, 4, 4), strict=True)):
        _write(tmp_path / f"{place}.parquet", _pictures(count, seed), np.arange(count) % 2)
    data = load(str(tmp_path), 8)
    assert _sizes(data) == {"train": 12, "val": 4, "test": 4}
    assert inventory.origin(data) == "train and val and test given by its file names"


def test_images_come_before_files_further_down(tmp_path: Path) -> None:
    _write(tmp_path / "tables" / "train" / "0.parquet", _pictures(20, 0), np.arange(20) % 2)
    for i, picture in enumerate(_pictures(20, 1)):
        Image.fromarray(picture).save(tmp_path / f"{i:02}.png")
    assert np.array_equal(load(str(tmp_path), 8).images, _pictures(20, 1).transpose(0, 3, 1, 2))


def test_files_of_several_data_sets_or_splits_are_refused(tmp_path: Path) -> None:
    for place in ("one/train/0", "two/train/0"):
        _write(tmp_path / "x" / f"{place}.parquet", _pictures(20, 0))
    with pytest.raises(DataError, match=r"of several data sets \(one, two\); give the folder of one"):
        load(str(tmp_path / "x"), 8)
    _write(tmp_path / "z" / "split=holdout" / "0.parquet", _pictures(20, 0))
    with pytest.raises(DataError, match=r"0\.parquet: split 'holdout' is none of train, val, test"):
        load(str(tmp_path / "z"), 8)
    _write(tmp_path / "y" / "train" / "test.parquet", _pictures(20, 0))
    with pytest.raises(DataError, match=r"test\.parquet is named for several splits \(test, train\)"):
        load(str(tmp_path / "y"), 8)


@pytest.mark.parametrize("names", [("nan", "null"), ("None", "NA"), ("NaN", "none"), ("1", "1.0")])
def test_a_class_may_be_called_like_a_missing_value(tmp_path: Path, names: tuple[str, str]) -> None:
    written = [None if i == 7 else names[i % 2] for i in range(20)]
    _write(tmp_path / "all.parquet", _pictures(20, 0), pa.array(written).dictionary_encode())
    data = load(str(tmp_path), 8)
    assert data.classes == tuple(sorted(names))
    assert [data.classes[i] if i >= 0 else None for i in data.labels] == written


@pytest.mark.parametrize("names", ["cat", {"0": "cat"}, [["cat"], ["dog"]], [None, "cat"], 2])
def test_class_names_that_are_no_list_of_names_are_refused(tmp_path: Path, names: Any) -> None:
    _write(tmp_path / "all.parquet", _pictures(4, 0), [0, 1, 0, 1], names)
    with pytest.raises(DataError, match=r"all\.parquet: its Hugging Face metadata has no list of names for .*'label'"):
        load(str(tmp_path), 8)


@pytest.mark.parametrize("depth", [500, 900, 1_000, 100_000])
@pytest.mark.parametrize("around", ["{}", '{{"info": {{"features": {{"label": {{"names": {}}}}}}}}}'])
def test_nested_names_are_refused(tmp_path: Path, depth: int, around: str) -> None:
    nested = around.format("[" * depth + "]" * depth)
    _write(tmp_path / "all.parquet", _pictures(4, 0), [0, 1, 0, 1])
    (tmp_path / "classes.json").write_text(nested)
    with pytest.raises(DataError, match=r"classes\.json (is nested too deep|cannot be used)"):
        load(str(tmp_path), 8)
    table = pq.read_table(tmp_path / "all.parquet").replace_schema_metadata({"huggingface": nested})
    pq.write_table(table, tmp_path / "all.parquet")
    (tmp_path / "classes.json").unlink()
    if depth < 1_000 and around == "{}":  # it says nothing of classes
        assert load(str(tmp_path), 8).classes == ("0", "1")
    else:
        with pytest.raises(DataError, match=r"all\.parquet: its Hugging Face metadata (is nested|has no list)"):
            load(str(tmp_path), 8)


@pytest.mark.parametrize("kind", [pa.list_(pa.int64()), pa.list_(pa.null()), pa.large_list(pa.int8())])
@pytest.mark.parametrize("label", [[], None])
def test_empty_lists_are_no_labels(tmp_path: Path, kind: pa.DataType, label: list[int] | None) -> None:
    _write(tmp_path / "all.parquet", _pictures(20, 0), pa.array([label] * 20, kind))
    data = load(str(tmp_path), 8)
    assert (data.classes, data.targets, len(data.pretraining())) == ((), None, 20)
    with pytest.raises(DataError, match="has no labels, so it serves pretraining only"):
        data.evaluation()


@pytest.mark.parametrize("name", ["image", "label", "split", "fine_label"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    images = pa.array([_png(picture) for picture in _pictures(4, 0)])
    twice = images if name == "image" else pa.array(["train"] * 4)
    names = ["image", "label", name] if name in ("image", "label") else ["image", name, name]
    columns = [images, pa.array(["a"] * 4), twice]
    pq.write_table(pa.Table.from_arrays(columns, names), tmp_path / "all.parquet")
    with pytest.raises(DataError, match=rf"all\.parquet has 2 columns called '{name}'; keep one of them"):
        load(str(tmp_path), 8)


def test_two_fields_of_one_name_are_refused(tmp_path: Path) -> None:
    content = pa.array([_png(picture) for picture in _pictures(4, 0)])
    image = pa.StructArray.from_arrays([content, pa.array(["x"] * 4), pa.array(["y"] * 4)], ["bytes", "path", "path"])
    pq.write_table(pa.table({"image": image}), tmp_path / "all.parquet")
    with pytest.raises(DataError, match=r"column 'image' is .*, with two fields of one name"):
        load(str(tmp_path), 8)


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("9" * 4_400, r"row 0: label '9{20}\.\.\.' has 4,400 characters, and a class name at most 1,000"),
        (2**40, "row 0: label 1099511627776 is out of range"),
        (2**64 - 1, "row 0: label 18446744073709551615 is out of range"),
    ],
)
def test_labels_beyond_measure_are_refused(tmp_path: Path, label: Any, says: str) -> None:
    column = pa.array([label] * 4, pa.uint64()) if isinstance(label, int) else [label] * 4
    _write(tmp_path / "all.parquet", _pictures(4, 0), column)
    with pytest.raises(DataError, match=says):
        load(str(tmp_path), 8)


def _with(path: Path, **columns: Any) -> str:
    """A file of twenty images in a column ``photo``, with other columns."""
    values = [{"bytes": _png(picture), "path": None} for picture in _pictures(20, 0)]
    pq.write_table(pa.table({"photo": values} | columns), path)
    return str(path)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.struct({"bytes": pa.binary(), "id": pa.int32()})])
def test_the_only_column_of_images_is_taken_whatever_it_is_called(tmp_path: Path, kind: pa.DataType) -> None:
    """A column of checksums is binary too, but no image."""
    encoded = [_png(picture) for picture in _pictures(20, 0)]
    values = [{"bytes": content, "id": 1} for content in encoded] if pa.types.is_struct(kind) else encoded
    table = pa.table({"md5": [bytes([i] * 16) for i in range(20)], "photo": pa.array(values, kind)})
    pq.write_table(table.append_column("label", pa.array(np.arange(20) % 2)), tmp_path / "x.parquet")
    data = load(str(tmp_path / "x.parquet"), 8)
    assert np.array_equal(data.images, _pictures(20, 0).transpose(0, 3, 1, 2))
    assert data.remarks == ("its images are from the column 'photo'",)


def test_several_columns_of_images_are_named(tmp_path: Path) -> None:
    path = _with(tmp_path / "x.parquet", thumbnail=[_png(picture) for picture in _pictures(20, 1)])
    with pytest.raises(
        DataError, match=r"several columns of images \('photo', 'thumbnail'\); call one of them 'image'"
    ):
        load(path, 8)


@pytest.mark.parametrize("name", ["phase", "dataset", "usage"])
def test_a_column_that_holds_splits_alone_gives_them(tmp_path: Path, name: str) -> None:
    given = ["train"] * 12 + ["val"] * 3 + ["test"] * 5
    columns = {"label": [i % 2 for i in range(20)], "city": ["Bern"] * 20}
    data = load(_with(tmp_path / "x.parquet", **columns, **{name: given}), 8)
    assert {split: len(data.splits[split]) for split in data.splits} == {"train": 12, "val": 3, "test": 5}
    assert f"its splits are from the column {name!r}" in data.remarks
    assert data.fingerprint != load(_with(tmp_path / "y.parquet", **columns), 8).fingerprint


@pytest.mark.parametrize(("name", "values"), [("is_test", [False, True]), ("train", [1, 0])])
def test_a_column_of_yes_and_no_is_no_split_and_not_ignored(tmp_path: Path, name: str, values: list[Any]) -> None:
    path = _with(tmp_path / "x.parquet", label=[0, 1] * 10, **{name: values * 10})
    with pytest.raises(DataError, match=f"the column '{name}' seems to tell the splits apart; write"):
        load(path, 8)


def test_the_columns_beside_the_images_are_named_where_none_is_of_labels(tmp_path: Path) -> None:
    data = load(_with(tmp_path / "x.parquet", y=[0, 1] * 10), 8)
    with pytest.raises(DataError, match=r"has no labels in a column 'label' \(it has others: y\)"):
        data.evaluation()
    assert load(_with(tmp_path / "z.parquet", label=pa.nulls(20)), 8).classes == ()
