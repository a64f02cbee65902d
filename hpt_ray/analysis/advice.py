"""What to do with the images of a target: the candidate that an advice recommends, and what it is worth.

Candidates were screened on val. Of the finalists the one that is best on val is recommended, if it was shown on test,
on rows that chose nothing, to be better than the best base as it is; else that base is. The gain is the one that was
measured on these rows alone, so that it is not the luck of the choice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hpt_ray.analysis.claim import Claim, Outcome, compare
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.so_far import so_far
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.analysis.stats.repeated import noise_of
from hpt_ray.analysis.stats.sequential import level
from hpt_ray.analysis.verdict import Verdict
from hpt_ray.spec.candidates import Candidate

if TYPE_CHECKING:
    from hpt_ray.store.screening import Screening

#: How often the interval of the gain may miss it, over all looks together.
RATE = 0.10


@dataclass(frozen=True)
class Cost:
    """What pretraining takes: images, and seconds where it was run; the base's are 0 where that is given."""

    images: int = 0
    seconds: float = 0.0
    base_images: int = 0
    base_seconds: float = 0.0


@dataclass(frozen=True)
class Advice:
    """A recommendation.

    Attributes:
        candidate: what is recommended. base: the best base as it is.
        subject: the best candidate that pretrains on the target: the recommended one, if it was ``shown`` to be better.
        gain: of the subject against the base, with its 90 % interval over all looks; None without a result.
        outcome: of that claim. cost: of what is recommended.
    """

    candidate: Candidate
    base: Candidate
    subject: Candidate
    gain: Interval | None
    outcome: Outcome
    cost: Cost

    @property
    def shown(self) -> bool:
        return self.outcome is Outcome.BETTER


def advice(run: Run, verdict: Verdict) -> Advice | None:
    """The advice of a run whose arms were found by screening candidates; None of any other run, or before its end."""
    screening = run.manifest.screening
    if screening is None or so_far(run):
        return None
    by_arm = {candidate.arm: candidate for candidate in screening.candidates}
    claims = {arm: _claim(run, verdict, arm, screening.base) for arm in screening.finalists}
    shown = [arm for arm, claim in claims.items() if claim.outcome is Outcome.BETTER]
    subject = _best(run, verdict.target, screening, shown or list(claims))
    outcome = claims[subject].outcome
    chosen = subject if outcome is Outcome.BETTER else screening.base
    return Advice(
        candidate=by_arm[chosen],
        base=by_arm[screening.base],
        subject=by_arm[subject],
        gain=gain(run, claims[subject], verdict.target, subject, screening.base),
        outcome=outcome,
        cost=_cost(run, by_arm[chosen]),
    )


def gain(run: Run, claim: Claim, target: str, arm: str, base: str) -> Interval | None:
    """The difference of two arms with the interval that holds at ``RATE`` over all looks, at the last that has both."""
    looks, rows = run.manifest.looks, claim.path[-1].rows if claim.path else len(run.study.seeds)
    study = run.study.model_copy(update={"seeds": run.study.seeds[:rows]})
    seen = replace(run, manifest=run.manifest.model_copy(update={"study": study}))
    compared = compare(seen, target, arm, base, "")
    difference, failed = compared.difference, compared.failed
    if difference is None or looks is None:
        return None
    made = [*(look.rows for look in looks.before(rows)), rows]
    held = difference.at(level(made, noise_of(difference), RATE, looks.most))
    # Seeds that all have the same answers are fresh ones, too; and the p-value would be that of one look.
    return replace(held, seeds=rows - (failed.number if failed else 0), p=math.nan)


def _claim(run: Run, verdict: Verdict, arm: str, base: str) -> Claim:
    sides = (run.arms[arm], run.arms[base])
    return next(claim for claim in verdict.claims if (claim.subject, claim.against) == sides)


def _best(run: Run, target: str, screening: Screening, arms: list[str]) -> str:
    """Of some finalists the best on val, over the rows of the last rung and those that all of them have here.

    Of equal ones the first of the screening.
    """
    rows = run.rows(split="val")
    rows = rows[(rows["target"] == target) & (rows["evaluation"] == run.evaluation) & rows["value"].notna()]
    by_seed = rows[rows["arm"].isin(arms)].pivot_table(index="seed", columns="arm", values="value")
    here, last = by_seed.reindex(columns=arms).dropna(), screening.rungs[-1]
    totals = {arm: last.rows * (last.values[arm] or 0.0) + float(here[arm].sum()) for arm in arms}
    return max((arm for arm in screening.finalists if arm in arms), key=totals.__getitem__)


def _cost(run: Run, candidate: Candidate) -> Cost:
    own = _mean(run, candidate.arm) if candidate.trains else (0, 0.0)
    base = _mean(run, candidate.base_role) if candidate.base_role else (0, 0.0)
    return Cost(*own, *base)


def _mean(run: Run, arm: str) -> tuple[int, float]:
    """Images and seconds of the last pretraining phase of an arm, as means over its seeds; 0 of given weights."""
    rows = run.rows()
    cells = rows[rows["arm"] == arm].drop_duplicates("weights")
    images, seconds = (cells[name].astype("float64").fillna(0.0) for name in ("images", "seconds"))
    return (round(float(np.mean(images))), float(np.mean(seconds))) if len(cells) else (0, 0.0)
