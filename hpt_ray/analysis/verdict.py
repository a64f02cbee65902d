"""What a verdict is: sentences that follow from the numbers, "not enough evidence" among them.

``verdicts/NAME.py`` defines ``verdict(run, target) -> Verdict``, for the study whose dashboard names it. Whatever it
claims is a comparison that ``settle`` has judged, with the other claims of its kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from hpt_ray.analysis.measures.robustness import mean
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import change_interval, listed
from hpt_ray.analysis.stats import exact
from hpt_ray.analysis.stats.bootstrap import LEVEL, Interval
from hpt_ray.analysis.stats.comparisons import MARGIN, holm
from hpt_ray.analysis.stats.power import seeds_equivalent, seeds_needed
from hpt_ray.spec.study import LABELS


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
        difference: None where it cannot be had, for the reason ``lacking``.
        p: of the difference, after Holm's correction for the claims judged with it.
        needed: where there is not enough evidence, what would probably be.
    """

    measure: str
    subject: str
    against: str
    difference: Interval | None
    lacking: str = ""
    outcome: Outcome = Outcome.UNDECIDED
    p: float = float("nan")
    needed: str = ""

    @property
    def text(self) -> str:
        """The claim as a predicate: "better than direct transfer (+5.3 [+3.1, +7.4] points)"."""
        name = spoken(self.against)
        if self.difference is None:
            return f"not comparable with {name} ({self.lacking})"
        numbers = f"{change_interval(self.difference)} points"
        alone = self.difference.low > 0 or self.difference.high < 0
        lack = "not enough evidence after Holm's correction" if alone else "not enough evidence"
        return {
            Outcome.BETTER: f"better than {name} ({numbers})",
            Outcome.WORSE: f"worse than {name} ({numbers})",
            Outcome.EQUIVALENT: f"equivalent to {name} within {margin_text(MARGIN)} ({numbers})",
            Outcome.UNDECIDED: f"not shown to differ from {name} ({lack}: {numbers})",
        }[self.outcome]


@dataclass(frozen=True)
class Tile:
    """A key number as text: what it is, its value, its interval, and what to know about it."""

    title: str
    value: str
    interval: str
    remark: str


@dataclass(frozen=True)
class Table:
    """A small table of text; the first column names the row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Verdict:
    """The verdict on one target: one sentence, the claims behind it, the key numbers, and what qualifies them.

    ``held``: at which levels of the factors that it does not compare everything is, "" where it compares all.
    """

    target: str
    sentence: str
    claims: tuple[Claim, ...]
    tiles: tuple[Tile, ...]
    table: Table
    notes: tuple[str, ...]
    held: str = ""


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


def settle(claims: Sequence[Claim], margin: float = MARGIN) -> tuple[Claim, ...]:
    """Judge claims together, their p-values corrected for how many they are (Holm 1979)."""
    found = [claim.difference.p for claim in claims if claim.difference is not None]
    corrected = iter(holm([0.0 if np.isnan(p) else p for p in found]))
    settled = []
    for claim in claims:
        if claim.difference is not None:
            p = next(corrected)
            outcome = judge(claim.difference, margin, p)
            needed = claim.needed if outcome is Outcome.UNDECIDED else ""
            settled.append(replace(claim, p=p, outcome=outcome, needed=needed))
        else:
            settled.append(claim)
    return tuple(settled)


def compare(
    run: Run, target: str, arm: str, other: str, level: str, *, at: str | None = None, evaluation: str | None = None
) -> Claim:
    """The claim, still to be settled, on the metric of ``arm`` against ``other`` at a level (``at``: the other's)."""
    mine = run.correct(target, arm, level, evaluation)
    others = run.correct(target, other, level if at is None else at, evaluation)
    labels = run.arms[arm], run.arms[other]
    difference = mean(mine - others)
    if difference is None:
        empty = [label for label, values in zip(labels, (mine, others), strict=True) if mean(values) is None]
        why = f"no result for {listed([_inside(label) for label in empty])}" if empty else "no seed in common"
        return Claim(run.metric.label, *labels, None, lacking=why)
    return Claim(run.metric.label, *labels, difference, needed=_needed(labels, mine - others))


def few_images(what: str, values: np.ndarray, most: float = 1.0) -> str:
    """A note where too few test images are the reason that a difference [seeds, examples] cannot be judged, else "".

    Args:
        what: names both sides, such as "HPT and direct transfer".
        most: as in ``exact.bounds``.
    """
    found = exact.enough(values, MARGIN, most)
    if found is None:
        return ""
    seen = f"Of {found.images:,} test image{'s' * (found.images > 1)} {what} differ on {found.differ or 'none'}"
    if found.differ:
        return f"{seen}, too few to tell: at least {found.needed:,} are needed, if as large a share of them differs."
    return f"{seen}: {found.needed:,} such images would show that there is no difference of {margin_text(MARGIN)}."


def _needed(labels: tuple[str, str], values: np.ndarray) -> str:
    """What would probably settle a difference [seeds, examples] that is as large as it seems, as a note."""
    if few := few_images(f"{labels[0]} and {spoken(labels[1])}", values):
        return few
    if values.shape[1] < 2:
        return ""
    there = values[~np.isnan(values).any(axis=1)]
    # The nearer to zero, the more images it takes to exclude zero, and the fewer to exclude a difference that matters.
    if abs(float(there.mean())) < MARGIN / 2:
        found = seeds_equivalent(values, MARGIN)
        less = f"differ by less than {margin_text(MARGIN)}, if they do not differ at all"
        asked = f"To show that {labels[0]} and {spoken(labels[1])} {less}"
    else:
        found = seeds_needed(values)
        asked = f"To tell {_inside(labels[0])} from {spoken(labels[1])}, if they differ by as much as seen"
    if found.seeds is not None and found.seeds <= len(there):
        return ""
    return f"{asked}: {f'about {found.seeds:,} seeds would be needed' if found.seeds else found.reason}."


def margin_text(margin: float) -> str:
    """A margin in words: 0.01 is "1 point"."""
    size = f"{100 * margin:g}"
    return f"{size} point" if size == "1" else f"{size} points"


def spoken(label: str) -> str:
    """An arm as the object of a sentence: "pretraining from scratch", "direct transfer", "HPT-BN"."""
    return "pretraining from scratch" if label == LABELS["target"] else _inside(label)


def _inside(label: str) -> str:
    return label[0].lower() + label[1:] if label[1:2].islower() else label
