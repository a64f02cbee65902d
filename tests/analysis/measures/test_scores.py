"""Scores of test images in groups: what an interval rests on, in every study's verdict and figures."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pandas as pd
import pytest

from hpt_ray.analysis.measures.robustness import difference, mean_score
from hpt_ray.analysis.measures.run import HPT, SCRATCH, Run
from hpt_ray.analysis.measures.scores import groups, units_of
from hpt_ray.analysis.stats.groups import Grouped
from hpt_ray.core.registry import load, names
from hpt_ray.report.render import render, verdicts
from tests.support import simulate
from tests.support.simulate_dashboards import simulated

GROUPS = 11
#: The pages of the others are drawn among the slow tests.
QUICK = ("augment_ablation", "iteration_budget")


def grouped(run: Run) -> Run:
    """The same run with its test images in eleven groups of unequal size."""
    name = (run.predictions["example"] % 61) ** 2 % GROUPS
    return dataclasses.replace(run, predictions=run.predictions.assign(group="p" + name.astype(str)))


@functools.cache
def pair() -> tuple[Run, Run]:
    run = simulate.run()
    return run, grouped(run)


def test_columns_are_groups_and_means_stay() -> None:
    run, in_groups = pair()
    for arm in run.arms:
        single, totals = (each.scores("rsscn7", arm, run.baseline) for each in (run, in_groups))
        assert isinstance(totals, Grouped) and not isinstance(single, Grouped)
        assert (single.shape, totals.shape) == ((3, 300), (3, len(set((np.arange(61) ** 2 % GROUPS).tolist()))))
        np.testing.assert_allclose(totals.mean(axis=1), single.mean(axis=1))
        answers = in_groups.answers("rsscn7", arm, run.baseline)
        assert isinstance(answers, Grouped) and answers.shape[2] == totals.shape[1]


def test_estimates_stay_and_intervals_rest_on_groups() -> None:
    run, in_groups = pair()
    for measure in (mean_score, functools.partial(difference, other=SCRATCH)):
        single, by_group = (measure(each, "rsscn7", HPT, level=run.baseline) for each in (run, in_groups))
        assert single is not None and by_group is not None
        assert by_group.estimate == pytest.approx(single.estimate)
        assert by_group.high - by_group.low != pytest.approx(single.high - single.low, rel=1e-3)


@pytest.mark.parametrize("predictions", [pd.DataFrame({"target": ["a"]}), pd.DataFrame({"group": [None, None]})])
def test_without_groups_there_are_none(predictions: pd.DataFrame) -> None:
    assert groups(predictions) == {}


def test_an_example_without_a_group_is_one_of_its_own() -> None:
    names_of = pd.Series(["b", None, "a", "b", None], index=[3, 4, 5, 6, 9])
    units = units_of(names_of, pd.Index([3, 4, 6, 9]))
    assert units is not None
    assert units[0] == units[2] and len(set(units.tolist())) == 3


@pytest.mark.parametrize(
    "study",
    [study if study in QUICK else pytest.param(study, marks=pytest.mark.slow) for study in names("studies")],
)
def test_every_verdict_and_page_rests_on_groups(study: str) -> None:
    run, dashboard = grouped(simulated(study)), load("dashboards", study)
    found = verdicts(run, dashboard)
    assert all(verdict.claims for verdict in found)
    assert "<html" in render(run, dashboard, found)
