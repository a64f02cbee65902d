"""What the pretraining of each arm cost: seconds, images and images per second, the base's own cost apart."""

from __future__ import annotations

from dataclasses import dataclass

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import duration
from hpt_ray.analysis.verdict import Table
from hpt_ray.report.figure import Figure


@dataclass(frozen=True)
class Cost:
    """An arm's last pretraining phases on a target: how many runs, and their seconds and images in total."""

    target: str
    arm: str
    label: str
    runs: int
    seconds: float
    images: int

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds if self.seconds else 0.0


def compute(run: Run) -> tuple[Cost, ...]:
    rows = run.rows().dropna(subset=["seconds", "weights"]).drop_duplicates(["target", "weights"])
    costs = []
    for target in run.study.targets:
        for arm, label in run.arms.items():
            mine = rows[(rows["target"] == target) & (rows["arm"] == arm)]
            if len(mine):
                seconds, images = float(mine["seconds"].sum()), int(mine["images"].sum())
                costs.append(Cost(target, arm, label, len(mine), seconds, images))
    return tuple(costs)


def draw(value: tuple[Cost, ...]) -> Table:
    several_targets = len({cost.target for cost in value}) > 1
    rows = [
        (
            f"{cost.label}, {cost.target}" if several_targets else cost.label,
            str(cost.runs),
            duration(cost.seconds),
            duration(cost.seconds / cost.runs),
            f"{cost.images:,}",
            f"{cost.rate:,.0f}",
        )
        for cost in value
    ]
    return Table(("Arm", "Phases", "Time", "Time each", "Images", "Images/s"), tuple(rows))


figure = Figure(
    compute,
    draw,
    "Last pretraining phase of each arm, added over all levels and seeds. The chains of a seed that begin with the "
    "base share its pretraining, whose cost stands in the line of direct transfer and in no other.",
    every_factor=True,
)
