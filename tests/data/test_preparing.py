"""Preparation that is stopped goes on where it was, and what cannot be used is found in the whole data set."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hpt_ray.core.errors import DataError
from hpt_ray.data import cache as caching
from hpt_ray.data import decoding, examining, shards
from hpt_ray.data.dataset import Dataset, load
from hpt_ray.data.preparing import Pixels
from tests.support.places import ROOT

COUNT, SHARD, CHUNK = 60, 16, 4


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    for module in (shards, decoding):
        monkeypatch.setattr(module, "SHARD", SHARD)
    monkeypatch.setattr(decoding, "CHUNK", CHUNK)
    return tmp_path / "cache"


def _values(number: int, deep: bool) -> np.ndarray:
    values = np.random.default_rng(number).integers(0, 256, (12, 10), dtype=np.uint8)
    return values.astype(np.uint16) * 3 if deep and number % 3 == 0 else values


def _folder(root: Path, deep: bool = False) -> Path:
    for number in range(COUNT):
        path = root / "ab"[2 * number // COUNT] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_values(number, deep)).save(path)
    return root


def _parquet(root: Path) -> Path:
    files = sorted(_folder(root / "files").rglob("*.png"))
    rows = {"image": [file.read_bytes() for file in files], "label": [number % 2 for number in range(COUNT)]}
    pq.write_table(pa.table(rows), root / "rows.parquet")
    return root / "rows.parquet"


def _stop(monkeypatch: pytest.MonkeyPatch, spec: str, after: int, pixels: Pixels = "resident") -> None:
    """Prepare a data set as one who presses Ctrl-C once so many images are decoded."""
    with monkeypatch.context() as patch:
        _watched(patch, stop_after=after)
        with pytest.raises(KeyboardInterrupt):
            load(spec, 8, pixels=pixels)


def _same(one: Dataset, other: Dataset) -> bool:
    return (one.fingerprint, one.mean, one.std, one.remarks) == (
        other.fingerprint,
        other.mean,
        other.std,
        other.remarks,
    ) and all(np.array_equal(getattr(one, name)[:], getattr(other, name)[:]) for name in ("images", "hashes", "sizes"))


def _watched(monkeypatch: pytest.MonkeyPatch, stop_after: int | None = None) -> list[str]:
    """Notes the images that are decoded; Ctrl-C comes after so many."""
    decoded: list[str] = []
    original = examining.pixels

    def pixels(example: examining.Example, *how: object) -> object:
        if stop_after is not None and len(decoded) >= stop_after:
            raise KeyboardInterrupt
        decoded.append(example.where)
        return original(example, *how)

    monkeypatch.setattr(examining, "pixels", pixels)
    return decoded


@pytest.mark.parametrize("pixels", ["resident", "encoded"])
@pytest.mark.parametrize("kind", [_folder, _parquet])
def test_after_ctrl_c_it_goes_on_with_the_first_shard_that_is_not_kept(
    kind: object, pixels: Pixels, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = str(kind(tmp_path / "data"))
    whole = load(spec, 8, pixels=pixels)
    expected = whole.images[:].copy()
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "other"))
    _stop(monkeypatch, spec, 50, pixels)
    kept = [*(tmp_path / "other").glob("*/.*/scratch/*.npz")]
    assert kept
    decoded = _watched(monkeypatch)
    seen: list[tuple[int, int]] = []
    again = load(spec, 8, pixels=pixels, progress=lambda *done: seen.append(done))
    assert len(decoded) == len(set(decoded)) == COUNT - SHARD * len(kept)
    assert min(done for done, _ in seen) > SHARD * len(kept)  # what is kept counts as done
    assert _same(again, whole)
    assert np.array_equal(again.images[:], expected)
    (folder,) = [path for path in (tmp_path / "other").glob("*/*") if len(path.name) == 32]
    assert not (folder / "scratch").exists()


@pytest.mark.parametrize("stop_after", [30, COUNT + 3, COUNT + 12])
def test_deep_images_are_read_again_once_whenever_it_is_stopped(
    stop_after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = str(_folder(tmp_path / "data", deep=True))
    whole = load(spec, 8, pixels="encoded")
    assert any("more than 8 bits" in remark for remark in whole.remarks)
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "other"))
    _stop(monkeypatch, spec, stop_after)
    resident = load(spec, 8)
    assert np.array_equal(resident.resident, whole.images[:])
    assert (resident.mean, resident.std, resident.remarks) == (whole.mean, whole.std, whole.remarks[:-1])


KILLED = """
import os, signal, sys
from hpt_ray.data import decoding, examining, shards
from hpt_ray.data.dataset import load

shards.SHARD = decoding.SHARD = 16
decoding.CHUNK = 4
original, decoded = examining.pixels, []

def pixels(example, *how):
    if len(decoded) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    decoded.append(example)
    return original(example, *how)

examining.pixels = pixels
load(sys.argv[1], 8, pixels=sys.argv[2])
print(len(decoded))
"""


@pytest.mark.parametrize("pixels", ["resident", "encoded"])
def test_after_a_kill_at_any_moment_it_goes_on(pixels: Pixels, tmp_path: Path, cache: Path) -> None:
    spec = str(_folder(tmp_path / "data"))

    def run(after: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", KILLED, spec, pixels, str(after)]
        return subprocess.run(
            command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
        )

    assert run(40).returncode == -signal.SIGKILL
    kept = len([*cache.glob("*/.*/scratch/*.npz")])
    done = run(-1)
    assert (done.returncode, done.stdout) == (0, f"{COUNT - SHARD * kept}\n"), done.stderr
    again = load(spec, 8, pixels=pixels)
    first = np.asarray(Image.open(tmp_path / "data" / "a" / "000.png"))
    assert again.sizes[0].tolist() == [*first.shape]
    assert len(np.unique(again.hashes)) == COUNT


def test_pixels_that_a_power_cut_lost_are_decoded_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = str(_folder(tmp_path / "data"))
    _stop(monkeypatch, spec, 50)
    (file,) = cache.glob("decoded/.*/images.npy")
    images = np.lib.format.open_memmap(file, mode="r+")
    images[3] = 0
    images.flush()
    decoded = _watched(monkeypatch)
    data = load(spec, 8)
    assert data.resident[3].any()
    assert {f"{number:03}.png" for number in range(SHARD)} <= {Path(where).name for where in decoded}


def test_a_shard_that_is_damaged_is_decoded_again(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = str(_folder(tmp_path / "data"))
    _stop(monkeypatch, spec, 50, "encoded")
    first = min(cache.glob("indexed/.*/scratch/*.npz"))
    first.write_bytes(first.read_bytes()[:500])
    decoded = _watched(monkeypatch)
    load(spec, 8, pixels="encoded")
    assert {f"{number:03}.png" for number in range(SHARD)} <= {Path(where).name for where in decoded}


def test_good_shards_stay_where_some_images_are_bad_and_all_bad_ones_are_listed(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _folder(tmp_path / "data")
    names = [f"{number:03}.png" for number in (*range(20, 32), 35)]
    contents = {name: (path := next(root.rglob(name))).read_bytes() for name in names}
    paths = {name: next(root.rglob(name)) for name in names}
    for path in paths.values():
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError) as refusal:
        load(str(root), 8)
    assert "Of 60 images 13 cannot be used; the others: " in str(refusal.value)
    (listing,) = cache.glob("bad/*.txt")
    assert str(listing) in str(refusal.value)
    assert [Path(line.split()[0]).name for line in listing.read_text().splitlines()] == names
    decoded = _watched(monkeypatch)
    with pytest.raises(DataError, match="13 cannot be used"):
        load(str(root), 8)
    assert len(decoded) == 2 * SHARD  # those of the two shards with bad images alone
    for name, path in paths.items():
        path.write_bytes(contents[name])
    assert len(load(str(root), 8).images) == COUNT
    assert not [*cache.glob("decoded/.*-*")]  # what was kept of the bad data set


def test_bad_rows_are_listed_and_the_bytes_of_good_shards_stay(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pq.read_table(_parquet(tmp_path / "data"))
    contents = table["image"].to_pylist()
    for row in (16, 18, 40):
        contents[row] = b"no image"
    bad = tmp_path / "bad.parquet"
    pq.write_table(table.set_column(0, "image", [contents]), bad)
    with pytest.raises(DataError, match=r"row 16 is not an image .* Of 60 images 3 cannot be used; .*row 18, .*row 40"):
        load(str(bad), 8, pixels="encoded")
    kept = {file.name for file in cache.glob("indexed/.*/scratch/*.npz")}
    assert kept == {"000000.npz", "000003.npz"}
    decoded = _watched(monkeypatch)
    with pytest.raises(DataError, match="Of 60 images 3"):
        load(str(bad), 8, pixels="encoded")
    assert len(decoded) == 2 * SHARD


def test_packed_bytes_that_are_lost_are_packed_again_or_named(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = str(_parquet(tmp_path / "data"))
    _stop(monkeypatch, spec, 50, "encoded")
    pack = min(cache.glob("indexed/.*/packs/*.bin"))
    pack.write_bytes(pack.read_bytes()[:-5])
    data = load(spec, 8, pixels="encoded")
    assert np.array_equal(data.images[:], load(spec, 8).resident)
    pack = min(cache.glob("indexed/*/packs/*.bin"))
    pack.write_bytes(bytes(pack.stat().st_size))
    with pytest.raises(DataError, match=rf"row 0: {pack} in the cache is damaged; delete {pack.parents[1]} and run"):
        data.images[0]


def test_a_disk_that_the_packed_bytes_would_fill_is_said_after_the_first_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = str(_parquet(tmp_path / "data"))
    decoded = _watched(monkeypatch)
    monkeypatch.setattr(caching.shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000))
    with pytest.raises(DataError, match=r"rows\.parquet needs 0 MB in the cache .* Make room, or set HPT_CACHE"):
        load(spec, 8, pixels="encoded")
    assert len(decoded) < COUNT


@pytest.mark.parametrize("pixels", ["resident", "encoded"])
def test_images_that_are_gone_while_they_are_read_are_named(pixels: Pixels, tmp_path: Path) -> None:
    root = _folder(tmp_path / "data")
    source_file = tmp_path / "fewer.py"
    source_file.write_text(
        "import pathlib\n"
        "from hpt_ray.data.records import Example, Records, Source\n"
        "def dataset(argument):\n"
        "    files = sorted(pathlib.Path(argument).rglob('*.png'))\n"
        "    examples = [Example(file, str(file)) for file in files]\n"
        "    return Source('fewer', 'f', lambda: Records(len(files) + 1, (), examples), folder=argument)\n"
    )
    with pytest.raises(DataError, match=r"image 60, which is missing, has changed since"):
        load(f"{source_file}:{root}", 8, pixels=pixels)


@pytest.mark.parametrize("pixels", ["resident", "encoded"])
def test_a_data_set_that_changes_while_it_is_decoded_is_not_kept(
    pixels: Pixels, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _folder(tmp_path / "data")
    original = examining.pixels

    def decode(example: examining.Example, *how: object) -> object:
        Image.fromarray(_values(COUNT, deep=False)).save(root / "b" / "059.png")
        return original(example, *how)

    with monkeypatch.context() as patch:
        patch.setattr(examining, "pixels", decode)
        with pytest.raises(DataError, match=r"^[^ ]*data has changed since the data was looked at: run the command"):
            load(str(root), 8, pixels=pixels)
    assert np.array_equal(load(str(root), 8, pixels=pixels).images[:], load(str(root), 8).images[:])
