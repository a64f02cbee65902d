"""The screening of an advice as it runs: rungs of units, after each of which the worse half of the candidates goes.

Which candidates go on follows from the values in the store, so a screening that was interrupted comes to the same ones,
and one that is repeated trains nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from hpt_ray.analysis.measures.looks import next_rows
from hpt_ray.analysis.measures.text_format import duration
from hpt_ray.core.errors import StudyError
from hpt_ray.execute.estimate import estimate
from hpt_ray.execute.prepare import Prepared
from hpt_ray.execute.rounds import score
from hpt_ray.execute.trunks import continued
from hpt_ray.planning.plan import Plan, Unit
from hpt_ray.planning.screening import MOST, ROWS, Standing, costs, final, rung, standing, values
from hpt_ray.planning.stage import Stage
from hpt_ray.planning.unfold import make_plan
from hpt_ray.spec.candidates import Candidate
from hpt_ray.spec.growing import growing
from hpt_ray.spec.study import Study
from hpt_ray.store.records import Looks
from hpt_ray.store.screening import Rung, Screening
from hpt_ray.store.store import Store


@dataclass
class Screen:
    """A screening while it runs.

    Attributes:
        prepared: the study of all candidates. budget: seconds of wall time for the whole advice; None: without end.
        workers: processes that share each stage. looked: called with what a rung showed, in a line.
        now: the candidates that are left; None before the first rung has ended.
    """

    prepared: Prepared
    every: tuple[Candidate, ...]
    store: Store
    budget: float | None
    workers: int
    looked: Callable[[str], None]
    rungs: list[Rung] = field(default_factory=list)
    stages: dict[str, Stage] = field(default_factory=dict)
    now: Standing | None = None
    ended_by_budget: bool = False
    row_images: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def study(self) -> Study:
        return self.prepared.plan.study

    def rounds(self) -> Iterator[tuple[Plan, list[Unit]]]:
        """The units left to run, rung by rung, each with its plan.

        Raises:
            StudyError: if the budget does not pay for the first rung and a look at the finalists, or all that pretrains
                on the target failed.
        """
        queued: set[str] = set()
        left = self.every
        for rows in ROWS:
            plan = continued(rung(self.study, self.prepared.datasets, left, rows), self.store)
            images = costs(plan)
            self.row_images = self.row_images or sum(stage.images for stage in plan.stages.values())
            units = plan.units(without=self.store.finished())
            if units:
                if not self._paid(plan, self.now or _dearest(left, images)):
                    return
                queued |= {stage.id for unit in units for stage in unit.stages}
                yield plan, units
            means = values(plan, score(self.store, queued.__contains__))
            self.stages |= plan.stages
            self.rungs.append(Rung(rows=rows, values=means))
            self.now = standing(left, means, images)
            self.looked(self._line(len(left)))
            left = self.now.left
            if self.now.settled:
                return

    def remaining(self) -> float | None:
        """Seconds that are left of the budget."""
        return None if self.budget is None else self.budget - (time.monotonic() - self.began)

    def _paid(self, plan: Plan, now: Standing) -> bool:
        """Whether the budget pays for a rung and the first look at the finalists; if not, the screening has ended."""
        remaining = self.remaining()
        if self.budget is None or remaining is None:
            return True
        look = make_plan(
            growing(final(self.study, self.every, now), next_rows(Looks(most=MOST))), self.prepared.datasets
        )
        cost = sum(
            estimate(Prepared(each, self.prepared.datasets), self.store, self.workers).seconds for each in (plan, look)
        )
        if cost <= remaining:
            return True
        if not self.rungs:
            raise StudyError(
                f"a budget of {duration(self.budget)} does not pay for one seed of {len(self.every)} candidates and a "
                f"look at the best two, which are estimated to take {duration(cost)}: raise --budget, or try fewer "
                "bases, arms, policies or budgets (--set)."
            )
        self.ended_by_budget = True
        return False

    def _line(self, tried: int) -> str:
        assert self.now is not None
        means, best = self.rungs[-1].values, self.now.left[0].arm
        seeds = f"{self.rungs[-1].rows} seed{'s' if self.rungs[-1].rows > 1 else ''}"
        return (
            f"screened {tried} candidates on {seeds}: {best} is the best on val with {100 * (means[best] or 0):.1f} %, "
            f"{len(self.now.training)} that pretrain on the target are left."
        )

    def record(self, command: str, seconds: float) -> Screening:
        """What the manifest of the run has of it."""
        assert self.now is not None
        records = {stage: record for stage in self.stages if (record := self.store.record(stage))}
        return Screening(
            candidates=self.every,
            rungs=tuple(self.rungs),
            finalists=tuple(candidate.arm for candidate in self.now.finalists),
            base=self.now.base,
            ended="budget" if self.ended_by_budget else "settled",
            command=command,
            budget=self.budget,
            seconds=seconds,
            compute_seconds=sum(record.work_seconds for record in records.values()),
            images=sum(self.stages[stage].images for stage in records),
            row_images=self.row_images,
        )


def _dearest(every: tuple[Candidate, ...], images: Mapping[str, int]) -> Standing:
    """The most expensive candidates as the best ones: as much as a look may cost before anything is known."""
    by_cost = tuple(sorted(every, key=lambda candidate: -images[candidate.arm]))
    return Standing(by_cost, next(candidate.arm for candidate in by_cost if not candidate.trains))
