from __future__ import annotations

from dataclasses import replace

import pytest

from hpt_ray.analysis.measures.failures import failed
from hpt_ray.analysis.measures.run import HPT, SCRATCH, Run
from hpt_ray.analysis.so_far import so_far
from tests.support import simulate


@pytest.fixture(scope="module")
def run() -> Run:
    """A run without the second seed of HPT at the baseline."""
    return simulate.run(examples=60, failed=lambda cell: cell == (HPT, "baseline", 1))


def going_on(run: Run) -> Run:
    stages = run.manifest.stages.model_copy(update={"not_run": 2})
    return replace(run, manifest=run.manifest.model_copy(update={"stages": stages}))


def test_cells_with_all_their_results_are_counted_while_some_are_left_to_run(run: Run) -> None:
    assert so_far(run) == ""
    # Three arms at five policies with three seeds, and direct transfer; one of them is missing.
    assert so_far(going_on(run)) == "so far: 45 of 46 cells"


def test_what_has_not_run_is_not_taken_for_a_failure_at_chance(run: Run) -> None:
    sides = ((HPT, "baseline"), (SCRATCH, "baseline"))
    ended, going = (failed(each, run.study.targets[0], sides) for each in (run, going_on(run)))
    assert ended is not None and ended.at_chance is not None
    assert going is not None and (going.number, going.at_chance) == (1, None)
