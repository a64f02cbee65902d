"""What a study claims, as data: one side against another, the difference with its interval, and the decision.

Claims that are judged together are a family: Holm's correction is for its members, and every claim names its family.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from hpt_ray.analysis.measures.failures import Failed, failed
from hpt_ray.analysis.measures.robustness import CHANGES_APART, mean
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import SHARES, Unit, listed, lowered
from hpt_ray.analysis.need import Need, few_images, to_settle
from hpt_ray.analysis.stats import exact
from hpt_ray.analysis.stats.bootstrap import LEVEL, Interval
from hpt_ray.analysis.stats.comparisons import MARGIN
from hpt_ray.analysis.stats.power import smallest_margin
from hpt_ray.analysis.stats.split_plot import pooled, with_luck

if TYPE_CHECKING:
    from hpt_ray.store.records import ClaimAtLook


class Outcome(StrEnum):
    """What an interval says about a difference, of which positive is better."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "not enough evidence"


@dataclass(frozen=True)
class Claim:
    """One comparison of two arms, or of two levels of one: what the difference is, and what it says.

    Attributes:
        measure: what is compared: the label of the run's metric, or such as "robustness".
        subject, against: the labels of the two sides; a positive difference speaks for the subject.
        difference: None where it cannot be computed, for the reason ``lacking``.
        metric, evaluation: which scores it is computed from.
        levels, against_levels: at which level of each factor either side is; of a measure over all levels, none.
        failed: the seeds that it leaves out because one side has no result, and what that may hide.
        place: where the comparison stands among others of the same two sides, such as "With 50 labels".
        family: the claims it was judged with. exploratory: whether another family answers the study's question, so that
            Holm's correction is not over both.
        p: of the difference, after Holm's correction for its family.
        needed: where there is not enough evidence, what would probably settle it; ``need`` says it, given the rate at
            which the interval of a claim may err.
        margin: the share that a difference is equivalent within. floor: the smallest such margin that the test images
            can show, whatever the number of seeds; None where it is not known.
        path: how it was judged at each look, of a run that grows until it is decided; ``recorded``: whether it is as a
            look before this one had it. closed_at: the seeds of that look, where the run has more of them by now.
        unit: how the difference and the margin are written.
    """

    measure: str
    subject: str
    against: str
    difference: Interval | None
    metric: str
    evaluation: str
    lacking: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)
    against_levels: Mapping[str, str] = field(default_factory=dict)
    failed: Failed | None = None
    place: str = ""
    needed: Need | None = None
    need: Callable[[float], Need | None] | None = field(default=None, compare=False, repr=False)
    family: str = ""
    exploratory: bool = False
    outcome: Outcome = Outcome.UNDECIDED
    p: float = float("nan")
    margin: float = MARGIN
    floor: float | None = None
    path: tuple[ClaimAtLook, ...] = ()
    recorded: bool = False
    closed_at: int | None = None
    unit: Unit = SHARES

    @property
    def record(self) -> ClaimAtLook | None:
        """What the present look records of it; None of a claim that it did not judge."""
        if self.recorded or not self.path:
            return None
        decided = self.outcome is not Outcome.UNDECIDED
        return self.path[-1].model_copy(update={"decision": str(self.outcome), "decided": decided})


def judge(difference: Interval, margin: float = MARGIN, p: float = 0.0) -> Outcome:
    """Better or worse where the interval excludes zero, equivalent where it lies within the margin.

    Equivalence comes first: a difference that is surely below the margin is not worth a "better". The interval is
    two-sided at 95 %, so "better" is wrong in at most 2.5 % of studies in which nothing differs; ``p``, corrected for
    several comparisons, must leave no more to chance either.
    """
    if -margin < difference.low and difference.high < margin:
        return Outcome.EQUIVALENT
    if p < 1 - LEVEL and difference.low > 0:
        return Outcome.BETTER
    if p < 1 - LEVEL and difference.high < 0:
        return Outcome.WORSE
    return Outcome.UNDECIDED


def compare(
    run: Run,
    target: str,
    arm: str,
    other: str,
    level: str,
    *,
    at: str | None = None,
    evaluation: str | None = None,
    place: str = "",
) -> Claim:
    """The claim, still to be settled, on the metric of ``arm`` against ``other`` at a level (``at``: the other's)."""
    other_level = level if at is None else at
    mine = run.scores(target, arm, level, evaluation)
    others = run.scores(target, other, other_level, evaluation)
    claim = of_scores(mine - others, run.margin, measure=run.metric.label, sides=(run.arms[arm], run.arms[other]))
    empty = [run.arms[chain] for chain, values in ((arm, mine), (other, others)) if mean(values) is None]
    return replace(
        claim,
        metric=run.metric.name,
        evaluation=evaluation or run.evaluation,
        lacking="" if claim.difference else _lacking(empty),
        levels=_levels(run, arm, level),
        against_levels=_levels(run, other, other_level),
        failed=failed(run, target, ((arm, level), (other, other_level)), evaluation) if claim.difference else None,
        place=place,
    )


def compare_pooled(run: Run, target: str, arm: str, other: str, level: str) -> Claim:
    """The claim of ``compare``, with the luck of seeds as all levels of the factor show it (``stats.split_plot``)."""
    claim = compare(run, target, arm, other, level)
    if claim.difference is None or run.factor is None:
        return claim
    levels = dict.fromkeys((level, *run.levels))
    return with_luck_of(claim, [run.scores(target, arm, own) - run.scores(target, other, own) for own in levels])


def with_luck_of(claim: Claim, apart: Sequence[np.ndarray]) -> Claim:
    """A claim on a difference at one level, with the luck of seeds as several levels show it (``stats.split_plot``).

    Args:
        apart: the differences [seeds, examples] at each level, first at that of the claim.
    """
    assert claim.difference is not None
    at_levels = np.stack([values.mean(axis=1) for values in apart])
    return replace(
        claim,
        difference=pooled(claim.difference, at_levels, float(exact.reach(apart[0]).max())),
        need=functools.partial(to_settle, with_luck(apart[0], at_levels), claim.margin),
    )


def of_scores(values: np.ndarray, margin: float, *, measure: str, sides: tuple[str, str], most: float = 1.0) -> Claim:
    """The claim, still to be settled, on the mean of differences [seeds, examples], of at most ``most`` each."""
    difference = mean(values, most=most)
    return Claim(
        measure,
        *sides,
        difference,
        metric=measure,
        evaluation="",
        need=functools.partial(to_settle, values, margin) if difference else None,
        margin=margin,
        floor=smallest_margin(values) if difference else None,
    )


def of_measure(
    run: Run,
    measure: str,
    sides: tuple[str, str],
    difference: Interval | None,
    *,
    lacking: str,
    evaluation: str | None = None,
    failed: Failed | None = None,
    needed: Need | None = None,
) -> Claim:
    """The claim, still to be settled, on a measure of a run that is not its metric, such as robustness.

    Args:
        lacking: why there is no difference, if there is none.
    """
    return Claim(
        measure,
        *sides,
        difference,
        run.metric.name,
        evaluation or run.evaluation,
        lacking="" if difference else lacking,
        failed=failed,
        needed=needed,
        margin=run.margin,
    )


def compare_changes(
    run: Run,
    measure: str,
    sides: tuple[str, str],
    values: np.ndarray,
    *,
    lacking: str,
    what: str = "",
    evaluation: str | None = None,
) -> Claim:
    """The claim, still to be settled, on a difference between two differences [seeds, examples].

    Args:
        lacking: why there is none, if there is none; ``what``: as in ``Need``.
    """
    difference = mean(values, most=CHANGES_APART)
    missing = tuple(np.flatnonzero(np.isnan(values).any(axis=1)).tolist())
    return of_measure(
        run,
        measure,
        sides,
        difference,
        lacking=lacking,
        evaluation=evaluation,
        failed=Failed(len(missing), len(values), rows=missing) if difference and missing else None,
        needed=few_images(values, run.margin, CHANGES_APART, what=what),
    )


def _lacking(labels: list[str]) -> str:
    """Why two arms have no difference, of which those named have no result."""
    return f"no result for {listed([lowered(label) for label in labels])}" if labels else "no seed in common"


def _levels(run: Run, arm: str, level: str) -> dict[str, str]:
    """The level of each factor at which an arm is compared, of a view too."""
    own = {run.factor.name: level} if run.factor is not None and run.varies(arm) else {}
    return own | {factor.name: held for factor, held in run.held}
