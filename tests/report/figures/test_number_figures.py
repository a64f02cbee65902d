"""Figures of the studies whose factor is a number: what they compute, and that they draw and fill a page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import get_args

import numpy as np
import plotly.graph_objects as go
import pytest

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.speedup import Bound
from hpt_ray.core.registry import load
from hpt_ray.report.figure import Drawing
from hpt_ray.report.figures.accuracy_by_number import STEP0
from hpt_ray.report.render import render, verdicts
from hpt_ray.spec.study import Factor
from tests.support import simulate, simulate_numbers
from tests.support.simulate_numbers import BASES, BUDGETS, FRACTIONS, Truth

STUDIES: dict[str, tuple[Factor, dict[str, Truth]]] = {
    "iteration_budget": (BUDGETS, simulate_numbers.BUDGET_TRUTH),
    "data_fraction": (FRACTIONS, simulate_numbers.FRACTION_TRUTH),
    "base_robustness": (BASES, simulate_numbers.BASE_TRUTH),
}
FIGURES = ("accuracy_by_number", "base_quality", "speedup", "speedup_units")

#: HPT has 0.70, its best, from 90 iterations on, and 0.64, that of from scratch, at 30.
CURVES: dict[str, Truth] = simulate_numbers.BUDGET_TRUTH | {"base>target": (0.50, 0.64, 0.70, 0.70, 0.70)}


def run(study: str, *, seeds: int = 3, targets: tuple[str, ...] = ("rsscn7",), **options: object) -> Run:
    factor, truth = STUDIES[study]
    spec = simulate_numbers.study(factor, targets=targets, seeds=seeds)
    return simulate_numbers.run(spec, truth, examples=50, **options)  # type: ignore[arg-type]


def no_factor() -> Run:
    whole = simulate.run(examples=50)
    tables = {
        name: table[table["policy"].isna() | table["policy"].eq("baseline")].drop(columns="policy")
        for name, table in (("results", whole.results), ("predictions", whole.predictions), ("curves", whole.curves))
    }
    study = whole.study.model_copy(update={"factors": ()})
    return dataclasses.replace(whole, **tables, manifest=whole.manifest.model_copy(update={"study": study}))


RUNS: dict[str, Callable[[], Run]] = {
    "policies": lambda: simulate.run(examples=50),
    "no factor": no_factor,
    **{f"{study}, whole": lambda study=study: run(study) for study in STUDIES},
    **{f"{study}, one seed": lambda study=study: run(study, seeds=1) for study in STUDIES},
    **{f"{study}, nothing": lambda study=study: run(study, failed=lambda cell: True) for study in STUDIES},
    **{f"{study}, two targets": lambda study=study: run(study, targets=("one", "two")) for study in STUDIES},
    **{f"{study}, holes": lambda study=study: run(study, failed=lambda cell: cell[2] != 1) for study in STUDIES},
}


@pytest.mark.parametrize("name", RUNS)
def test_they_draw_any_run(name: str) -> None:
    found = RUNS[name]()
    for figure_name in FIGURES:
        figure = load("figures", figure_name)
        drawn = figure.draw(figure.compute(found))
        assert isinstance(drawn, get_args(Drawing)), figure_name
        for trace in drawn.data if isinstance(drawn, go.Figure) else ():
            assert np.isfinite(np.array([*trace.x, *trace.y], dtype=float)).all(), figure_name


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("lost", [lambda cell: False, lambda cell: True], ids=["whole", "nothing"])
def test_the_page_of_a_study(study: str, lost: Callable[[object], bool]) -> None:
    dashboard = load("dashboards", study)
    found = run(study, failed=lost)
    page = render(found, dashboard, verdicts(found, dashboard))
    titles = [found.metric.worded(section.title) for section in dashboard.sections]
    assert all(title.replace("'", "&#39;") in page for title in titles)


def test_accuracies_stand_at_their_numbers() -> None:
    found = run("iteration_budget", failed=lambda cell: cell == ("target", "30", 1))
    (panel,) = load("figures", "accuracy_by_number").compute(found)
    rows = found.results.query("split == 'test' and iteration > 0 and status == 'done'")
    series = panel.arms["target"]
    for level in BUDGETS.levels:
        values = rows.query("arm == 'target' and iterations == @level").sort_values("seed")["value"].astype(float)
        assert series.accuracy[level].estimate == pytest.approx(values.mean())
        assert series.seeds[level] == pytest.approx(tuple(values))
    assert panel.numbers == {level: float(level) for level in BUDGETS.levels}
    label, line = panel.lines["base"]
    assert (label, line.estimate) == ("Direct transfer", pytest.approx(rows.query("arm == 'base'")["value"].iloc[0]))
    assert list(panel.arms) == ["target", "base>target", "base>target:bn"]


def test_step_0_stands_first_and_hpts_is_direct_transfer() -> None:
    found = run("data_fraction")
    figure = load("figures", "accuracy_by_number")
    (panel,) = figure.compute(found)
    assert panel.arms["base>target"].step0[STEP0].estimate == pytest.approx(panel.lines["base"][1].estimate)
    starts = found.results.query("arm == 'target' and iteration == 0 and fraction == '1 %'")["value"].astype(float)
    assert panel.arms["target"].step0[STEP0].estimate == pytest.approx(starts.mean())
    axis = figure.draw((panel,)).layout.xaxis
    ticks = dict(zip(axis.ticktext, axis.tickvals, strict=True))
    assert min(ticks, key=ticks.__getitem__) == "step 0"
    assert ticks["100 %"] - ticks["10 %"] == pytest.approx(1) and ticks["10 %"] - ticks["1 %"] == pytest.approx(1)


def test_what_has_no_number_stands_apart() -> None:
    figure = load("figures", "accuracy_by_number")
    (panel,) = figure.compute(run("base_robustness"))
    assert list(panel.lines) == ["target"] and list(panel.arms) == ["base", "base>target", "base>target:bn"]
    # What HPT starts from is the arm of direct transfer, which has symbols of its own.
    assert panel.arms["base>target"].step0 == {} and list(panel.arms["base"].step0) == [STEP0]
    drawn = figure.draw((panel,))
    axis = drawn.layout.xaxis
    assert max(zip(axis.tickvals, axis.ticktext, strict=True))[1] == "supervised"
    lines = [trace for trace in drawn.data if trace.mode == "lines+markers"]
    assert [len(trace.x) for trace in lines] == [3, 3, 3]


def test_speed_ups_by_hand() -> None:
    spec = simulate_numbers.study(BUDGETS)
    exact = simulate_numbers.run(spec, CURVES | {"target": (0.36, 0.42, 0.5, 0.58, 0.64)}, examples=400, exact=True)
    figure = load("figures", "speedup")
    (panel,) = figure.compute(exact)
    speeds = panel.speeds["base>target"]
    # 0.50 is from scratch's at 90; 0.64 at 810; 0.70 it never has, and HPT from 90 on.
    assert {budget: round(speed.ratio, 3) for budget, speed in speeds.items()} == {10: 9, 30: 27, 90: 9}
    assert [speed.bound for speed in speeds.values()] == [Bound.EXACT, Bound.EXACT, Bound.AT_LEAST]
    drawn = figure.draw((panel,))
    (symbols,) = [trace for trace in drawn.data if trace.name == "HPT"]
    assert list(symbols.x) == pytest.approx([50, 64, 70])
    assert list(symbols.y) == pytest.approx(np.log10([9, 27, 9]))
    assert list(symbols.marker.symbol) == ["diamond", "diamond", "diamond-open"]
    low, high = drawn.layout.yaxis.range
    assert speeds[90].high == math.inf and symbols.y[2] + symbols.error_y.array[2] == pytest.approx(high)
    arrows = [trace for trace in drawn.data if trace.legendgroup == "base>target" and trace.name is None]
    assert "triangle-up" in arrows[0].marker.symbol and low < 0 < high


def test_the_table_of_units() -> None:
    """The base takes 240 s and 1,200 iterations; at 0.64 HPT needs 30 iterations, from scratch 810."""
    spec = simulate_numbers.study(BUDGETS, arms=("target", "base", "base>target"))
    exact = simulate_numbers.run(
        spec,
        CURVES | {"target": (0.36, 0.42, 0.5, 0.58, 0.64)},
        examples=400,
        exact=True,
        seconds=lambda arm, iterations: iterations * (0.2 if arm == "base" else 0.1),
    )
    figure = load("figures", "speedup_units")
    lines = {(line.own, line.unit): line.reached for line in figure.compute(exact)}
    assert len(lines) == 6
    found = lines[False, "seconds"]
    assert found.included is not None and found.included.ratio == pytest.approx(81 / 243)
    rows = [row[1:] for row in figure.draw(figure.compute(exact)).rows]
    iterations = next(row for row in rows if row[:3] == ("64.0 %, from scratch", "30 iterations", "810 iterations"))
    assert iterations[3].startswith("27× (")
    seconds = next(row for row in rows if row[:3] == ("70.0 %, its own", "9.0 s", "> 1 min 21 s"))
    assert seconds[3] == "≥ 9.0× (estimate beyond 9.0)"
    assert any("1,920 images" in row for row in rows)


def test_base_quality_is_direct_transfer_of_the_same_base() -> None:
    found = run("base_robustness", failed=lambda cell: cell[:2] == ("base", "300"))
    figure = load("figures", "base_quality")
    (panel,) = figure.compute(found)
    rows = found.results.query("split == 'test' and iteration > 0 and status == 'done'")
    assert list(panel.quality) == ["60", "1200", "supervised"] and list(panel.arms) == ["base>target", "base>target:bn"]
    for level, quality in panel.quality.items():
        direct = rows.query("arm == 'base' and base_model == @level")["value"].astype(float)
        hpt = rows.query("arm == 'base>target' and base_model == @level")["value"].astype(float)
        assert quality.estimate == pytest.approx(direct.iloc[0])
        assert panel.accuracy["base>target"][level].estimate == pytest.approx(hpt.mean())
    scratch = rows.query("arm == 'target'")["value"].astype(float)
    assert panel.scratch is not None and panel.scratch[1].estimate == pytest.approx(scratch.mean())
    (symbols,) = [trace for trace in figure.draw((panel,)).data if trace.name == "HPT"]
    assert list(symbols.text) == ["60", "1200", "supervised"]
    assert load("figures", "base_quality").compute(run("iteration_budget")) == ()
