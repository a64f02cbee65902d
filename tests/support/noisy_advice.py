"""Whole advices on candidates of a known truth: screened, looked at and advised by the product's own rules.

Only what trains is simulated. The true score of a candidate is that of its base and of what it does; a row adds the
luck of its base, which all that start from it share, and of the pretraining itself. What is seen on val and on test
adds to both the luck of the images, which stays the same over rows, and the chance of single answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from hpt_ray.analysis.advice import Advice, advice
from hpt_ray.analysis.measures.looks import next_rows
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.verdict import Table, Verdict
from hpt_ray.analysis.verdicts.advice import compared
from hpt_ray.core.metric import Metric, find
from hpt_ray.planning.screening import MOST, ROWS, Standing, final, standing
from hpt_ray.spec.candidates import Candidate, candidates
from hpt_ray.spec.growing import growing
from hpt_ray.spec.parameters import make, resolved
from hpt_ray.spec.study import Study
from hpt_ray.store.records import Look, Looks
from hpt_ray.store.screening import Rung, Screening
from tests.support import records

POINT, IMAGES, TARGET = 0.01, 60, "aerial"
STUDY = make("advice", {"base": "synthetic:objects,n=80,synthetic:texture,n=80", "target": (TARGET,)})
_VALUES = resolved(STUDY)
EVERY = candidates(_VALUES["base"], _VALUES["arms"], ["moco_v2"], _VALUES["policies"], _VALUES["budgets"])
#: Iterations of the base and of a target at the quick scale: what a row of a candidate costs.
BASE_COST = 600


@dataclass(frozen=True)
class World:
    """Standard deviations, in points.

    Attributes:
        base_luck, luck: of a row, in a base and in a pretraining on the target.
        val, test: of the images, in the mean of a candidate. answers: of single answers, in the mean of one row.
        gain: of what pretraining further gains, about ``mean_gain``; ``detail``: of each policy, arm and budget.
    """

    base_luck: float = 2.0
    luck: float = 0.7
    val: float = 1.0
    test: float = 0.7
    answers: float = 1.0
    mean_gain: float = 2.0
    gain: float = 3.0
    detail: float = 1.0


@dataclass(frozen=True, eq=False)
class Drawn(Run):
    """A run whose answers are drawn, by arm: on test [rows, IMAGES], and the mean on val [rows]."""

    test: dict[str, np.ndarray] = field(default_factory=dict)
    val: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def metric(self) -> Metric:  # type: ignore[override]
        return find("accuracy")

    def scores(self, target: str, arm: str, *_: object, **__: object) -> np.ndarray:
        return self.test[arm][: len(self.study.seeds)]

    by_seed = scores

    def rows(self, *, split: str = "test", **_: object) -> pd.DataFrame:
        numbered = [(arm, seed, value) for arm in self.arms for seed, value in enumerate(self.val[arm])]
        table = pd.DataFrame(numbered, columns=["arm", "seed", "value"])
        table = table[table["seed"] < len(self.study.seeds)]
        return table.assign(target=TARGET, evaluation=self.evaluation, weights=None, images=0, seconds=0.0)


@dataclass(frozen=True)
class Played:
    """An advice that was played: what was advised, the true scores in points by arm, and what it cost.

    ``cost`` is its iterations as a share of those of all candidates on ``MOST`` rows; ``rows`` those that decided.
    ``exhaustive`` is the arm that is best on val when all candidates have as many rows.
    """

    advice: Advice
    truth: dict[str, float]
    rows: int
    cost: float
    exhaustive: str

    @property
    def regret(self) -> float:
        """What the choice of the exhaustive study is better than the recommended candidate, in points."""
        return self.truth[self.exhaustive] - self.truth[self.advice.candidate.arm]

    @property
    def regret_of_subject(self) -> float:
        """The same of the best candidate, whether or not it was shown to be better than a base as it is."""
        return self.truth[self.exhaustive] - self.truth[self.advice.subject.arm]

    @property
    def covered(self) -> bool:
        """Whether the interval of the gain has the true gain."""
        gain, truth = self.advice.gain, self.truth[self.advice.subject.arm] - self.truth[self.advice.base.arm]
        return gain is not None and gain.low <= POINT * truth <= gain.high


def play(world: World, generator: np.random.Generator) -> Played:
    """One advice from its first rung to its sentences."""
    truth, rows = _truth(world, generator), ROWS[-1] + MOST
    lucky = {role: world.base_luck * generator.standard_normal(rows) for role in {each.base_role for each in EVERY}}
    lucky[""] = np.zeros(rows)
    score, val, test = {}, {}, {}
    for each in EVERY:
        own = world.luck * generator.standard_normal(rows) if each.trains else 0.0
        score[each.arm] = truth[each.arm] + lucky[each.base_role] + own
        seen = score[each.arm] + world.val * generator.standard_normal()
        val[each.arm] = POINT * (seen + world.answers * generator.standard_normal(rows))
    left, rungs, cost = EVERY, [], 0
    for before, after in zip((0, *ROWS), ROWS, strict=False):
        cost += (after - before) * _cost(left)
        means: dict[str, float | None] = {each.arm: float(val[each.arm][:after].mean()) for each in left}
        rungs.append(Rung(rows=after, values=means))
        now = standing(left, means, {each.arm: each.iterations for each in left})
        left = now.left
        if now.settled:
            break
    exhaustive = max(val, key=lambda arm: float(val[arm][-MOST:].mean()))
    decided = growing(final(STUDY, EVERY, now), MOST)
    for arm in decided.arms:
        images = np.sqrt(IMAGES) * world.test * generator.standard_normal(IMAGES)
        chance = np.sqrt(IMAGES) * world.answers * generator.standard_normal((MOST, IMAGES))
        test[arm.chain] = POINT * (score[arm.chain][ROWS[-1] :, None] + images + chance)
        val[arm.chain] = val[arm.chain][ROWS[-1] :]
    run, advised = decide(decided, screening_of(rungs, now), test, val)
    cost += len(run.study.seeds) * _cost([each for each in EVERY if each.arm in run.arms])
    return Played(advised, truth, len(run.study.seeds), cost / (MOST * _cost(EVERY)), exhaustive)


def _truth(world: World, generator: np.random.Generator) -> dict[str, float]:
    effects: dict[Any, float] = {}

    def effect(deviation: float, *of: object) -> float:
        return effects.setdefault(of, deviation * float(generator.standard_normal()))

    truth = {}
    for each in EVERY:
        base = 60 + effect(3.0, "base", each.base) if each.base else 58 + effect(3.0, "scratch")
        details = [(each.chain,), (each.policy,), (each.iterations,), (each.base, each.chain), (each.base, each.policy)]
        further = world.mean_gain + effect(world.gain, "further", each.base) if each.trains and each.base else 0.0
        truth[each.arm] = base + further + sum(effect(world.detail, *of) for of in details if each.trains)
    return truth


def _cost(left: tuple[Candidate, ...] | list[Candidate]) -> int:
    """Iterations of one row: of every base once, and of what goes on from it."""
    bases = {each.base_role for each in left if each.base_role}
    trained = {(each.base_role, each.chain.replace("~0.5~", ">"), each.target_role): each.iterations for each in left}
    return BASE_COST * len(bases) + sum(trained.values())


def screening_of(rungs: list[Rung], now: Standing, values: dict[str, float] | None = None) -> Screening:
    """The record of a screening; without rungs, of one row that has these values."""
    return Screening(
        candidates=EVERY,
        rungs=tuple(rungs) or (Rung(rows=1, values=dict(values or {})),),
        finalists=tuple(each.arm for each in now.finalists),
        base=now.base,
        ended="settled",
        command="",
        seconds=0.0,
        compute_seconds=0.0,
        images=0,
        row_images=0,
    )


def decide(
    study: Study, screening: Screening, test: dict[str, np.ndarray], val: dict[str, np.ndarray]
) -> tuple[Drawn, Advice]:
    """The looks at the finalists until their claims are closed, and the advice."""
    looks = Looks(most=MOST)
    while True:
        rows = next_rows(looks)
        seen = study.model_copy(update={"seeds": study.seeds[:rows]})
        begun = looks.model_copy(update={"made": (*looks.made, Look(rows=rows))})
        manifest = records.manifest(seen).model_copy(update={"looks": begun, "screening": screening})
        run = Drawn(*[pd.DataFrame()] * 4, manifest, test=test, val=val)
        claims = tuple(compared(run, TARGET).values())
        recorded = tuple(claim.record for claim in claims if claim.record is not None)
        looks = looks.model_copy(update={"made": (*looks.made, Look(rows=rows, claims=recorded))})
        if rows == MOST or all(claim.closed for claim in recorded):
            break
    advised = advice(run, Verdict(TARGET, (), "", claims, (), Table((), ()), ()))
    assert advised is not None
    return run, advised
