"""What was spent and how much sooner it paid off, on accuracies and costs that are known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from hpt_ray.analysis.measures.run import SCRATCH, Run
from hpt_ray.analysis.measures.speedup import Bound, SpeedUp
from hpt_ray.analysis.measures.spending import (
    Ahead,
    ahead,
    before,
    best,
    brief_interval,
    curve,
    digits,
    factor,
    lead,
    times_interval,
)
from tests.support import simulate_numbers
from tests.support.simulate_numbers import BUDGETS

#: At 10, 30, 90, 270 and 810 iterations. HPT has 0.70, its best, from 90 on, and 0.64, that of from scratch, at 30.
TRUTH: dict[str, simulate_numbers.Truth] = {
    "target": (0.36, 0.42, 0.50, 0.58, 0.64),
    "base": 0.60,
    "base>target": (0.50, 0.64, 0.70, 0.70, 0.70),
    "base>target:bn": (0.40, 0.42, 0.50, 0.50, 0.50),
}


def seconds(arm: str, iterations: int) -> float:
    """The base runs at half speed, HPT-BN at double."""
    return iterations * {"base": 0.2, "base>target:bn": 0.05}.get(arm, 0.1)


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate_numbers.run(simulate_numbers.study(BUDGETS), TRUTH, examples=1000, exact=True, seconds=seconds)


def found(run: Run, arm: str, unit: str, best_of: str = "") -> Ahead:
    result = ahead(run, "rsscn7", arm, unit, best_of=best_of)
    assert result is not None
    return result


def test_curve_is_correctness_by_mean_cost(run: Run) -> None:
    by_seconds = curve(run, "rsscn7", "base>target:bn", "seconds")
    assert list(by_seconds) == pytest.approx([0.5, 1.5, 4.5, 13.5, 40.5])
    assert list(curve(run, "rsscn7", "target", "images")) == [64 * 10, 64 * 30, 64 * 90, 64 * 270, 64 * 810]
    assert [values.mean() for values in by_seconds.values()] == pytest.approx(TRUTH["base>target:bn"])


def test_a_budget_without_a_result_is_left_out() -> None:
    spec = simulate_numbers.study(BUDGETS)
    holed = simulate_numbers.run(spec, TRUTH, failed=lambda cell: cell[:2] == ("target", "90") or cell[2] == 1)
    assert list(curve(holed, "rsscn7", "target", "iterations")) == [10, 30, 270, 810]
    assert np.isnan(curve(holed, "rsscn7", "target", "iterations")[10][1]).all()


def test_what_came_before_is_the_cost_of_direct_transfer(run: Run) -> None:
    spent = {unit: before(run, "rsscn7", "base>target", unit) for unit in ("iterations", "images", "seconds")}
    assert spent == {"iterations": 1200, "images": 1200 * 64, "seconds": pytest.approx(240)}
    assert before(run, "rsscn7", "target", "iterations") is None


def test_without_direct_transfer_the_base_is_not_known() -> None:
    spec = simulate_numbers.study(BUDGETS, arms=("target", "base>target"))
    alone = simulate_numbers.run(spec, TRUTH, examples=50)
    assert before(alone, "rsscn7", "base>target", "iterations") is None
    assert found(alone, "base>target", "iterations").included is None


def test_its_own_best_from_scratch_never_has(run: Run) -> None:
    own = found(run, "base>target", "iterations")
    assert (own.best.accuracy, own.best.cost, own.best.smallest) == (pytest.approx(0.70), 90, False)
    assert (own.speed.ratio, own.speed.bound) == (pytest.approx(810 / 90), Bound.AT_LEAST)
    assert (own.cost, own.never, own.early) == (pytest.approx(810), True, False)
    assert own.included is not None and own.included.ratio == pytest.approx(810 / 1290)


def test_at_the_best_of_from_scratch_the_ratio_is_exact(run: Run) -> None:
    other = found(run, "base>target", "iterations", SCRATCH)
    assert (other.best.accuracy, other.best.cost) == (pytest.approx(0.64), 810)
    assert (other.speed.ratio, other.speed.bound) == (pytest.approx(810 / 30), Bound.EXACT)
    assert (other.cost, other.never) == (pytest.approx(30), False)
    assert other.included is not None and other.included.ratio == pytest.approx(810 / 1230)


def test_seconds_are_not_iterations(run: Run) -> None:
    """HPT-BN has its best, 0.50, at 90 iterations as from scratch does, in half the time; the base took 240 s."""
    assert found(run, "base>target:bn", "iterations").speed.ratio == pytest.approx(1)
    timed = found(run, "base>target:bn", "seconds")
    assert timed.speed.ratio == pytest.approx(2)
    assert timed.included is not None and timed.included.ratio == pytest.approx(9 / (240 + 4.5))


def test_an_arm_that_never_has_the_best_of_from_scratch(run: Run) -> None:
    other = found(run, "base>target:bn", "iterations", SCRATCH)
    assert (other.speed.ratio, other.speed.bound) == (pytest.approx(1), Bound.AT_MOST)
    assert (other.cost, other.never) == (pytest.approx(810), True)
    assert other.speed.low == 0


def test_an_arm_that_had_it_at_its_smallest_budget() -> None:
    truth = TRUTH | {"base>target": (0.68, 0.68, 0.70, 0.70, 0.70)}
    early = simulate_numbers.run(simulate_numbers.study(BUDGETS), truth, examples=1000, exact=True)
    other = found(early, "base>target", "iterations", SCRATCH)
    assert (other.speed.ratio, other.speed.bound) == (pytest.approx(81), Bound.AT_LEAST)
    assert (other.cost, other.early, other.never) == (pytest.approx(10), True, False)
    assert other.speed.high == math.inf


def test_a_fall_is_averaged_out_of_the_best() -> None:
    values = {
        cost: np.tile(np.arange(100) < 100 * share, (2, 1)) * 1.0
        for cost, share in {1.0: 0.5, 2.0: 0.8, 4.0: 0.6}.items()
    }
    top = best(values)
    assert (top.accuracy, top.cost, top.smallest) == (pytest.approx(0.7), 2.0, False)


def test_lead_is_the_difference_where_the_lower_best_is_reached(run: Run) -> None:
    assert lead(run, "rsscn7", "base>target", "iterations").estimate == pytest.approx(0.70 - 0.64)
    # HPT-BN has the lower best, 0.50 from 90 on, where from scratch has it too.
    assert lead(run, "rsscn7", "base>target:bn", "iterations").estimate == pytest.approx(0.0)


def test_arms_that_answer_alike_are_not_certain_to_be_as_fast(run: Run) -> None:
    kept = run.predictions[run.predictions["arm"] != "base>target"]
    copied = run.predictions[run.predictions["arm"] == "target"].assign(arm="base>target")
    alike = dataclasses.replace(run, predictions=pd.concat([kept, copied], ignore_index=True))
    found = lead(alike, "rsscn7", "base>target", "iterations")
    assert found.estimate == pytest.approx(0.0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 1000))
    assert found.low == pytest.approx(-found.high)


def test_lead_between_budgets() -> None:
    """HPT's last budget, 90, lies halfway between two of from scratch, 30 and 270, in logarithms."""
    factor = BUDGETS.model_copy(update={"only": {"base>target": ("10", "90"), "target": ("10", "30", "270", "810")}})
    spec = simulate_numbers.study(factor, arms=("target", "base>target"))
    between = simulate_numbers.run(spec, TRUTH | {"base>target": (0.4, 0, 0.45, 0, 0)}, examples=1000, exact=True)
    assert lead(between, "rsscn7", "base>target", "iterations").estimate == pytest.approx(0.45 - (0.42 + 0.58) / 2)


@pytest.mark.parametrize(
    ("ratio", "low", "high", "bound", "texts"),
    [
        (5.24, 2.12, 9.81, Bound.EXACT, ("2.1 to 9.8 times", "2.1 to 9.8", "2.1–9.8× (estimate 5.2)")),
        (8.1, 3.0, math.inf, Bound.AT_LEAST, ("3.0 times or more", "3.0 or more", "≥ 3.0× (estimate beyond 8.1)")),
        (0.4, 0.0, 0.63, Bound.AT_MOST, ("0.63 times or fewer", "0.63 or less", "≤ 0.63× (estimate below 0.40)")),
        (27.0, 27.0, 27.1, Bound.EXACT, ("27 times", "27", "27× (estimate 27)")),
        (math.nan, 0.0, math.inf, Bound.UNKNOWN, ("an unknown number of times", "no bound", "–")),
    ],
)
def test_a_speed_up_in_words(ratio: float, low: float, high: float, bound: Bound, texts: tuple[str, ...]) -> None:
    speed = SpeedUp(ratio, low, high, bound, 0.5, 3)
    assert (factor(speed), times_interval(speed), brief_interval(speed)) == texts


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.0123, "0.012"), (0.0951, "0.10"), (0.996, "1.0"), (9.94, "9.9"), (9.96, "10"), (1234.5, "1,234")],
)
def test_digits(ratio: float, text: str) -> None:
    assert digits(ratio) == text
