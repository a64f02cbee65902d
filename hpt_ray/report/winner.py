"""The weights that a run hands to its user: of what its verdict compared and found no worse, the best on val.

Of each two arms that the verdict compared, the one that it found worse is out. Among the rest the verdict does not
decide, so the mean score on val does, unless an advice has chosen the arm; and of the seeds the median one is taken,
since the best one is so by luck.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from hpt_ray.analysis.advice import advice
from hpt_ray.analysis.claim import Claim, Outcome
from hpt_ray.analysis.measures.choice import Choice, at, by_median, median, standard, trained
from hpt_ray.analysis.measures.numbers import at_level
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import listed, spoken
from hpt_ray.analysis.verdict import Verdict

#: An arm at its levels of some factors.
Side = tuple[str, tuple[tuple[str, str], ...]]


class Handed(NamedTuple):
    """The winner of a target as a page shows it: why, the command that exports it, and the Python that loads that."""

    target: str
    choice: Choice
    command: str
    loading: str


def winner(run: Run, verdict: Verdict) -> Choice | None:
    """The weights to take on a verdict's target, and why; None where no arm has any. An advice has chosen the arm."""
    compared = [claim for claim in verdict.claims if _between_arms(run, claim)]
    sides = list(dict.fromkeys(each for claim in compared for each in _sides(run, claim)))
    worse_than: dict[Side, list[Side]] = {}
    for claim in compared:
        subject, against = _sides(run, claim)
        if claim.outcome is Outcome.BETTER:
            worse_than.setdefault(subject, []).append(against)
        elif claim.outcome is Outcome.WORSE:
            worse_than.setdefault(against, []).append(subject)
    losers = {loser for lost in worse_than.values() for loser in lost}
    cells = trained(run, verdict.target)
    sides = sides or [_side(arm, standard(run, arm)) for arm in run.arms]
    if advised := advice(run, verdict):
        sides = [side for side in sides if side[0] == advised.candidate.arm]
    seeds = {side: fitting for side in sides if (fitting := at(cells, *_place(side)))}
    left = {side: fitting for side, fitting in seeds.items() if side not in losers} or seeds
    if not left:
        return None
    best = max(left, key=lambda side: float(np.mean([cell.validation for cell in left[side]])))
    chosen = median(left[best])
    reasons = ["it is what the advice recommends"] if advised else []
    if worse := [seeds[side][0] for side in worse_than.get(best, []) if side in seeds]:
        reasons.append(f"the verdict finds it better than {_named(run, chosen, worse)}")
    if rivals := [fitting[0] for side, fitting in left.items() if side != best]:
        names = _named(run, chosen, rivals)
        reasons.append(f"the verdict does not put {names} above or below it, and its mean on val is the highest")
    why = "; ".join([by_median(run, chosen, left[best]), *reasons])
    return chosen.model_copy(update={"why": why})


def _named(run: Run, chosen: Choice, others: list[Choice]) -> str:
    """Other cells in words, each with the levels that it does not share with the chosen one."""
    names = []
    for other in others:
        differing = [
            at_level(factor, other.levels[factor.name])
            for factor in run.study.factors
            if other.levels.get(factor.name) not in (None, chosen.levels.get(factor.name))
        ]
        names.append(" ".join([spoken(run.arms[other.arm]), listed(differing)]).strip())
    return listed(list(dict.fromkeys(names)))


def _between_arms(run: Run, claim: Claim) -> bool:
    """Whether a claim compares two arms by the metric of the study's first evaluation."""
    by_metric = (claim.measure, claim.evaluation) == (run.metric.label, run.evaluation)
    return by_metric and {claim.subject, claim.against} <= set(run.arms.values())


def _sides(run: Run, claim: Claim) -> tuple[Side, Side]:
    chains = {label: chain for chain, label in run.arms.items()}
    return _side(chains[claim.subject], claim.levels), _side(chains[claim.against], claim.against_levels)


def _side(arm: str, levels: Mapping[str, str]) -> Side:
    return arm, tuple(sorted(levels.items()))


def _place(side: Side) -> tuple[str, dict[str, str]]:
    arm, levels = side
    return arm, dict(levels)
