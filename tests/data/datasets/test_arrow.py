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
from hpt_ray.data import inventory
from hpt_ray.data.dataset import Dataset, load

NAMES = ["owl", "ant", "bat"]


def _pictures(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def _table(count: int, seed: int) -> pa.Table:
    images = []
    for i, values in enumerate(_pictures(count, seed)):
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, format="PNG")
        images.append({"bytes": buffer.getvalue(), "path": f"{i}.png"})
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"image": pa.array(images, kind), "label": np.arange(count) % 3})
    features = {"image": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _save(folder: Path, *tables: pa.Table) -> Path:
    """As ``Dataset.save_to_disk`` of datasets 5.2.0 lays it out."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05}-of-{len(tables):05}.arrow" for i in range(len(tables))]
    for name, table in zip(names, tables, strict=True):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=7)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "e46a77", "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": {}, "citation": ""}))
    return folder


def _sizes(data: Dataset) -> dict[str, int]:
    return {name: len(chosen) for name, chosen in data.splits.items()}


def test_a_saved_data_set_is_what_the_same_rows_are_in_parquet(tmp_path: Path) -> None:
    parts = [_table(20, 0), _table(15, 1)]
    data = load(str(_save(tmp_path / "birds", *parts)), 8)
    pq.write_table(pa.concat_tables(parts), tmp_path / "all.parquet")
    reference = load(str(tmp_path / "all.parquet"), 8)
    assert np.array_equal(data.images, np.concatenate([_pictures(20, 0), _pictures(15, 1)]).transpose(0, 3, 1, 2))
    assert np.array_equal(data.images, reference.images)
    assert data.labels.tolist() == reference.labels.tolist()
    assert (data.name, data.classes, data.remarks) == ("birds", tuple(NAMES), ())


def test_a_dictionary_gives_the_splits(tmp_path: Path) -> None:
    for seed, (split, count) in enumerate({"train": 12, "validation": 6, "test": 9}.items()):
        _save(tmp_path / split, _table(count, seed))
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "validation", "test"]}))
    data = load(str(tmp_path), 8)
    assert _sizes(data) == {"train": 12, "val": 6, "test": 9}
    assert inventory.origin(data) == "train and val and test given by its folders"
    (tmp_path / "test").rename(tmp_path / "extra")
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "validation", "extra"]}))
    with pytest.raises(DataError, match="its split 'extra' is none of train, val, test"):
        load(str(tmp_path), 8)


def test_files_of_an_older_saving_are_not_read(tmp_path: Path) -> None:
    folder = _save(tmp_path / "x", _table(20, 0))
    _save(tmp_path / "old", _table(10, 1), _table(10, 2))
    for file in (tmp_path / "old").glob("*.arrow"):
        file.rename(folder / file.name)
    assert len(load(str(folder), 8).images) == 20


@pytest.mark.parametrize("name", ["birds-{train,test}.arrow", "."])
def test_other_arrow_files_are_read_like_parquet(tmp_path: Path, name: str) -> None:
    for seed, split in enumerate(("train", "test")):  # as in the hub's cache, and with an index
        with pa.ipc.new_file(tmp_path / f"birds-{split}.arrow", (table := _table(10, seed)).schema) as writer:
            writer.write_table(table)
    assert _sizes(load(f"{tmp_path}/{name}", 8)) == {"train": 9, "val": 1, "test": 10}


def _break(folder: Path, how: str) -> None:
    file = folder / "data-00000-of-00001.arrow"
    whole = file.read_bytes()
    state: Any = {"_data_files": [{"filename": file.name}]}
    match how:
        case "missing":
            file.unlink()
        case "no arrow":
            file.write_bytes(b"<html>" + whole[-8:])
        case "cut":
            file.write_bytes(whole[: len(whole) // 2])
        case "outside":
            state = {"_data_files": [{"filename": "../x.arrow"}]}
        case "none":
            state = {"_data_files": []}
        case "no list":
            state = []
    (folder / "state.json").write_text(json.dumps(state))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", r"names data-00000-of-00001\.arrow, which is not there"),
        ("no arrow", r"data-00000-of-00001\.arrow .*web page"),
        ("cut", r"cannot be read as Arrow \(its end is missing"),
        ("outside", r"names '\.\./x\.arrow', which is no file in its folder"),
        ("none", "names no files"),
        ("no list", r"state\.json cannot be used"),
    ],
)
def test_a_saved_data_set_that_cannot_be_read_is_one_line(tmp_path: Path, how: str, message: str) -> None:
    folder = _save(tmp_path / "x", _table(20, 0))
    _break(folder, how)
    with pytest.raises(DataError, match=message):
        load(f"arrow:{folder}", 8)


def test_offsets_that_lead_outside_are_refused(tmp_path: Path) -> None:
    folder = _save(tmp_path / "x", pa.table({"image": [b"a" * 16, b"b" * 16], "label": [0, 1]}))
    file = folder / "data-00000-of-00001.arrow"
    offsets = np.array([0, 16, 32], dtype="<i4").tobytes()
    whole = file.read_bytes()
    assert whole.count(offsets) == 1
    file.write_bytes(whole.replace(offsets, np.array([0, 16, 1 << 30], dtype="<i4").tobytes()))
    with pytest.raises(DataError, match="cannot be read"):
        load(str(folder), 8)
