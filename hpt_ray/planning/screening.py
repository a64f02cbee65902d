"""Which candidates of an advice go on: successive halving over paired rows, and the study that decides about the best.

A rung is a plan of the candidates that are left on so many rows, each a seed that all of them share. The better half of
those that train goes on to more rows (successive halving; Jamieson and Talwalkar 2016, arXiv 1502.07943); what earlier
rungs trained is in the store. Everything is ranked on val. The best are then decided about on rows that no rung had, so
that nothing they are judged by has chosen them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpt_ray.core.errors import StudyError
from hpt_ray.data.dataset import Dataset
from hpt_ray.planning.plan import Plan
from hpt_ray.planning.search import Value
from hpt_ray.planning.unfold import make_plan
from hpt_ray.spec.candidates import Candidate
from hpt_ray.spec.study import Study

#: Rows at each rung.
ROWS = (1, 2, 3)

#: Of so many candidates one goes on, but no fewer than the finalists.
ETA, FINALISTS = 2, 2

#: Rows on which the finalists are decided about, at most.
MOST = 12


@dataclass(frozen=True)
class Standing:
    """The candidates that are left, from the best on, and the best of the bases as they are (its arm)."""

    left: tuple[Candidate, ...]
    base: str

    @property
    def training(self) -> tuple[Candidate, ...]:
        """Those that pretrain on the target, from the best on."""
        return tuple(candidate for candidate in self.left if candidate.trains)

    @property
    def finalists(self) -> tuple[Candidate, ...]:
        return self.training[:FINALISTS]

    @property
    def settled(self) -> bool:
        """Whether a further rung has nothing to drop."""
        return len(self.training) <= FINALISTS


def rung(study: Study, datasets: Mapping[str, Dataset], left: Sequence[Candidate], rows: int) -> Plan:
    """The plan of the candidates that are left on the first rows. Raises as ``make_plan``."""
    return make_plan(_part(study, left, tuple(range(rows))), datasets)


def values(plan: Plan, value: Value) -> dict[str, float | None]:
    """The mean value over the rows of a rung, by arm: None where one of them failed.

    Args:
        value: of a cell, on val; NaN of one that failed.
    """
    by_arm: dict[str, list[float]] = {}
    for cell in plan.cells:
        number = value(cell)
        by_arm.setdefault(cell.arm, []).append(math.nan if number is None else number)
    means = {arm: float(np.mean(numbers)) for arm, numbers in by_arm.items()}
    return {arm: None if math.isnan(mean) else mean for arm, mean in means.items()}


def costs(plan: Plan) -> dict[str, int]:
    """How many images an arm trains on in one row, by arm."""
    return {cell.arm: sum(plan.stages[stage].images for stage in plan.behind(cell.phases)) for cell in plan.cells}


def standing(left: Sequence[Candidate], means: Mapping[str, float | None], images: Mapping[str, int]) -> Standing:
    """The candidates in their order after a rung, without the worse half of those that train.

    Of equal ones the cheaper comes first. The bases as they are go on with what goes on from them, and the best of them
    in any case.

    Args:
        means: on val, by arm; None of one that failed, which goes no further. images: the cost by arm.

    Raises:
        StudyError: if every base as it is failed, or everything that trains.
    """
    succeeded = [candidate for candidate in left if means[candidate.arm] is not None]
    ranked = sorted(succeeded, key=lambda candidate: (-float(means[candidate.arm] or 0.0), images[candidate.arm]))
    training = [candidate for candidate in ranked if candidate.trains]
    as_they_are = [candidate for candidate in ranked if not candidate.trains]
    if not training or not as_they_are:
        what = "everything that pretrains on the target" if as_they_are else "every base as it is"
        raise StudyError(f"no advice: {what} has failed; the reasons are above, and the same command tries it again.")
    kept = training[: max(FINALISTS, math.ceil(len(training) / ETA))]
    roles, best = {candidate.base_role for candidate in kept}, as_they_are[0].arm
    going_on = [candidate for candidate in as_they_are if candidate.base_role in roles or candidate.arm == best]
    return Standing(tuple(candidate for candidate in ranked if candidate in kept or candidate in going_on), best)


def final(study: Study, every: Sequence[Candidate], now: Standing) -> Study:
    """The study that decides: the best candidates, the bases that they start from, the best base and from scratch.

    Its first seed follows those of the rungs; a run until it is decided adds the others.
    """
    roles = {candidate.base_role for candidate in now.finalists}
    baselines = [
        candidate
        for candidate in every
        if candidate.chain == "target"
        or (not candidate.trains and (candidate.base_role in roles or candidate.arm == now.base))
    ]
    chosen = [candidate for candidate in every if candidate in now.finalists or candidate in baselines]
    return _part(study, chosen, (ROWS[-1],))


def _part(study: Study, left: Sequence[Candidate], seeds: tuple[int, ...]) -> Study:
    arms = {candidate.arm for candidate in left}
    return study.model_copy(update={"arms": tuple(arm for arm in study.arms if arm.chain in arms), "seeds": seeds})
