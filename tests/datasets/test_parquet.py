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

from hpt_ray.dataset import load
from hpt_ray.errors import DataError

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def _png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format="PNG")
    return buffer.getvalue()


def _pictures(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def _write(path: Path, pictures: np.ndarray, labels: Any = None, names: list[str] | None = None) -> None:
    images = [{"bytes": _png(picture), "path": f"{i}.png"} for i, picture in enumerate(pictures)]
    table = pa.table({"image": pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()}))})
    if labels is not None:
        table = table.append_column("label", pa.array(labels))
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
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
    with pytest.raises(DataError, match=r"no column 'image' \(it has: picture, label\)"):
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
