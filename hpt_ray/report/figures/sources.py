"""Where the uncertainty of each arm's accuracy comes from: base, pretraining seed, probe repeat, test sample."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.stats.variance import Sources, sources
from hpt_ray.analysis.verdict import Table
from hpt_ray.report.figure import Figure
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.bases import bases


@dataclass(frozen=True)
class Uncertainty:
    """An arm on a target: the standard deviations that the sources give its mean accuracy, as shares.

    ``unknown`` is what is shown of the base where its part is not told from others.
    """

    target: str
    label: str
    parts: Sources
    unknown: str

    @property
    def rest(self) -> float | None:
        """What is left, chance in single answers; one answer an example does not tell it from the test sample."""
        return None if self.parts.seeds * self.parts.repeats == 1 else self.parts.rest

    @property
    def together(self) -> float:
        """The standard deviation of the mean, from all sources that can be told."""
        known = (self.parts.base, self.parts.seed, self.parts.probe, self.parts.test, self.parts.rest)
        return math.hypot(*(part for part in known if part is not None))


def compute(run: Run) -> tuple[Uncertainty, ...]:
    places = [(target, arm) for target in run.study.targets for arm in run.arms]
    return tuple(row for place in places if (row := _uncertainty(run, *place)) is not None)


def _uncertainty(run: Run, target: str, arm: str) -> Uncertainty | None:
    level = run.standard_level(arm)
    answers = run.answers(target, arm, level)
    if not len(answers) or answers.shape[2] < 2 or np.isnan(answers).any(axis=(1, 2)).all():
        return None
    roles, shared = [phase.role for phase in Arm.parse(arm).phases], bases(run.study)
    if shared is None or shared.role != roles[0]:
        return Uncertainty(target, run.arms[arm], sources(answers), "–")
    if shared.number == 1:
        return Uncertainty(target, run.arms[arm], sources(answers), "not seen")
    of_seed = {run.study.seeds[position]: base for base, group in enumerate(shared.groups) for position in group}
    answered = ~np.isnan(run.by_seed(target, arm, level)).all(axis=1)
    numbers = [of_seed[seed] for seed, has in sorted(zip(run.study.seeds, answered, strict=True)) if has]
    if len(roles) == 1:  # the base itself, which seeds that share it repeat: each of its seeds is a base
        parts = sources(answers[np.unique(numbers, return_index=True)[1]])
        return Uncertainty(target, run.arms[arm], dataclasses.replace(parts, base=parts.seed, seed=None), "–")
    return Uncertainty(target, run.arms[arm], sources(answers, numbers), "in seed")


def draw(value: tuple[Uncertainty, ...]) -> Table:
    several_targets = len({row.target for row in value}) > 1
    rows = [
        (
            f"{row.label}, {row.target}" if several_targets else row.label,
            f"{row.parts.seeds} × {row.parts.repeats}",
            row.unknown if row.parts.base is None else _points(row.parts.base),
            *map(_points, (row.parts.seed, row.parts.probe, row.parts.test, row.rest, row.together)),
        )
        for row in value
    ]
    names = ("Arm", "Seeds × repeats", "Base", "Seed", "Probe", "Test sample", "Answers", "Together")
    return Table(names, tuple(rows))


def _points(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"


figure = Figure(
    compute,
    draw,
    "Standard deviation, in points, that each source gives an arm's mean {metric}, at the baseline where levels are "
    "compared; together: the root of the sum of their squares. More bases, seeds, probe repeats and test images "
    "reduce their own by the square root of their number; answers: what is left, chance in single answers, which all "
    "of them reduce. The images that a seed draws are part of the seed. Base: not seen, where there is only one; in "
    "seed, where every seed has its own, so that base and seed are one number; fewer bases than seeds tell them "
    "apart. A dash: so few seeds or repeats do not show it; of one repeat it is then part of the seed.",
)
