"""A Ray that lacks a private name that is needed ends a run in one line, before anything was started."""

from __future__ import annotations

import importlib
import os
import sys
import tomllib
from operator import attrgetter
from unittest import mock

import pytest

from hpt_ray.core.errors import StudyError
from hpt_ray.execute.backends.ray import private
from hpt_ray.execute.backends.ray.session import ray_session
from tests.support.places import ROOT

TABLES = [(table, name) for table in (private.SESSION, private.WORKER_GROUPS) for name in table]


def remove(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, path = name.partition(":")
    *outer, last = path.split(".")
    owner = importlib.import_module(module)
    if outer:
        owner = attrgetter(".".join(outer))(owner)
    if hasattr(owner, last):
        monkeypatch.delattr(owner, last)
    else:
        monkeypatch.delitem(owner.__annotations__, last)


@pytest.mark.parametrize(("table", "name"), TABLES, ids=[name for _, name in TABLES])
def test_each_name_is_there_and_is_missed(table: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    private.check(table)
    remove(name, monkeypatch)
    with pytest.raises(StudyError) as missed:
        private.check(table)
    line = str(missed.value)
    assert name in line
    assert table[name] in line
    assert "\n" not in line


def test_a_module_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.train.v2.api.data_parallel_trainer", None)
    with pytest.raises(StudyError, match=r"has no .*:DataParallelTrainer"):
        private.worker_group_bases()


@mock.patch.dict(os.environ)
def test_nothing_is_started_then(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    remove(next(iter(private.SESSION)), monkeypatch)
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("started"))
    with pytest.raises(StudyError, match="use --runner inline"), ray_session(None):
        pass


def test_the_release_that_is_advised_is_one_that_may_be_installed() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        dependencies = tomllib.load(file)["project"]["dependencies"]
    (floor,) = (each.partition(">=")[2] for each in dependencies if each.startswith("ray["))
    with pytest.raises(StudyError, match=rf"ray\[default,train,tune\]=={floor}"):
        private.check({"ray:no_such_name": "nothing"})
