"""What a worker does when a unit fails: it serves the next one, unless its GPU can compute nothing more."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import ray.train
import ray.train.collective

from hpt_ray.core import paths
from hpt_ray.execute import worker
from hpt_ray.execute.backends.ray.worker_group import serve
from hpt_ray.execute.visible import Visible
from hpt_ray.training import device
from tests.support import small

UNITS = small.plan().units()[:3]


class Broker:
    """Delivers three units, and keeps what it is told of them; each method is called as one of an actor."""

    def __init__(self):
        self.waiting, self.finished = list(UNITS), []
        self.arrive = SimpleNamespace(remote=lambda group, node: None)
        self.refuse = SimpleNamespace(remote=lambda group, reason: self.refused.append(reason))
        self.refused: list[str] = []
        self.fetch = SimpleNamespace(remote=lambda group, fresh: self.waiting.pop(0) if self.waiting else None)
        self.finish = SimpleNamespace(remote=lambda group, unit, reason: self.finished.append((unit, reason)))


@pytest.fixture
def broker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "_start", paths._start)
    monkeypatch.setattr(ray, "get", lambda answer: answer)
    context = SimpleNamespace(get_world_rank=lambda: 0, get_world_size=lambda: 1)
    monkeypatch.setattr(ray.train, "get_context", lambda: context)
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "127.0.0.1")
    return Broker()


def config(broker, folder):
    (folder / "token").touch()
    visible = Visible(store=str(folder), token="token", paths={})
    where = {"visible": visible, "scratch": str(folder), "folder": "."}
    return {"broker": broker, "group": 0, "threads": 1, "gpu": False} | where


def failing(error):
    def run_unit(unit, *rest):
        if unit.id == UNITS[1].id:
            raise error

    return run_unit


def test_a_unit_that_fails_does_not_keep_the_next_from_running(broker, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "run_unit", failing(RuntimeError("CUDA out of memory")))
    serve(config(broker, tmp_path))
    assert [unit for unit, _ in broker.finished] == [unit.id for unit in UNITS]
    assert [bool(reason) for _, reason in broker.finished] == [False, True, False]


def test_a_worker_whose_gpu_is_lost_leaves_with_its_unit(broker, tmp_path, monkeypatch):
    """Nothing is said of the unit, so that the broker delivers it to the process that is started instead."""
    monkeypatch.setattr(worker, "run_unit", failing(RuntimeError("CUDA error: an illegal memory access")))
    monkeypatch.setattr(device, "works", lambda device: False)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        serve(config(broker, tmp_path))
    assert broker.finished == [(UNITS[0].id, "")]
    assert broker.waiting == [UNITS[2]]


def test_a_worker_that_does_not_see_the_store_takes_no_unit(broker, tmp_path):
    asked = config(broker, tmp_path)
    (tmp_path / "token").unlink()
    serve(asked)
    assert [line.split(" does not see ")[1][:9] for line in broker.refused] == ["the store"]
    assert broker.waiting == UNITS and broker.finished == []
