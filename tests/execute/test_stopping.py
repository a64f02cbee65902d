"""SIGTERM is answered within seconds, whatever a run is at: a cluster gives 30 before it kills."""

from __future__ import annotations

import os
import signal
import time

import pytest
import torch

from hpt_ray.execute.run import run
from hpt_ray.store.store import Store
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.probes import linear
from tests.support import small

ANSWERED = 10.0


class Asked:
    """Sends SIGTERM when the work has begun, and knows when that was."""

    def __init__(self):
        self.at = None

    def __call__(self):
        if self.at is None:
            self.at = time.monotonic()
            os.kill(os.getpid(), signal.SIGTERM)


def study(iterations=2):
    recipe = small.recipe(iterations=iterations)
    return small.study(arms=("target",), factors=(), recipes={"base": recipe, "target": recipe})


def interrupted(store, iterations=2):
    """Run until the signal ends it. Returns the checkpoints that are left."""
    with pytest.raises(KeyboardInterrupt):
        run(study(iterations), store=store, runner="inline")
    assert not list(store.rglob("failed.json"))
    return list(store.rglob("checkpoint.pt"))


def test_a_stage_of_slow_steps(tmp_path, monkeypatch):
    asked = Asked()

    def slow(self):
        asked()
        until = time.monotonic() + 300
        while time.monotonic() < until:
            time.sleep(0.01)

    monkeypatch.setattr(Pretrainer, "step", slow)
    assert interrupted(tmp_path) == []
    assert time.monotonic() - asked.at < ANSWERED


def test_a_stage_of_many_tiny_steps(tmp_path, monkeypatch):
    asked, step = Asked(), Pretrainer.step

    def tiny(self):
        if self.iteration == 0:
            return step(self)
        asked()
        self.iteration += 1
        return torch.zeros(())

    monkeypatch.setattr(Pretrainer, "step", tiny)
    (checkpoint,) = interrupted(tmp_path, iterations=10**9)
    assert time.monotonic() - asked.at < ANSWERED
    state = Store(tmp_path).checkpoint(checkpoint.parent.name).read()
    assert state is not None


def test_an_evaluation(tmp_path, monkeypatch):
    asked = Asked()

    def slow(subject):
        asked()
        until = time.monotonic() + 300
        while time.monotonic() < until:
            linear.standardised(subject.features)

    monkeypatch.setattr(linear, "probe", slow)
    interrupted(tmp_path)
    assert time.monotonic() - asked.at < ANSWERED
    monkeypatch.undo()
    assert run(study(), store=tmp_path, runner="inline").failures == {}
