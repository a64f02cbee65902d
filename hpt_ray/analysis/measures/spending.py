"""What was spent on each arm, in iterations, images or seconds, and how much sooner than from scratch it paid off.

Accuracies rise with what was spent, as speedup.py takes them to: an arm's best is that of its last budgets, with falls
averaged out, at the first budget of those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hpt_ray.analysis.measures.numbers import numbers
from hpt_ray.analysis.measures.run import SCRATCH, Run
from hpt_ray.analysis.measures.speedup import Bound, Curve, SpeedUp, monotone, speed_up
from hpt_ray.analysis.stats import exact
from hpt_ray.analysis.stats.bootstrap import Interval, replicate
from hpt_ray.spec.arm import Arm

#: Units of cost to the columns of the results that hold them, each of an arm's last phase.
UNITS = {"iterations": "iteration", "images": "images", "seconds": "seconds"}

#: Accuracies closer than this are the same up to rounding.
NOTHING = 1e-9


@dataclass(frozen=True)
class Best:
    """An arm's best accuracy and its first budget with it; ``smallest``: whether that is the smallest of several."""

    accuracy: float
    cost: float
    smallest: bool


@dataclass(frozen=True)
class Ahead:
    """How much sooner than from scratch an arm has an accuracy: its own best, or that of from scratch.

    Attributes:
        speed: the speed-up in the arm's last phase alone.
        best: the best accuracy, and at what cost the one whose it is has it.
        cost: what the other one needs for it: its largest budget where it is ``never`` there, its smallest where it may
            have been there ``early``; NaN where nothing is known.
        before: what the arm's earlier phases cost; None where that is not known.
        included: the speed-up with that cost counted in.
    """

    speed: SpeedUp
    best: Best
    cost: float
    never: bool
    early: bool
    before: float | None
    included: SpeedUp | None


def curve(run: Run, target: str, arm: str, unit: str) -> dict[float, np.ndarray]:
    """Cost of each of an arm's budgets, a mean over its seeds, to correctness [seeds, examples], in rising order."""
    spent = costs(run, target, arm, unit)
    by_cost = {spent[level]: run.scores(target, arm, level) for level in numbers(run) if level in spent}
    return {cost: by_cost[cost] for cost in sorted(by_cost) if _complete(by_cost[cost]).any()}


def before(run: Run, target: str, arm: str, unit: str) -> float | None:
    """What the phases before an arm's last one cost: None where one was given, or is no arm of the study."""
    parsed = Arm.parse(arm)
    chains = [parsed.until(number).chain for number in range(1, len(parsed.phases))]
    spent = [costs(run, target, chain, unit).get("") for chain in chains]
    known = [cost for cost in spent if cost is not None]
    return sum(known) if known and len(known) == len(spent) else None


def ahead(run: Run, target: str, arm: str, unit: str, *, best_of: str = "") -> Ahead | None:
    """An arm against from scratch at its own best accuracy, or at that ``best_of`` SCRATCH; None without results."""
    own_curve, scratch_curve = curve(run, target, arm, unit), curve(run, target, SCRATCH, unit)
    if not own_curve or not scratch_curve:
        return None
    earlier = before(run, target, arm, unit)
    if best_of == SCRATCH:
        top, chasing, raw = best(scratch_curve), own_curve, speed_up(scratch_curve, own_curve)
        later = {cost + earlier: values for cost, values in own_curve.items()} if earlier else {}
        speed, included = _turned(raw), _turned(speed_up(scratch_curve, later)) if later else None
    else:
        top, chasing, raw = best(own_curve), scratch_curve, speed_up(own_curve, scratch_curve)
        speed, included = raw, speed_up(own_curve, scratch_curve, offset=earlier) if earlier else None
    never = bool(_rising(chasing)[-1] < top.accuracy - NOTHING)
    return Ahead(speed, top, top.cost * raw.ratio, never, raw.bound is Bound.AT_MOST, earlier, included)


def best(values: Curve) -> Best:
    """The best accuracy of an arm; ``values`` in rising order of cost."""
    rising = _rising(values)
    position = int((rising > rising[-1] - NOTHING).argmax())
    return Best(float(rising[-1]), list(values)[position], position == 0 and len(values) > 1)


def lead(run: Run, target: str, arm: str, unit: str) -> Interval:
    """Accuracy of an arm minus that of from scratch at the cost at which the one with the lower best has that best.

    Above zero where the arm is the faster one to the best accuracy that both reach; of rising accuracies, too.

    Raises:
        ValueError: if either arm has no budget with a result.
    """
    own_curve, scratch_curve, cost = _at_lower_best(run, target, arm, unit)

    def difference(means: np.ndarray) -> np.ndarray:
        accuracies: np.ndarray = _at(means[..., : len(own_curve)], list(own_curve), cost)
        accuracies = accuracies - _at(means[..., len(own_curve) :], list(scratch_curve), cost)
        return accuracies

    # Two arms that answer alike at that cost have no variance, however much either rises with the budget.
    reach = exact.reach(lead_answers(run, target, arm, unit))
    return replicate(np.stack([*own_curve.values(), *scratch_curve.values()])).interval(difference, reach=reach)


def lead_answers(run: Run, target: str, arm: str, unit: str) -> np.ndarray:
    """The differences of single answers [seeds, examples] behind ``lead``, at the budgets nearest to its cost."""
    own_curve, scratch_curve, cost = _at_lower_best(run, target, arm, unit)
    differences: np.ndarray = _nearest(own_curve, cost) - _nearest(scratch_curve, cost)
    return differences


def _at_lower_best(run: Run, target: str, arm: str, unit: str) -> tuple[Curve, Curve, float]:
    """The curves of an arm and of from scratch, and the cost at which the one with the lower best has that best."""
    own_curve, scratch_curve = curve(run, target, arm, unit), curve(run, target, SCRATCH, unit)
    return own_curve, scratch_curve, min((best(own_curve), best(scratch_curve)), key=lambda top: top.accuracy).cost


def factor(speed: SpeedUp, what: str = "") -> str:
    """The interval of a speed-up in words: "2.1 to 9.8 times as many", ``what`` being "as many"."""
    times = f"times {what}".strip()
    if speed.low <= 0:
        return f"{digits(speed.high)} {times} or fewer" if speed.high < math.inf else f"an unknown number of {times}"
    more = " or more" if speed.high == math.inf else ""
    return f"{_span(speed, ' to ')} {times}{more}"


def times_interval(speed: SpeedUp) -> str:
    """The interval of a speed-up: "2.1 to 9.8", "3.0 or more" where it has no upper end."""
    if speed.low <= 0:
        return f"{digits(speed.high)} or less" if speed.high < math.inf else "no bound"
    return _span(speed, " to ") + (" or more" if speed.high == math.inf else "")


def _span(speed: SpeedUp, to: str) -> str:
    """Both ends of an interval, or the one that is not open, or that both are when rounded."""
    low, high = digits(speed.low), digits(speed.high) if speed.high < math.inf else ""
    return low if high in ("", low) else f"{low}{to}{high}"


def estimate(speed: SpeedUp) -> str:
    """The estimate of a speed-up, "5.2"; where the budgets give it no number, what they show of it as it was seen."""
    seen = {Bound.AT_LEAST: "beyond ", Bound.AT_MOST: "below "}
    return "none" if speed.bound is Bound.UNKNOWN else seen.get(speed.bound, "") + digits(speed.ratio)


def brief(speed: SpeedUp) -> str:
    """The interval of a speed-up as symbols and numbers: "2.1–9.8×", "≥ 3.0×" where it has no upper end."""
    if speed.low <= 0:
        return f"≤ {digits(speed.high)}×" if speed.high < math.inf else "–"
    return ("≥ " if speed.high == math.inf else "") + f"{_span(speed, '–')}×"


def brief_interval(speed: SpeedUp) -> str:
    """A speed-up for a table, its interval first: "2.1–9.8× (estimate 5.2)"."""
    return brief(speed) if speed.bound is Bound.UNKNOWN else f"{brief(speed)} (estimate {estimate(speed)})"


def digits(ratio: float) -> str:
    """A ratio with the digits that matter: "0.063", "0.43", "5.2", "48", "1,250"."""
    if ratio < 0.095:
        return f"{ratio:.2g}"
    return f"{ratio:.2f}" if ratio < 0.995 else f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:,.0f}"


def costs(run: Run, target: str, arm: str, unit: str) -> dict[str, float]:
    """Level to the cost of an arm's last phase, a mean over the seeds that finished; "" where it does not vary."""
    rows = run.rows()
    rows = rows[(rows["target"] == target) & (rows["arm"] == arm) & (rows["status"] == "done")]
    cost = pd.to_numeric(rows[UNITS[unit]], errors="coerce").astype("float64")
    means = cost.groupby(rows["level"]).mean()
    return {str(level): float(mean) for level, mean in means.items() if mean > 0}


def _complete(values: np.ndarray) -> np.ndarray:
    """Which seeds have a result."""
    complete: np.ndarray = ~np.isnan(values).any(axis=1) & (values.shape[1] > 0)
    return complete


def _rising(values: Curve) -> np.ndarray:
    """The accuracies at the budgets, in their order, made to rise."""
    return monotone(np.array([part[_complete(part)].mean() for part in values.values()]))


def _at(accuracies: np.ndarray, costs: list[float], cost: float) -> np.ndarray:
    """Accuracies [..., budgets], made to rise, at a cost between budgets; beyond an end, that of the end."""
    position = float(np.interp(math.log(cost), np.log(costs), np.arange(len(costs))))
    low, high = math.floor(position), math.ceil(position)
    rising = monotone(accuracies)
    accuracy: np.ndarray = rising[..., low] + (position - low) * (rising[..., high] - rising[..., low])
    return accuracy


def _nearest(values: Curve, cost: float) -> np.ndarray:
    """Correctness [seeds, examples] at the budget whose cost is nearest, as a factor."""
    return values[min(values, key=lambda budget: abs(math.log(budget / cost)))]


def _turned(speed: SpeedUp) -> SpeedUp:
    """The speed-up of the second arm of a comparison over the first."""
    bound = {Bound.AT_LEAST: Bound.AT_MOST, Bound.AT_MOST: Bound.AT_LEAST}.get(speed.bound, speed.bound)
    low = 0.0 if speed.high == math.inf else 1 / speed.high
    high = math.inf if speed.low == 0 else 1 / speed.low
    return replace(speed, ratio=1 / speed.ratio, low=low, high=high, bound=bound)
