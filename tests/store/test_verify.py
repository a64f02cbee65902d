"""What `verify` finds in a store that was damaged on purpose, and what is left once it is mended."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpt_ray.cli import main as cli
from hpt_ray.core.errors import StoreError
from hpt_ray.execute import runs
from hpt_ray.execute.run import run
from hpt_ray.spec.study import Evaluation
from hpt_ray.store.files import as_json
from hpt_ray.store.store import MANIFEST, PLAN, RECORD, Store
from hpt_ray.store.tables import parquet
from hpt_ray.store.verify import Findings, clear, verify
from tests.support import small
from tests.support.records import manifest, stage_record

TABLE = parquet(pa.table({"iteration": [1, 2], "value": [0.5, None]}))
#: A store of two runs that share a stage. One more stage is finished, but named by neither run.
RUNS = {"one": ("a", "b"), "two": ("b", "c")}
STAGES = ("a", "b", "c", "orphan")


def filled(folder: Path) -> Store:
    store = Store(folder)
    for stage in STAGES:
        record, planned = stage_record(chosen=({"lr": 1e-05, "best": None},)), {"label": f"stage {stage}, é"}
        store.finish(stage, {"weights.safetensors": bytes(range(200)), "results.parquet": TABLE}, record, planned)
    for name, stages in RUNS.items():
        plan = as_json({"stages": [{"id": stage} for stage in stages]})
        store.write_run(name, {PLAN: plan, "results.parquet": TABLE}, manifest())
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return filled(tmp_path / "store")


def shown(found: Findings) -> dict[str, str]:
    damaged = found.damaged | found.tables | found.lost
    return {place: str(damage) for place, damage in damaged.items()}


def test_a_store_as_it_was_written_is_sound(store):
    found = verify(store)
    assert (found.runs, found.stages, found.sound, found.leftovers) == (2, 4, True, {})
    size = sum(path.stat().st_size for path in Path(store.where).rglob("*") if path.is_file())
    assert found.size == size
    own = sum(path.stat().st_size for path in Path(store.where, "stages", "orphan").iterdir())
    assert found.orphans == {"orphan": own}


def test_an_empty_store_is_sound(tmp_path):
    assert verify(Store(tmp_path / "nothing", create=False)).sound


def test_damage_is_sorted_by_how_it_can_be_mended(store):
    store.write("stages/a/weights.safetensors", b"other")
    store.remove("stages/c/results.parquet")
    store.write("runs/one/results.parquet", TABLE[:-1])
    store.write(f"runs/two/{PLAN}", as_json({"stages": [{"id": "a"}]}))
    found = verify(store)
    assert shown(found) == {
        "a": "weights.safetensors has another checksum",
        "c": "results.parquet is missing",
        "one": "results.parquet has another checksum",
        "two": "plan.json has another checksum",
    }
    assert (set(found.damaged), set(found.tables), set(found.lost)) == ({"a", "c"}, {"one"}, {"two"})
    assert not found.sound
    clear(store, found)
    assert store.finished() == {"b", "orphan"}
    assert store.runs() == {"one"}
    assert set(verify(store).tables) == {"one"}  # to be written again, which takes the study


def test_what_nobody_reads_is_left_over_and_what_a_run_resumes_from_is_not(store):
    left = [
        "runs/one/report.html.0123abcd.tmp",
        "runs/never_begun/plan.json",
        "stages/a/weights.safetensors.0123abcd.tmp",
        "stages/a/checkpoint.pt",
        "stages/a/failed.json",
        "stages/unnamed/checkpoint.pt",
        "stages/unnamed/weights.safetensors",
        "stages/c/checkpoint.pt.0123abcd.tmp",
        "locks/one-0123ab.seen",
    ]
    kept = ["stages/c/checkpoint.pt", "stages/c/failed.json", "stages/c/weights.safetensors"]
    store.remove(f"stages/c/{RECORD}")
    for number, path in enumerate(left + kept[:2]):
        store.write(path, b"x" * number)
    found = verify(store)
    assert found.leftovers == {path: number for number, path in enumerate(left)}
    clear(store, found)
    assert verify(store).sound
    assert all(map(store.exists, kept))


def test_no_stage_is_unnamed_while_a_plan_cannot_be_read(store):
    store.checkpoint("resumed").write(b"state")
    assert set(verify(store).leftovers) == {"stages/resumed/checkpoint.pt"}
    store.write(f"runs/one/{MANIFEST}", b"{")
    found = verify(store)
    assert (set(found.lost), found.orphans, found.leftovers) == ({"one"}, {}, {})


def test_a_store_that_cannot_be_read_is_refused_and_nothing_called_damaged(store, monkeypatch):
    monkeypatch.setattr(Store, "read", lambda *_: (_ for _ in ()).throw(StoreError("the network is down.")))
    with pytest.raises(StoreError, match="the network is down"):
        verify(store)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict[str, bytes]]:
    store = filled(tmp_path_factory.mktemp("shared"))
    return store, {path: store.read(path) for kind in ("stages", "runs") for path in store.sizes(kind)}


@settings(max_examples=120, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_file_cut_short_or_with_one_bit_flipped_is_found(shared, data):
    """Or it says the same with other letters: 1e-05 and 1E-05 are one bit apart."""
    store, whole = shared
    path = data.draw(st.sampled_from(sorted(whole)))
    kind, owner, name = path.split("/")
    place = data.draw(st.integers(0, len(whole[path]) - 1))
    damaged = whole[path][:place]
    if data.draw(st.booleans()):
        damaged += bytes([whole[path][place] ^ 1 << data.draw(st.integers(0, 7))]) + whole[path][place + 1 :]
    Path(store.root, path).write_bytes(damaged)
    try:
        found = store.damaged(STAGES) if kind == "stages" else store.damaged_runs(RUNS)
        if found:
            assert {owner: damage.file for owner, damage in found.items()} == {owner: name}
        else:
            assert name in (RECORD, MANIFEST)
            assert json.loads(damaged) == json.loads(whole[path])
        if kind == "stages" and found:
            with pytest.raises(StoreError, match=f"{name} is damaged"):
                store.stage_file(owner, "weights.safetensors" if name == RECORD else name)
    finally:
        Path(store.root, path).write_bytes(whole[path])


# The command


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def command(store, monkeypatch, capfd) -> Iterator[object]:
    """Run `hpt-study verify` on the store with what is typed at its terminal, if it has one: exit code and output."""

    def command(*options: str, typed: str | None = None) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["hpt-study", "verify", "--store", store.where, *options])
        monkeypatch.setattr(sys, "stdin", io.StringIO() if typed is None else Terminal(typed))
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capfd.readouterr()
        return caught.value.code, out + err

    return command


def test_the_command_names_what_it_finds_and_asks_before_it_removes(store, command):
    assert command()[0] == 0
    store.write("stages/a/weights.safetensors", b"other")
    store.write("stages/b/checkpoint.pt", b"x" * 2_000_000)
    code, out = command()
    assert code == 1
    for words in ("2 runs, 4 finished stages", "stages/a: weights.safetensors has another", "1 file, 2.0 MB", "orphan"):
        assert words in out
    assert command(typed="n\nn\n")[0] == 1
    assert store.finished() == set(STAGES)
    assert command(typed="y\nn\n")[0] == 0
    assert store.finished() == {"b", "c", "orphan"}
    assert not store.exists("stages/b/checkpoint.pt")
    code, out = command(typed="y\n")  # only the orphans are left to ask for
    assert (code, store.finished()) == (0, {"b", "c"})
    assert "all of it is as it was written" in out


def test_yes_mends_without_a_terminal_and_keeps_orphans(store, command):
    store.write("stages/a/weights.safetensors", b"other")
    assert command("--yes")[0] == 0
    assert store.finished() == {"b", "c", "orphan"}


def test_a_table_that_cannot_be_written_again_is_said_and_not_mended(store, command, monkeypatch):
    def refuse(store: Store, run: str) -> None:
        raise StoreError(f"run {run} was made from data that has changed.")

    monkeypatch.setattr(runs, "rewrite", refuse)
    store.write("runs/one/results.parquet", b"other")
    store.write("runs/two/results.parquet", b"other")
    code, out = command("--yes")
    assert code == 1
    assert out.count("error: run one was") == out.count("error: run two was") == 1


def test_names_from_the_store_cannot_steer_the_terminal(store, command):
    store.write("stages/[red]\x1b[2J/checkpoint.pt", b"x")
    out = command()[1]
    assert "stages/[red]\\x1b[2J/checkpoint.pt" in out
    assert "\x1b" not in out


def test_an_empty_store_is_one_line(tmp_path, command, store):
    store.where = str(tmp_path / "nothing")
    Path(store.where).mkdir()
    assert command() == (0, f"no runs in {tmp_path / 'nothing'}\n")


def test_a_damaged_table_of_a_run_is_written_again_from_its_stages(tmp_path, store, command):
    store.where = str(tmp_path / "real")
    study = small.study(arms=("target",), factors=(), evaluations=(Evaluation(probe="knn"),))
    results = Path(run(study, store=store.where, runner="inline").results)
    whole = pq.read_table(results)
    assert command() == (0, mock.ANY)
    results.write_bytes(b"other")
    assert command() == (1, mock.ANY)
    assert command("--yes") == (0, mock.ANY)
    assert pq.read_table(results).equals(whole)
    assert command() == (0, mock.ANY)
