"""Whatever lies in files of data, of weights and of a store: it is used, or one line says what is wrong with it."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch
from hypothesis import strategies as st

from hpt_ray.execute.run import run
from hpt_ray.spec.parameters import make
from hpt_ray.training.backbone import build
from tests.support.generated import PLAIN, ends_well, exits_well, generated, image, plan, tiny, workplace


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with workplace(tmp_path_factory.mktemp("workplace")) as place:
        yield place


# Files of data

NAMES = st.sampled_from(
    ["train", "val", "test", "Valid", "a", "b", "c.png", ".hidden", "é", "\udcff", "a\nb", "<b>", " "]
)
FILES = st.sampled_from(
    ["1.png", "2.PNG", "3.jpg", "x.txt", "é.png", "\udcff.png", ".png", "a\n.png", "x.csv", "y.parquet"]
)


@generated(
    150,
    st.dictionaries(
        st.tuples(st.lists(NAMES, max_size=3).map(tuple), FILES),
        st.integers(0, 99).map(image) | st.sampled_from([image(0), b"", b"text"]),
        max_size=6,
    ),
    st.sampled_from(["", "train", "x"]),
)
def test_folders(tmp_path_factory: pytest.TempPathFactory, files: dict[Any, bytes], place: str) -> None:
    root = tmp_path_factory.mktemp("folder")
    if place:
        shutil.copytree("good", root if place == "x" else root / place, dirs_exist_ok=True)
    for (parts, name), data in files.items():
        folder = Path(root, *parts)
        if not any(path.is_file() for path in (folder, *folder.parents)):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"new {name}").write_bytes(data)
    ends_well("folders", lambda: plan("augment_ablation", tiny("augment_ablation", target=[str(root)])))


CELLS = st.sampled_from(
    [f"good/a/{number}.png" for number in range(0, 20, 2)]
    + [f"good/b/{number}.png" for number in range(1, 20, 2)]
    + ["a", "b", "train", "val", "test", "0", "1", "-1", '"1,0"', '"0,1"', '"1,0,-1"', "²", "", "path", "#", '"', "\t"]
    + ["good", "../x", "/etc/passwd", "\x00", "good/a/nothing.png", "x" * 300, "9" * 5_000, 'path,"a,b"', "\r", "é"]
)
ROWS = [f"good/{'ab'[number % 2]}/{number}.png,{'ab'[number % 2]}" for number in range(20)]
ODD = st.lists(st.lists(CELLS, max_size=4).map(",".join), max_size=4)
LISTS = st.one_of(
    ODD.map(lambda rows: "\n".join(rows).encode()),
    ODD.map(lambda rows: "\n".join(rows[:2] + ROWS + rows[2:]).encode()),
    st.lists(st.sampled_from(['"1,0"', '"0,1"', '"1,1"', '"0,-1"', '","', ""]), min_size=20, max_size=20).map(
        lambda labels: "\n".join(f"{row[:-1]}{label}" for row, label in zip(ROWS, labels, strict=True)).encode()
    ),
    st.binary(max_size=40),
)


@generated(150, LISTS, st.sampled_from(["list.txt", "list.csv"]))
def test_lists(text: bytes, name: str) -> None:
    Path(name).write_bytes(text)
    ends_well("lists", lambda: plan("augment_ablation", tiny("augment_ablation", target=[name])))


LABELS = st.sampled_from([
    pa.int64(), pa.int8(), pa.uint64(), pa.string(), pa.large_string(), pa.float64(), pa.bool_(), pa.null(),
    pa.list_(pa.int64()), pa.list_(pa.string()), pa.list_(pa.list_(pa.int8())), pa.binary(), pa.timestamp("s"),
    pa.dictionary(pa.int32(), pa.string()), pa.large_list(pa.int32()), pa.list_(pa.int64(), 2), pa.decimal128(9, 2),
])  # fmt: skip
IMAGES = st.sampled_from([
    pa.struct([("bytes", pa.binary()), ("path", pa.string())]), pa.binary(), pa.large_binary(), pa.string(),
    pa.struct([("bytes", pa.string())]), pa.struct([("path", pa.string())]), pa.list_(pa.uint8()), pa.binary(4),
    pa.struct([("bytes", pa.list_(pa.uint8()))]), pa.null(), pa.struct([("bytes", pa.large_binary())]),
])  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A table of images and labels, or nearly one."""
    rows, kind, label = draw(st.sampled_from([0, 1, 20, 20, 20])), draw(IMAGES), draw(LABELS)
    blobs = [image(number) for number in range(rows)]
    marks: list[Any] = [number % 2 for number in range(rows)]
    for place in draw(st.lists(st.integers(0, 19), max_size=2)) if rows == 20 else []:
        blobs[place] = draw(st.sampled_from([b"", b"x", None]))
        marks[place] = draw(st.sampled_from([-2, -1, 7, 2**40, None]))
    if "list" in str(label):
        marks = [[mark, 1] for mark in marks]
    elif "string" in str(label):
        marks = ["ab"[mark] if mark in (0, 1) else None for mark in marks]
    if pa.types.is_struct(kind):
        blobs = [{kind.field(0).name: blob} for blob in blobs]
    columns = {}
    for name, values, wanted in ((draw(st.sampled_from([*["image"] * 9, ""])), blobs, kind), ("label", marks, label)):
        with contextlib.suppress(pa.ArrowException, TypeError, ValueError, OverflowError):
            columns[name] = pa.array(values, wanted)
    table = pa.table(columns)
    if draw(st.booleans()):
        names = draw(st.sampled_from([["a", "b"], "ab", [1, 2], None, ["a"] * 3, {}, ["\ud800", "b"]]))
        table = table.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": {"label": {"names": names}}}})}
        )
    return table


@generated(
    200,
    st.one_of(tables(), tables(), tables(), st.binary(max_size=40)),
    st.sampled_from([None, None, None, 0.3, 0.6, 0.99]),
    st.sampled_from([None, None, ["a", "b"], {"classes": ["a", "b"]}, ["\ud800", "b"]]) | PLAIN,
)
def test_parquet(made: Any, share: float | None, classes: Any) -> None:
    folder = Path("parquet")
    folder.mkdir(exist_ok=True)
    if isinstance(made, bytes):
        (folder / "a.parquet").write_bytes(b"PAR1" + made + b"PAR1")
    else:
        pq.write_table(made, folder / "a.parquet")
    if share is not None:
        whole = (folder / "a.parquet").read_bytes()
        (folder / "a.parquet").write_bytes(whole[: int(share * len(whole))])
    (folder / "classes.json").unlink(missing_ok=True)
    if classes is not None:
        (folder / "classes.json").write_text(json.dumps(classes))
    ends_well("parquet", lambda: plan("augment_ablation", tiny("augment_ablation", target=["parquet:parquet"])))


# Checkpoints


def saved(value: Any, **how: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **how)
    return buffer.getvalue()


def zipped(names: list[str], data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, data)
    return buffer.getvalue()


@cache
def bent(how: str) -> dict[str, torch.Tensor]:
    """A good state with something wrong with all of it."""
    state = build("resnet_small", 0).state_dict()
    change: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "nan": lambda tensor: tensor * torch.nan,
        "shape": lambda tensor: tensor.flatten(),
        "empty": lambda tensor: tensor.flatten()[:0],
        "integers": lambda tensor: tensor.to(torch.int64),
        "booleans": lambda tensor: tensor.bool(),
        "complex": lambda tensor: tensor.to(torch.complex64),
        "half": lambda tensor: tensor.half(),
        "float8": lambda tensor: tensor.to(torch.float8_e4m3fn),
        "sparse": lambda tensor: tensor.to_sparse(),
        "meta": lambda tensor: tensor.to("meta"),
        "good": lambda tensor: tensor,
    }
    return {name: change[how](tensor) for name, tensor in state.items()}


BENT = ["nan", "shape", "empty", "integers", "booleans", "complex", "half", "float8", "sparse", "meta", "good"]
KEYS = st.sampled_from(
    ["state_dict", "model", "module.encoder_q.", "conv1.weight", "", ".", "/", "x" * 300, "\n", 0, None]
)
NESTED = st.recursive(
    PLAIN | st.sampled_from([torch.zeros(3), torch.zeros(0), torch.zeros(16, 3, 3, 3)]),
    lambda inside: st.dictionaries(KEYS, inside, max_size=3) | st.lists(inside, max_size=3),
    max_leaves=5,
)
CHECKPOINTS = st.one_of(
    st.binary(max_size=60),
    NESTED.map(saved),
    st.sampled_from(BENT).map(bent).map(saved),
    st.sampled_from(BENT)
    .map(bent)
    .map(lambda state: saved({"state_dict": state}, _use_new_zipfile_serialization=False)),
    st.tuples(
        st.lists(st.sampled_from(["a/data.pkl", "data.pkl", "a/version", "a/data/0", "../x"]), unique=True), st.binary()
    ).map(lambda both: zipped(*both)),
)
STATES = st.sampled_from(["nan", "shape", "empty", "integers", "booleans", "half", "good"]).map(bent)
TENSORS = st.one_of(st.binary(max_size=60), STATES.map(safetensors.torch.save))


@generated(
    200,
    CHECKPOINTS.map(lambda data: ("x.pt", data)) | TENSORS.map(lambda data: ("x.safetensors", data)),
    st.none() | st.floats(0, 1),
    st.none() | st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)),
)
def test_checkpoints(file: tuple[str, bytes], share: float | None, put: tuple[float, bytes] | None) -> None:
    name, data = file
    data = data if share is None else data[: int(share * len(data))]
    if put:
        place = int(put[0] * len(data))
        data = data[:place] + put[1] + data[place + len(put[1]) :]
    Path(name).write_bytes(data)
    ends_well("checkpoints", lambda: plan("augment_ablation", tiny("augment_ablation", base=name)))


# What lies in the store


@pytest.fixture(scope="module")
def finished(place: Path) -> tuple[dict[str, bytes], str]:
    """The files of a store with one finished run, and the run's name."""
    run(make("augment_ablation", FINISHED), store="finished", runner="inline")
    files = {str(path): path.read_bytes() for path in Path("finished").rglob("*") if path.is_file()}
    return files, next(Path("finished", "runs").iterdir()).name


FINISHED = tiny("augment_ablation", arms="base", policies="baseline")
DAMAGE = st.one_of(
    st.binary(max_size=30),
    PLAIN.map(lambda value: json.dumps(value).encode()),
    st.floats(0, 1),  # what is left of it
    st.tuples(st.integers(0, 40), PLAIN),  # one value in its JSON is another
    st.none(),  # it is a folder
)


def damaged(data: bytes, how: Any) -> bytes:
    if isinstance(how, bytes):
        return how
    if isinstance(how, float):
        return data[: int(how * len(data))]
    try:
        whole = json.loads(data)
    except ValueError:
        return b""
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        for key, inside in list(value.items() if isinstance(value, dict) else enumerate(value)):
            places.append((value, key))
            if isinstance(inside, dict | list):
                walk(inside)

    walk(whole)
    where, key = places[how[0] % len(places)]
    where[key] = how[1]
    return json.dumps(whole).encode()


@generated(150, st.data(), DAMAGE, st.sampled_from(["status", "plan", "status", "plan", "report"]))
def test_stores(finished: tuple[dict[str, bytes], str], data: st.DataObject, how: Any, command: str) -> None:
    files, name = finished
    kinds = ["stage.json", "run.json", "plan.json", "results.parquet", "weights.safetensors", "predictions.parquet"]
    kind = data.draw(st.sampled_from(kinds))
    chosen = data.draw(st.sampled_from(sorted(path for path in files if path.endswith(kind))))
    shutil.rmtree("finished")
    for path, content in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content)
    if how is None:
        Path(chosen).unlink()
        Path(chosen).mkdir()
    else:
        Path(chosen).write_bytes(damaged(files[chosen], how))
    words = {
        "status": [],
        "report": [name],
        "plan": ["augment_ablation", *(f"--set={k}={v}" for k, v in FINISHED.items())],
    }
    exits_well("stores", command, *words[command], "--store=finished", store="finished", writes=command == "report")
