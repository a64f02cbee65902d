"""Figures of the sequential, low-label and methods studies and across targets: their values, against the tables."""

from __future__ import annotations

import dataclasses
import functools
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.views import one_factor
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.analysis.stats.variance import sources
from hpt_ray.core.registry import load, names
from hpt_ray.report.figure import STYLES, Drawing
from hpt_ray.report.forest import Line, Plot, forest
from hpt_ray.spec.study import Pretraining
from tests.support import simulate_studies as simulate

TWO = ("one", "two")
NUMBER = "a number"


def truth(cell: simulate.Cell) -> float:
    return {"target": 0.5, "base": 0.55, "base>target": 0.7}.get(cell.arm, 0.6)


SPECS = {
    "sequential": simulate.sequential(targets=TWO),
    "low_label": simulate.low_label(),
    "methods": simulate.methods(targets=TWO),
    "landscape": simulate.landscape(),
    "one seed": simulate.low_label(seeds=(0,)),
    "holes": simulate.methods(targets=TWO),
    "nothing": simulate.sequential(),
}


@functools.cache
def run_of(name: str) -> Run:
    lost = {"holes": ("two",), "nothing": ("aerial",)}.get(name, ())
    return simulate.run(SPECS[name], truth, examples=60, failed=lambda cell, seed: cell.target in lost)


@pytest.mark.parametrize("name", SPECS)
def test_every_figure_draws_every_study(name: str) -> None:
    run, view = run_of(name), one_factor(run_of(name))
    for figure_name in names("figures"):
        figure = load("figures", figure_name)
        value = figure.compute(run if figure.every_factor else view)
        assert isinstance(figure.draw(value), get_args(Drawing)), figure_name


def accuracies(run: Run, *by: str) -> pd.Series:
    done = run.predictions[run.predictions["iteration"] > 0]
    return (done["label"] == done["prediction"]).groupby([done[column] for column in by]).mean()


def test_chains() -> None:
    run = run_of("sequential")
    one, _ = load("figures", "chains").compute(run)
    assert [chain.arm for chain in one.chains] == list(simulate.SEQUENTIAL)
    found = accuracies(run, "target", "arm")["one"]
    assert [chain.accuracy.estimate for chain in one.chains] == pytest.approx([found[arm] for arm in one.arms])
    by_seed = accuracies(run, "target", "arm", "seed")["one", "source>target"]
    assert one.chains[4].seeds == pytest.approx(tuple(by_seed))


def test_phases_stand_together() -> None:
    one, _ = load("figures", "phases").compute(run_of("sequential"))
    order = [gain.phase for gain in one.gains]
    assert len(order) == 7 and order == sorted(order, key=order.index)


def test_accuracy_by_labels() -> None:
    run = run_of("low_label")
    (panel,) = load("figures", "accuracy_by_labels").compute(run)
    found = accuracies(run, "arm", "evaluation")["base>target"]
    mine = {count.number: part.estimate for count, part in panel.accuracy["base>target"].items()}
    assert mine == pytest.approx(
        {50: found["finetune_50"], 200: found["finetune_200"], simulate.TRAIN: found["finetune_all"]}
    )
    drawn = load("figures", "accuracy_by_labels").draw((panel,))
    assert drawn.layout.xaxis.type == "log"
    assert drawn.layout.xaxis.ticktext[-1] == "1,400<br>(all)"


def test_methods_have_a_line_each_and_one_per_pair() -> None:
    figure = load("figures", "methods")
    value = figure.compute(run_of("methods"))
    assert [(panel.target, panel.against) for panel in value[:2]] == [
        ("one", "From scratch"),
        ("one", "Direct transfer"),
    ]
    assert all((len(panel.under), len(panel.changes)) == (3, 3) for panel in value)
    assert len(figure.draw(value).data) == 4 * 6


def test_across_targets_ends_with_the_mean() -> None:
    run = run_of("sequential")
    figure = load("figures", "across_targets")
    scratch, direct = figure.compute(run)
    found = accuracies(run, "arm", "target")
    expected = found["base>target"] - found["target"]
    assert [part.estimate for part in scratch.differences.values()] == pytest.approx(list(expected))
    assert scratch.mean.estimate == pytest.approx(expected.mean())
    drawn = figure.draw((scratch, direct))
    assert [trace.x[0] for trace in drawn.data[:3]] == pytest.approx([*(100 * expected), 100 * expected.mean()])
    assert drawn.layout.yaxis.ticktext == ("one", "two", "Mean")


def test_sources_are_those_of_the_answers() -> None:
    run = run_of("sequential")
    rows = {(row.target, row.label): row for row in load("figures", "sources").compute(run)}
    done = run.predictions.query("target == 'one' and arm == 'base>target' and iteration > 0")
    table = done.assign(correct=done["label"] == done["prediction"]).pivot(
        index="seed", columns="example", values="correct"
    )
    expected = sources(table.to_numpy(dtype=float)[:, None])
    row = rows["one", "HPT"]
    assert row.parts == expected and expected.seed is not None
    assert row.together == pytest.approx(np.sqrt(expected.seed**2 + expected.test**2 + expected.rest**2))


def test_sources_that_cannot_be_told_are_dashes() -> None:
    figure = load("figures", "sources")
    (row,) = [row for row in figure.compute(run_of("low_label")) if row.label == "Direct transfer"]
    ((_, *cells),) = figure.draw((row,)).rows
    assert cells[:3] == ["1 × 1", "not seen", "–"]
    assert cells[5] == "–" and row.together == row.parts.test > 0


@pytest.mark.parametrize(
    ("seeds", "shown"),
    [
        (2, {"From scratch": ("–", NUMBER), "Direct transfer": (NUMBER, "–"), "HPT": (NUMBER, NUMBER)}),
        (None, {"From scratch": ("–", NUMBER), "Direct transfer": (NUMBER, "–"), "HPT": ("in seed", NUMBER)}),
        (1, {"From scratch": ("–", NUMBER), "Direct transfer": ("not seen", "–"), "HPT": ("not seen", NUMBER)}),
    ],
    ids=["two bases", "own", "one"],
)
def test_the_base_is_a_source_of_its_own_where_it_can_be_told(
    seeds: int | None, shown: dict[str, tuple[str, str]]
) -> None:
    spec = simulate.study("shared", ("target", "base", "base>target"), seeds=(0, 1, 2, 3, 4))
    base = Pretraining(iterations=600, data="cifar10", seeds=seeds)
    run = simulate.run(
        spec.model_copy(update={"recipes": {**spec.recipes, "base": base}}), lambda cell: 0.6, examples=60
    )
    figure = load("figures", "sources")
    rows = {row.label: row for row in figure.compute(run)}
    for label, expected in shown.items():
        ((_, _, *cells),) = figure.draw((rows[label],)).rows
        assert tuple(NUMBER if text[0].isdigit() else text for text in cells[:2]) == expected, label
    assert rows["Direct transfer"].parts.seeds == {2: 2, None: 5, 1: 1}[seeds]


def interval(estimate: float) -> Interval:
    return Interval(estimate, estimate - 0.01, estimate + 0.02, 3)


def test_a_forest_stands_top_down_and_opens_what_is_undecided() -> None:
    lines = (
        Line("first", interval(0.05), STYLES["target"]),
        Line("a<b>", interval(0.0), STYLES["target"], decided=False),
        Line("third", interval(0.01), STYLES["base"], decided=False),
    )
    drawn = forest([Plot("empty", ()), Plot("whole", lines)])
    assert [trace.y[0] for trace in drawn.data] == [0, 1, 2]
    assert drawn.layout.yaxis.range[0] > drawn.layout.yaxis.range[1]
    assert [trace.marker.symbol for trace in drawn.data] == ["circle", "circle-open", "line-ns"]
    assert drawn.layout.yaxis.ticktext[1] == "a&lt;b&gt;"
    assert drawn.layout.xaxis.title.text == "whole, points"
    assert drawn.data[0].x[0] + drawn.data[0].error_x.array[0] == pytest.approx(7.0)


def test_long_names_are_broken_where_they_are_joined() -> None:
    names_ = ("source in base>source>target", "paper:chest_xray_kids", "short")
    drawn = forest([Plot("", tuple(Line(name, interval(0.0), STYLES["target"]) for name in names_))])
    assert drawn.layout.yaxis.ticktext == (
        "source in<br>base&gt;source&gt;target",
        "paper:chest_xray_<br>kids",
        "short",
    )


def measures(run: Run) -> set[str]:
    return {curve.measure for curve in load("figures", "curves").compute(run).curves}


def test_curves_show_the_monitor_where_it_looked() -> None:
    run = run_of("low_label")
    assert measures(run) == {"loss", "feature_std", "knn", "effective_rank"}
    figure = load("figures", "curves")
    (curve,) = [c for c in figure.compute(run).curves if (c.arm, c.measure) == ("base>target", "knn")]
    mine = run.curves.query("arm == 'base>target'").dropna(subset=["knn"])
    assert curve.iteration == (0, 50, 100)
    np.testing.assert_allclose(curve.mean, mine.astype({"knn": float}).groupby("iteration")["knn"].mean())
    assert [note.text for note in figure.draw(figure.compute(run)).layout.annotations][2] == "Online kNN accuracy"


def test_curves_of_an_older_run_have_no_monitor() -> None:
    run = run_of("low_label")
    lacking = run.curves.drop(columns=["knn", "effective_rank"])
    empty = run.curves.assign(knn=np.nan, effective_rank=np.nan)
    for table in (lacking, empty):
        assert measures(dataclasses.replace(run, curves=table)) == {"loss", "feature_std"}


def test_the_bases_own_curve_is_hidden_beside_others_and_the_others_are_not() -> None:
    figure = load("figures", "curves")
    drawn = figure.draw(figure.compute(run_of("low_label")))
    shown = {trace.legendgroup: trace.visible for trace in drawn.data}
    assert shown == {"target": True, "base": "legendonly", "base>target": True, "base>target:bn": True}
    alone = simulate.run(simulate.study("alone", ("base",)), truth, examples=60)
    assert {trace.visible for trace in figure.draw(figure.compute(alone)).data} == {True}


def test_a_menu_chooses_target_and_level_of_the_curves() -> None:
    figure = load("figures", "curves")
    value = figure.compute(run_of("methods"))
    drawn = figure.draw(value)
    choices = drawn.layout.meta["choices"]
    assert len(choices) == 2 * 3 and choices[0]["label"].startswith("one, ")
    for choice, (target, level) in zip(choices, [(t, m) for t in TWO for m in value.levels], strict=True):
        states = choice["visible"]
        shown = {(c.target, c.level) for c, state in zip(value.curves, states[1::2], strict=True) if state is not False}
        assert shown == {(target, level)}
