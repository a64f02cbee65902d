"""Where the uncertainty of each arm's accuracy comes from: pretraining seed, probe repeat, test sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.stats.variance import Sources, sources
from hpt_ray.report.figure import Figure


@dataclass(frozen=True)
class Uncertainty:
    """An arm on a target: the standard deviations that the sources give its mean accuracy, as shares."""

    target: str
    label: str
    parts: Sources

    @property
    def rest(self) -> float | None:
        """What is left, chance in single answers; one answer an example does not tell it from the test sample."""
        return None if self.parts.seeds * self.parts.repeats == 1 else self.parts.rest

    @property
    def together(self) -> float:
        """The standard deviation of the mean, from all sources that can be told."""
        known = (self.parts.seed, self.parts.probe, self.parts.test, self.parts.rest)
        return math.hypot(*(part for part in known if part is not None))


def compute(run: Run) -> tuple[Uncertainty, ...]:
    found = []
    for target in run.study.targets:
        for arm, label in run.arms.items():
            answers = run.answers(target, arm, run.standard_level(arm))
            complete = answers[~np.isnan(answers).any(axis=(1, 2))]
            if len(complete) and complete.shape[2] > 1:
                found.append(Uncertainty(target, label, sources(complete)))
    return tuple(found)


def draw(value: tuple[Uncertainty, ...]) -> Markup:
    several = len({row.target for row in value}) > 1
    line = Markup('<tr><th scope="row">{}</th>') + Markup("<td>{}</td>") * 6 + Markup("</tr>")
    lines = [
        line.format(
            f"{row.label}, {row.target}" if several else row.label,
            f"{row.parts.seeds} × {row.parts.repeats}",
            *map(_points, (row.parts.seed, row.parts.probe, row.parts.test, row.rest, row.together)),
        )
        for row in value
    ]
    names = ("Arm", "Seeds × repeats", "Seed", "Probe", "Test sample", "Answers", "Together")
    heads = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in names)
    return Markup(
        '<div class="scroll{}"><table class="numbers"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(" tall" if several else "", heads, Markup("").join(lines))


def _points(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"


figure = Figure(
    compute,
    draw,
    "Standard deviation, in points, that each source gives an arm's mean {metric} at the baseline; together: the root "
    "of the sum of their squares. More seeds, probe repeats and test images reduce their own by the square root of "
    "their number; answers: what is left, chance in single answers, which all three reduce. The images that a seed "
    "draws are part of the seed. A dash: so few seeds or repeats do not show it; of one repeat it is then part of the "
    "seed.",
)
