"""A run that grows until its claims are decided: rounds of units with a look at the claims after each.

What a look finds follows from the stages in the store and from the looks before it, and is recorded in the manifest at
once. So a run that was killed goes on from its last look, and ends as one that was not.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hpt_ray.analysis.measures.looks import next_rows
from hpt_ray.analysis.measures.text_format import duration
from hpt_ray.core.errors import StoreError, StudyError
from hpt_ray.execute.collect import collect
from hpt_ray.execute.estimate import estimate
from hpt_ray.execute.finalize import run_of
from hpt_ray.execute.prepare import Prepared
from hpt_ray.execute.trunks import continued
from hpt_ray.planning.plan import Plan, Unit
from hpt_ray.planning.sequence import grown
from hpt_ray.report import dashboard
from hpt_ray.store.records import Look, Looks, Manifest
from hpt_ray.store.schema import VIEWS
from hpt_ray.store.store import Store


@dataclass
class Growing:
    """A run while it grows: its plan, and the looks that were made.

    Attributes:
        prepared: with the plan of as many seeds as there may be.
        budget: seconds of wall time, of which a look must not cost more than are left; None: without end.
        workers: processes that share each stage.
        looked: called with what a look decided, in a line.
    """

    prepared: Prepared
    store: Store
    budget: float | None
    workers: int
    looked: Callable[[str], None]
    looks: Looks = field(init=False)
    plan: Plan = field(init=False)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        every = self.prepared.plan
        self.looks = Looks(most=len(every.study.seeds), fixed_cells=len(every.cells))
        self.plan = self._planned()
        # A run that was interrupted before has looks of its own; were they damaged, the same stages give them again.
        if self.plan.run in self.store.runs():
            with contextlib.suppress(StoreError):
                self.looks = self.store.manifest(self.plan.run).looks or self.looks
        if self.looks.ended == "budget":
            self.looks = self.looks.model_copy(update={"ended": ""})
        # What failed is tried again, and decided nothing: so the last look is made again with what it lacked.
        looks_made = self.looks.made
        if looks_made and any(claim.waits for claim in looks_made[-1].claims):
            self.looks = self.looks.model_copy(update={"made": looks_made[:-1], "again": looks_made[-1], "ended": ""})
        self.plan = self._planned()

    def _planned(self) -> Plan:
        """The plan with the rows of the next look; of a run that has ended, of the last one."""
        looks = self.looks
        before, rows = (looks.made[:-1], looks.made[-1].rows) if looks.ended else (looks.made, next_rows(looks))
        return continued(grown(self.prepared.plan.study, self.prepared.datasets, before, rows), self.store)

    def begin(
        self, manifest: Manifest, write: Callable[[Plan, Manifest], None]
    ) -> tuple[Plan, list[Unit], Iterator[tuple[Plan, list[Unit]]]]:
        """The plan and the units of the first round that there is something to run in, and all rounds from it on.

        Looks for which the store has all that they need come before it. See ``rounds``.
        """
        rounds = self.rounds(manifest, write)
        first = next(rounds, None)
        return (self.plan, [], rounds) if first is None else (*first, itertools.chain([first], rounds))

    def final(self) -> Plan:
        """The plan for the report, at the end."""
        return self.plan

    def rounds(self, manifest: Manifest, write: Callable[[Plan, Manifest], None]) -> Iterator[tuple[Plan, list[Unit]]]:
        """The units left to run, look by look, each with the plan at that time.

        Args:
            write: records a look, with the plan at that time.

        Raises:
            StudyError: if the budget does not pay for the first look.
        """
        queued: set[str] = set()
        while True:
            left = self.plan.units(without=self.store.finished())
            units = [unit for unit in left if not queued.issuperset(stage.id for stage in unit.stages)]
            if units:
                if not self._paid():
                    return
                queued |= {stage.id for unit in units for stage in unit.stages}
                yield self.plan, units
            if self.looks.ended or not self._look(manifest, write):
                return
            self.plan = self._planned()

    def _paid(self) -> bool:
        """Whether the budget pays for what the plan still needs; if not, the run ends as the last look left it."""
        if self.budget is None:
            return True
        cost = estimate(Prepared(self.plan, self.prepared.datasets), self.store, self.workers).seconds
        left = self.budget - (time.monotonic() - self.began)
        if cost <= left:
            return True
        if not self.looks.made:
            raise StudyError(
                f"a budget of {duration(self.budget)} does not pay for the first look, after "
                f"{len(self.plan.study.seeds)} seeds, which is estimated to take {duration(cost)}: raise --budget, or "
                "make the study smaller."
            )
        self.looks = self.looks.model_copy(update={"ended": "budget"})
        self.plan = self._planned()
        return False

    def _look(self, manifest: Manifest, write: Callable[[Plan, Manifest], None]) -> bool:
        """Judge the claims at the rows that the plan has, and record that; whether there is more to run."""
        from hpt_ray.report.render import verdicts

        rows, looks_made = len(self.plan.study.seeds), self.looks.made
        begun = self.looks.model_copy(update={"made": (*looks_made, Look(rows=rows))})
        tables = {**collect(self.plan, self.store), "views": VIEWS.empty_table()}
        run = run_of(tables, manifest.model_copy(update={"study": self.plan.study, "looks": begun}))
        judged = [
            claim.record for verdict in verdicts(run, dashboard.find(self.plan.study)) for claim in verdict.claims
        ]
        claims = {claim.name: claim for claim in judged if claim is not None}
        if not claims and not looks_made:  # every comparison has failed, which is no look
            return False
        still_open = [claim for claim in claims.values() if not claim.closed]
        ended = "closed" if not still_open else "rows" if rows >= self.looks.most else ""
        looks = (*looks_made, Look(rows=rows, claims=tuple(claims.values())))
        numbers = {"cells": len(self.plan.cells), "ended": ended, "again": None}
        self.looks = self.looks.model_copy(update={"made": looks} | numbers)
        write(self.plan, manifest.model_copy(update={"study": self.plan.study, "looks": self.looks}))
        decided = sum(claim.decided for claim in claims.values())
        self.looked(
            f"look after {rows} seeds: {decided} of {len(claims)} open claims decided, "
            f"{sum(bool(claim.futile) for claim in claims.values())} futile, {len(still_open)} left open."
        )
        return not ended
