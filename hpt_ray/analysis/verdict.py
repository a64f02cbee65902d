"""The study's verdict: sentences that follow from the numbers, "not enough evidence" among them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hpt_ray.analysis import robustness
from hpt_ray.analysis.bootstrap import Interval
from hpt_ray.analysis.robustness import ArmRobustness
from hpt_ray.analysis.run import DIRECT, HPT, SCRATCH, Hole, Run
from hpt_ray.analysis.wording import change_interval, level_name, listed, points
from hpt_ray.study import LABELS

#: A difference inside +- one point of accuracy is of no practical weight.
MARGIN = 0.01


class Outcome(StrEnum):
    """What an interval says about a difference, of which positive is better."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "not enough evidence"


@dataclass(frozen=True)
class Claim:
    """One comparison of HPT: its outcome, the difference it follows from (None: it cannot be made), and its text.

    ``measure`` is "robustness" or "accuracy"; ``against`` is the label of the other arm.
    """

    measure: str
    against: str
    outcome: Outcome
    difference: Interval | None
    text: str


@dataclass(frozen=True)
class Verdict:
    """The verdict on one target: one sentence, the claims behind it, and what a reader must know beside it."""

    target: str
    sentence: str
    claims: tuple[Claim, ...]
    notes: tuple[str, ...]


def judge(difference: Interval, margin: float = MARGIN) -> Outcome:
    """Better or worse where the interval excludes zero, equivalent where it lies within the margin.

    Equivalence comes first: a difference that is surely below the margin is not worth a "better". The interval is
    two-sided at 95 %, so "better" is wrong in at most 2.5 % of studies in which nothing differs.
    """
    if -margin < difference.low and difference.high < margin:
        return Outcome.EQUIVALENT
    if difference.low > 0:
        return Outcome.BETTER
    if difference.high < 0:
        return Outcome.WORSE
    return Outcome.UNDECIDED


def verdict(run: Run, target: str, margin: float = MARGIN) -> Verdict:
    """The verdict on one target: is HPT more robust than from scratch, and more accurate than either alternative?"""
    accuracies = [_accuracy_claim(run, target, other, margin) for other in (SCRATCH, DIRECT)]
    place = f"at the {level_name(run.baseline)} {level_name(run.factor.name)}, " if run.factor else ""
    accurate = f"{place}HPT is {' and '.join(claim.text for claim in accuracies)}"
    if run.factor is None:
        return Verdict(target, f"On {target}, {accurate}.", tuple(accuracies), tuple(_notes(run, target)))
    robust = _robustness_claim(run, target, level_name(run.factor.name), margin)
    sentence = f"On {target}, {robust.text}; {accurate}."
    return Verdict(target, sentence, (robust, *accuracies), tuple(_notes(run, target)))


def _robustness_claim(run: Run, target: str, factor: str, margin: float) -> Claim:
    mine, other = robustness.robustness(run, target, HPT), robustness.robustness(run, target, SCRATCH)
    compared = robustness.robustness_difference(run, target, HPT, SCRATCH)
    if mine is None or other is None or compared is None:
        lacking = [name for name, found in (("HPT", mine), ("from scratch", other)) if found is None]
        why = f"no change against the baseline for {listed(lacking)}" if lacking else "no level in common"
        text = f"whether HPT is more robust to the {factor} than pretraining from scratch cannot be said ({why})"
        return Claim("robustness", LABELS[SCRATCH], Outcome.UNDECIDED, None, text)
    outcome = judge(compared.worst, margin)
    said = {
        Outcome.BETTER: f"HPT is more robust to the {factor} than pretraining from scratch",
        Outcome.WORSE: f"HPT is less robust to the {factor} than pretraining from scratch",
        Outcome.EQUIVALENT: f"HPT and pretraining from scratch are equally robust to the {factor}, "
        f"within {_margin(margin)}",
        Outcome.UNDECIDED: "there is not enough evidence that HPT and pretraining from scratch differ in their "
        f"robustness to the {factor}",
    }[outcome]
    numbers = (
        f"worst change {_worst(mine)} against {_worst(other)}, difference {change_interval(compared.worst)} points"
    )
    return Claim("robustness", LABELS[SCRATCH], outcome, compared.worst, f"{said} ({numbers})")


def _accuracy_claim(run: Run, target: str, other: str, margin: float) -> Claim:
    """The claim on accuracy at the baseline; its text continues "HPT is"."""
    name = {SCRATCH: "pretraining from scratch", DIRECT: "direct transfer"}[other]
    found = robustness.difference(run, target, HPT, other, run.baseline)
    if found is None:
        arms = {"HPT": HPT, name: other}
        lacking = [label for label, arm in arms.items() if robustness.accuracy(run, target, arm, run.baseline) is None]
        why = f"no result for {listed(lacking)}" if lacking else "no seed in common"
        return Claim("accuracy", LABELS[other], Outcome.UNDECIDED, None, f"not comparable with {name} ({why})")
    outcome = judge(found, margin)
    numbers = f"{change_interval(found)} points"
    text = {
        Outcome.BETTER: f"better than {name} ({numbers})",
        Outcome.WORSE: f"worse than {name} ({numbers})",
        Outcome.EQUIVALENT: f"equivalent to {name} within {_margin(margin)} ({numbers})",
        Outcome.UNDECIDED: f"not shown to differ from {name} (not enough evidence: {numbers})",
    }[outcome]
    return Claim("accuracy", LABELS[other], outcome, found, text)


def _notes(run: Run, target: str) -> list[str]:
    """What qualifies the verdict: forgetting, one seed, holes."""
    notes = []
    for arm, label in run.arms.items():
        levels = run.levels if run.varies(arm) else ("",)
        found = {level: robustness.gain(run, target, arm, level) for level in levels}
        worse = {level: gain for level, gain in found.items() if gain is not None and gain.high < 0}
        if worse:
            level, gain = min(worse.items(), key=lambda item: item[1].estimate)
            where = f" at {listed([level_name(level) for level in worse])}" if run.varies(arm) else ""
            largest = f"{change_interval(gain)} points" + (f" at {level_name(level)}" if len(worse) > 1 else "")
            notes.append(f"Forgetting: {label} ends below its step-0 value{where} ({largest}).")
    if len(run.study.seeds) == 1:
        notes.append("One seed: intervals account for the test sample alone, not for the luck of a pretraining run.")
    holes = [_hole(run, hole) for hole in run.holes(target)]
    if holes:
        shown = listed(holes if len(holes) <= 4 else [*holes[:3], f"{len(holes) - 3} more"])
        notes.append(f"Missing: {shown}. Estimates use the cells that finished.")
    return notes


def _hole(run: Run, hole: Hole) -> str:
    name = f"{run.arms[hole.arm]} at {level_name(hole.level)}" if hole.level else run.arms[hole.arm]
    if len(hole.seeds) == len(run.study.seeds):
        return name
    return f"{name} (seed{'s' if len(hole.seeds) > 1 else ''} {listed([str(seed) for seed in hole.seeds])})"


def _worst(found: ArmRobustness) -> str:
    return f"{points(found.worst.estimate)} at {level_name(found.worst_level)}"


def _margin(margin: float) -> str:
    size = f"{100 * margin:g}"
    return f"{size} point" if size == "1" else f"{size} points"
