"""Real augmented views of a few images under each policy, as a grid of pictures."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from markupsafe import Markup

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.report.figure import Figure

#: What the views table calls the images before augmentation.
ORIGINAL = "original"


@dataclass(frozen=True)
class Row:
    """One policy: for each example its views, as PNG files."""

    name: str
    examples: tuple[tuple[bytes, ...], ...]


def compute(run: Run) -> tuple[Row, ...]:
    table = run.views.sort_values(["example", "view"])
    rows = []
    policies = [name for factor in run.study.factors if factor.field == "policy" for name in factor.levels]
    for policy in (ORIGINAL, *policies):
        mine = table[table["policy"] == policy]
        if len(mine):
            rows.append(Row(policy, tuple(tuple(part["png"]) for _, part in mine.groupby("example"))))
    return tuple(rows)


def draw(value: tuple[Row, ...]) -> Markup:
    rows = []
    for row in value:
        name = level_name(row.name)
        groups = []
        for number, views in enumerate(row.examples, start=1):
            described = f"image {number}, {name}"
            pictures = [
                Markup('<img alt="{}" src="data:image/png;base64,{}">').format(
                    described, base64.b64encode(png).decode()
                )
                for png in views
            ]
            groups.append(Markup('<div class="views-of">{}</div>').format(Markup("").join(pictures)))
        line = Markup('<div class="views-row"><h3>{}</h3><div class="views-groups">{}</div></div>')
        rows.append(line.format(name, Markup("").join(groups)))
    most = max((len(views) for row in value for views in row.examples), default=1)
    return Markup('<div class="views" style="--views: {}">{}</div>').format(most, Markup("").join(rows))


figure = Figure(
    compute,
    draw,
    "Views as the network receives them, drawn with the study's own augmentation code from images of the target's "
    "training data.",
    every_factor=True,
)
