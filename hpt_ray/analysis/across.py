"""Across targets: on how many is HPT better than its alternatives, and by how much on average?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hpt_ray.analysis.claim import Claim, compare
from hpt_ray.analysis.claim_words import EXPLORATORY
from hpt_ray.analysis.measures.looks import over_looks
from hpt_ray.analysis.measures.run import HPT, Run
from hpt_ray.analysis.measures.text_format import (
    SHARES,
    Unit,
    change_interval,
    level_name,
    listed,
    margin_text,
    spoken,
)
from hpt_ray.analysis.quantities import Cell, Change
from hpt_ray.analysis.scope import scope
from hpt_ray.analysis.sentence import scope_text
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.analysis.stats.comparisons import Across, across
from hpt_ray.analysis.verdict import Table


@dataclass(frozen=True)
class Comparison:
    """One arm against another: the difference on each target that has one, and what they say together.

    ``subject`` and ``against`` are the arms' labels; ``missing`` are targets without a difference; ``summary`` is None
    where all are. ``margin`` and ``unit`` are those of the claims on the targets.
    """

    subject: str
    against: str
    differences: dict[str, Interval]
    missing: tuple[str, ...]
    summary: Across | None
    margin: float
    unit: Unit = SHARES


@dataclass(frozen=True)
class AcrossTargets:
    """What the targets of a study say together: one sentence, the comparisons behind it, and their counts as text.

    All of it is exploratory: a study's question is asked of each target, and nothing corrects for both.
    """

    sentence: str
    comparisons: tuple[Comparison, ...]
    table: Table


def across_targets(run: Run) -> AcrossTargets | None:
    """HPT against from scratch and direct transfer over all targets; None for one target, or nothing to compare."""
    others = run.alternatives
    if len(run.study.targets) < 2 or not others:
        return None
    comparisons = tuple(_comparison(run, other) for other in others)
    predicates = ", and ".join(predicate(comparison) for comparison in comparisons)
    where = ", ".join([f"{level_name(run.evaluation)} evaluation", *_where(run, others)])
    how = f"{EXPLORATORY}: {where}, Holm's correction"
    sentence = f"Across {len(run.study.targets)} targets ({how}), {scope_text(scope(run.study))}, HPT is {predicates}."
    rows = tuple((comparison.against, *cells(comparison)) for comparison in comparisons)
    return AcrossTargets(sentence, comparisons, Table(("HPT against", *COLUMNS), rows))


def _comparison(run: Run, other: str) -> Comparison:
    mine, at = run.standard_level(HPT), run.standard_level(other)
    claims = {target: compare(run, target, HPT, other, mine, at=at) for target in run.study.targets}
    pairs = {target: (run.scores(target, HPT, mine), run.scores(target, other, at)) for target in claims}
    held = {
        target: replace(claim, difference=claim.difference and over_looks(run, claim.difference))
        for target, claim in claims.items()
    }
    comparison = of_claims(held, {target: own - others for target, (own, others) in pairs.items()})
    if comparison.summary is None or len(comparison.differences) == 1:  # of one target, the mean is that one's
        return comparison
    mean = over_looks(run, comparison.summary.mean)
    return replace(comparison, summary=replace(comparison.summary, mean=mean))


def of_claims(claims: Mapping[str, Claim], scores: Mapping[str, np.ndarray] | None, most: float = 1.0) -> Comparison:
    """What claims on the same two arms say together, one on each target.

    Args:
        scores: of each target the differences [rows, examples], the same rows for all targets; None: they share none.
        most: the largest difference that there is.
    """
    differences = {target: claim.difference for target, claim in claims.items() if claim.difference is not None}
    rows = None if scores is None else {target: scores[target].mean(axis=1) for target in differences}
    one = next(iter(claims.values()))
    return Comparison(
        one.subject,
        one.against,
        differences,
        missing=tuple(target for target in claims if target not in differences),
        summary=across(differences, one.margin, rows, most) if differences else None,
        margin=one.margin,
        unit=one.unit,
    )


def _where(run: Run, others: Sequence[str]) -> list[str]:
    """At which levels the arms are compared: the baseline, or where some lack that, each arm's own."""
    held = [f"{level_name(factor.name)} at {level_name(level)}" for factor, level in run.held]
    if run.factor is None:
        return held
    factor = level_name(run.factor.name)
    levels = {arm: level_name(run.standard_level(arm)) for arm in (HPT, *others) if run.varies(arm)}
    if len(set(levels.values())) < 2:
        return [f"{factor} at {level_name(run.baseline)}", *held]
    return [f"{factor} at {listed([f'{level} ({run.arms[arm]})' for arm, level in levels.items()])}", *held]


def predicate(comparison: Comparison) -> str:
    """One comparison as a predicate: "better than direct transfer on 5 of 6 and worse on 1 (mean difference ...)"."""
    name, summary, unit = spoken(comparison.against), comparison.summary, comparison.unit
    if summary is None:
        return f"not comparable with {name} (no result on any target)"
    counts = {
        ("better", "than"): summary.wins,
        ("worse", "than"): summary.losses,
        (f"equivalent within {margin_text(comparison.margin, unit)}", "to"): summary.ties,
        ("not shown to differ", "from"): summary.undecided,
    }
    (first, joined, number), *others = [(*words, len(targets)) for words, targets in counts.items() if targets]
    parts = [f"{first} {joined} {name} on {number} of {len(comparison.differences)}"]
    parts += [f"{word} on {number}" for word, _, number in others]
    lacking = f"; no result on {listed(list(comparison.missing))}" if comparison.missing else ""
    mean = change_interval(summary.mean, unit=unit) + unit.of_change
    return f"{listed(parts)} (mean difference {mean}{lacking})"


#: What ``cells`` has of a comparison.
COLUMNS = ("Wins", "Ties", "Losses", "Undecided", "Mean", "Ahead on", "Sign test")


def cells(comparison: Comparison) -> tuple[Cell, ...]:
    """A comparison as cells of a table, behind the name of its row."""
    summary = comparison.summary
    if summary is None:
        return (None,) * len(COLUMNS)
    counts = (summary.wins, summary.ties, summary.losses, summary.undecided)
    ahead = f"{summary.ahead} of {len(comparison.differences)}"
    mean = Change(summary.mean, unit=comparison.unit)
    return (*(str(len(targets)) for targets in counts), mean, ahead, p_value(summary.sign_p))


def p_value(p: float) -> str:
    """A p-value as one reads it: "0.34", "0.031", "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"
