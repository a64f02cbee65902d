"""Figures: what they compute, against the tables; and that every one draws whole, partial and empty runs."""

from __future__ import annotations

import dataclasses
import io
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hpt_ray.analysis.measures.robustness import robustness
from hpt_ray.analysis.measures.run import Run
from hpt_ray.core.registry import load, names
from hpt_ray.report.figure import Drawing
from tests.support import simulate


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate.run(examples=100)


def two_targets() -> Run:
    one, two = simulate.run(examples=60, target="one"), simulate.run(examples=60, target="two")
    tables = {
        name: pd.concat([getattr(one, name), getattr(two, name)], ignore_index=True)
        for name in ("results", "predictions", "curves")
    }
    study = one.study.model_copy(update={"targets": ("one", "two")})
    return dataclasses.replace(one, **tables, manifest=one.manifest.model_copy(update={"study": study}))


RUNS = {
    "whole": lambda: simulate.run(examples=60),
    "one seed": lambda: simulate.run(examples=60, seeds=1),
    "holes": lambda: simulate.run(examples=60, failed=lambda cell: cell[1] in ("baseline", "crop_only")),
    "nothing": lambda: simulate.run(examples=60, failed=lambda cell: True),
    "two targets": two_targets,
}


@pytest.mark.parametrize("name", RUNS)
def test_every_figure_draws(name: str) -> None:
    run = RUNS[name]()
    for figure_name in names("figures"):
        figure = load("figures", figure_name)
        assert isinstance(figure.draw(figure.compute(run)), get_args(Drawing)), figure_name
        assert figure.caption


def test_accuracy_change(run: Run) -> None:
    (panel,) = load("figures", "accuracy_change").compute(run)
    assert panel.levels == simulate.POLICIES[1:]
    assert list(panel.arms.values()) == ["From scratch", "HPT", "HPT-BN"]
    found = robustness(run, "rsscn7", "base>target")
    assert found is not None and panel.changes["base>target"] == found.changes


def test_accuracy(run: Run) -> None:
    (panel,) = load("figures", "accuracy").compute(run)
    rows = run.results.query("split == 'test' and evaluation == 'linear'")
    final = rows.query("iteration > 0 and arm == 'target' and policy == 'no_color'")["value"].astype(float)
    series = panel.arms["target"]
    assert series.accuracy["no_color"].estimate == pytest.approx(final.mean())
    assert series.seeds["no_color"] == pytest.approx(tuple(final))
    start = rows.query("iteration == 0 and arm == 'target'")["value"].astype(float)
    assert series.step0 is not None and series.step0.estimate == pytest.approx(start.mean())
    label, line = panel.lines["base"]
    assert (label, line.estimate) == ("Direct transfer", pytest.approx(rows.query("arm == 'base'")["value"].iloc[0]))


def test_robustness_names_the_worst_level(run: Run) -> None:
    bars = {bar.arm: bar for bar in load("figures", "robustness").compute(run)}
    found = robustness(run, "rsscn7", "target")
    assert found is not None and bars["target"].measures == (found.deviation, found.worst)
    assert bars["target"].worst_level == found.worst_level
    assert "base" not in bars


def test_curves_are_means_over_seeds(run: Run) -> None:
    value = load("figures", "curves").compute(run)
    (curve,) = [
        curve
        for curve in value.curves
        if (curve.arm, curve.level, curve.measure) == ("base>target", "crop_only", "loss")
    ]
    mine = run.curves.query("arm == 'base>target' and policy == 'crop_only'")
    by_seed = mine.pivot(index="iteration", columns="seed", values="loss")
    np.testing.assert_allclose(curve.mean, by_seed.mean(axis=1))
    np.testing.assert_allclose(curve.high, by_seed.max(axis=1))
    assert value.levels == simulate.POLICIES


def test_long_curves_are_thinned_to_the_last_point(run: Run) -> None:
    long = pd.concat(
        [run.curves.assign(iteration=run.curves["iteration"] + 1000 * times) for times in range(20)], ignore_index=True
    )
    for curve in load("figures", "curves").compute(dataclasses.replace(run, curves=long)).curves:
        mine = long.query("arm == @curve.arm")
        assert len(curve.iteration) <= 200 and curve.iteration[-1] == mine["iteration"].max()


def test_cost_counts_each_phase_once(run: Run) -> None:
    costs = {cost.arm: cost for cost in load("figures", "cost").compute(run)}
    assert (costs["base"].runs, costs["base"].seconds) == (1, pytest.approx(6.0))
    assert (costs["base>target"].runs, costs["base>target"].images) == (15, 15 * 200 * 256)
    assert costs["base>target"].rate == pytest.approx(25_600)


def test_views_begin_with_the_original_and_hold_every_picture(run: Run) -> None:
    figure = load("figures", "views")
    rows = figure.compute(run)
    assert [row.name for row in rows] == ["original", *simulate.POLICIES]
    assert all(len(views) == 4 for row in rows[1:] for views in row.examples)
    assert Image.open(io.BytesIO(rows[1].examples[0][0])).size == (32, 32)
    assert figure.draw(rows).count("<img ") == 3 + 5 * 3 * 4
