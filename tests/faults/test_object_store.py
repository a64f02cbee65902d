"""A store in an object store: a server that refuses some requests, and answers some late, changes no number."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from typer.testing import CliRunner
from werkzeug.serving import make_server

from hpt_ray.cli import main as cli
from hpt_ray.core.errors import StoreError
from hpt_ray.core.identity import stream
from hpt_ray.execute.backends import inline
from hpt_ray.execute.finalize import Result
from hpt_ray.execute.run import run
from hpt_ray.spec.study import Evaluation
from hpt_ray.store import schema as results
from hpt_ray.store.store import Store
from hpt_ray.store.verify import verify
from tests.support import small
from tests.support.records import stage_record

GIVEN: dict[str, Any] = {"factors": (), "evaluations": (Evaluation(probe="knn"),)}
STUDY = small.study(arms=("target", "base>target"), **GIVEN)
#: What a clock says differs between any two runs.
CLOCKS = {"results": ["seconds"], "predictions": [], "curves": ["images_per_second"]}


@dataclass
class Faults:
    """In front of a server: by a seeded schedule a request is refused, or answered late."""

    server: Any
    seed: int
    refused: float
    late: float
    requests: Iterator[int] = field(default_factory=itertools.count)
    counts: Counter[str] = field(default_factory=Counter)

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        draw = stream(self.seed, "faults", next(self.requests)).random()
        self.counts["requests"] += 1
        if draw < self.refused:
            status = ("500 Internal Server Error", "503 Slow Down")[int(draw < self.refused / 2)]
            self.counts[status] += 1
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(status, [("Content-Length", "0")])
            return []
        if draw > 1 - self.late:
            self.counts["late"] += 1
            time.sleep(0.3)
        return self.server(environ, start)


class Server:
    """An S3 server on loopback, in threads of this process."""

    def __init__(self, **faults: Any) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.faults = Faults(DomainDispatcherApplication(create_backend_app), **faults)
        self.server = make_server("127.0.0.1", 0, self.faults, threaded=True)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def address(self, folder: str) -> str:
        where = f"endpoint_override=127.0.0.1:{self.server.server_port}&scheme=http&region=us-east-1"
        return f"s3://bucket/{folder}?{where}&allow_bucket_creation=true"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module", autouse=True)
def credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server(seed=0, refused=0.05, late=0.02)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def finished(server: Server) -> tuple[str, Result]:
    """A study run on a server that now and then fails; tests only read it."""
    return server.address("finished"), run(STUDY, store=server.address("finished"), runner="inline")


def tables(result: Result, store: Store) -> dict[str, pa.Table]:
    folder = result.results.partition("?")[0].rsplit("/", 2)[-2]
    return {
        name: pq.read_table(pa.BufferReader(store.read(f"runs/{folder}/{name}.parquet"))).drop_columns(CLOCKS[name])
        for name in results.TABLES
    }


@pytest.mark.slow
def test_a_study_gives_the_same_tables_as_in_a_folder(finished, server, tmp_path):
    address, result = finished
    assert result.failures == {}
    local = run(STUDY, store=tmp_path, runner="inline")
    there, here = tables(result, Store(address)), tables(local, Store(tmp_path))
    assert {name: table.equals(here[name]) for name, table in there.items()} == dict.fromkeys(CLOCKS, True)
    assert here["results"].num_rows > 0
    assert all(server.faults.counts[fault] for fault in ("500 Internal Server Error", "503 Slow Down", "late"))


@pytest.mark.slow
def test_a_second_run_trains_nothing(finished, monkeypatch):
    address, result = finished
    monkeypatch.setattr(inline, "run_unit", lambda *_: pytest.fail("nothing is left to run"))
    assert run(STUDY, store=address, runner="inline").results == result.results


@pytest.mark.slow
def test_the_commands_work_on_an_address(finished):
    address, result = finished
    name = Path(result.results.partition("?")[0]).parent.name
    for command, said in (("status", "complete"), ("report", result.report), ("verify", "as it was written")):
        words = [command, *([name] if command == "report" else []), "--store", address]
        answer = CliRunner().invoke(cli.app, words, catch_exceptions=False)
        assert (answer.exit_code, said in answer.output) == (0, True), answer.output


def test_what_is_damaged_or_left_over_is_found_and_mended(server):
    store = Store(server.address("damaged"))
    for stage in ("sound", "damaged"):
        store.finish(stage, {"weights": b"w" * 300_000}, stage_record())
    store.checkpoint("sound").write(b"state")
    store.write("stages/damaged/weights", b"w" * 299_999)
    found = verify(store)
    assert {stage: str(damage) for stage, damage in found.damaged.items()} == {
        "damaged": "weights has another checksum"
    }
    assert set(found.leftovers) == {"stages/sound/checkpoint.pt"}
    assert set(found.orphans) == {"sound"}
    store.delete("damaged")
    store.remove("stages/sound/checkpoint.pt")
    assert verify(store).sound
    assert set(store.sizes("stages")) == {"stages/sound/weights", "stages/sound/stage.json"}


@pytest.mark.slow
def test_a_password_in_the_address_is_not_written_down(server, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    address = server.address("secret").replace("s3://", "s3://AKIDEXAMPLE:hu%2Fsh@")
    result = run(small.study(arms=("target",), **GIVEN), store=address, runner="inline")
    store = Store(address)
    written = [store.read(path) for kind in ("stages", "runs") for path in store.sizes(kind)]
    assert len(written) > 10
    shown = [result.results.encode(), result.report.encode(), *written]
    assert not any(secret in text for text in shown for secret in (b"hu%2Fsh", b"hu/sh", b"AKIDEXAMPLE"))
    assert store.where == address  # which another process opens it by


@pytest.mark.slow
def test_a_server_that_is_gone_is_one_line():
    server = Server(seed=0, refused=0.0, late=0.0)
    address = server.address("gone")
    store = Store(address)
    server.stop()
    with pytest.raises(
        StoreError,
        match=r"^s3://bucket/gone/a\S* cannot be read \(.*connect to server.*\): choose another with --store, or",
    ) as caught:
        store.exists("a")
    assert "\n" not in str(caught.value)
