"""Runs at the same time on one store: all finish, and what they share is trained once."""

from __future__ import annotations

import pytest

from hpt_ray.store.store import Store
from tests.support.places import SUPPORT
from tests.support.processes import assert_same, bench

COUNTING = SUPPORT / "counting.py"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_same_study_and_another_train_what_they_share_once(tmp_path):
    trained = tmp_path / "trained"
    with bench(tmp_path / "store") as runs:
        asked = [(), (), ("--set", "seeds=2")]
        started = [runs.start("--runner", "inline", *each, study=COUNTING, HPT_TRAINED=str(trained)) for each in asked]
        said = [process.communicate(timeout=400)[0] for process in started]
        assert [process.returncode for process in started] == [0, 0, 0], said
        lines = trained.read_text().splitlines()
        store = Store(tmp_path / "store")
        records = {stage: store.record(stage) for stage in store.finished()}
        weights = {stage for stage, record in records.items() if record and record.images}
        assert sorted(lines) == sorted(weights)
        assert not list((tmp_path / "store" / "locks").iterdir())
        runs.assert_nothing_left()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_runs_on_ray(tmp_path, reference):
    with bench(tmp_path) as runs:
        started = [runs.start() for _ in range(2)]
        said = [process.communicate(timeout=400)[0] for process in started]
        assert [process.returncode for process in started] == [0, 0], said
        assert_same(tmp_path, reference)
        runs.assert_nothing_left()
