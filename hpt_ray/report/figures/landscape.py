"""A heat map per comparison: one arm minus another at each level of two factors, with intervals and what is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from hpt_ray.analysis.claim import Claim, Outcome
from hpt_ray.analysis.claim_words import headed
from hpt_ray.analysis.findings import Place
from hpt_ray.analysis.maps import landscape
from hpt_ray.analysis.measures.numbers import level_text
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import MINUS, brackets, level_name, points
from hpt_ray.analysis.place_words import LEGEND
from hpt_ray.analysis.quantities import MARKS
from hpt_ray.report.figure import Figure

#: Ends and middle of the colours: the arm is worse, equal, better. The ends are the styles of from scratch and HPT,
#: light enough for dark text, so that a page needs no others in the dark.
WORSE, EQUAL, BETTER = (234, 151, 92), (246, 246, 243), (118, 178, 224)


@dataclass(frozen=True)
class DifferenceMap:
    """One arm minus another on a target: the claim in each cell, with the levels of rows and columns by what a reader
    sees of them."""

    target: str
    title: str
    corner: str
    rows: dict[str, str]
    columns: dict[str, str]
    cells: Mapping[Place, Claim]


def compute(run: Run) -> tuple[DifferenceMap, ...]:
    pairs = [(HPT, SCRATCH), (HPT, DIRECT), *((arm, SCRATCH) for arm in run.arms if arm not in (HPT, SCRATCH))]
    return tuple(
        DifferenceMap(
            target=target,
            title=headed(f"{run.arms[arm]} minus {run.arms[other].lower()}", cell_map.cells.values()),
            corner=level_name(cell_map.rows.name).capitalize(),
            rows={level: level_text(cell_map.rows, level) for level in cell_map.rows.levels},
            columns={level: level_text(cell_map.columns, level) for level in cell_map.columns.levels},
            cells=cell_map.cells,
        )
        for target in run.study.targets
        for arm, other in pairs
        if (cell_map := landscape(run, target, arm, other)) is not None
    )


def draw(value: tuple[DifferenceMap, ...]) -> Markup:
    several_targets = len({panel.target for panel in value}) > 1
    most = _most(value)
    maps = [_map(panel, most, several_targets=several_targets) for panel in value]
    return Markup('<div class="maps">{}{}</div>').format(Markup("").join(maps), _scale(most) if maps else "")


def _map(panel: DifferenceMap, most: float, *, several_targets: bool) -> Markup:
    heads = [Markup('<th scope="col">{}</th>').format(name) for name in (panel.corner, *panel.columns.values())]
    lines = []
    for row, name in panel.rows.items():
        cells = [_cell(panel.cells[Place(row, column)], most) for column in panel.columns]
        lines.append(Markup('<tr><th scope="row">{}</th>{}</tr>').format(name, Markup("").join(cells)))
    title = f"{panel.title}, {panel.target}" if several_targets else panel.title
    return Markup(
        '<div><h3>{}</h3><div class="scroll"><table class="map"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>'
        "</div></div>"
    ).format(title, Markup("").join(heads), Markup("").join(lines))


def _cell(claim: Claim, most: float) -> Markup:
    if claim.difference is None:
        return Markup('<td class="hole" title="{}">no result</td>').format(claim.lacking)
    decided = claim.outcome is not Outcome.UNDECIDED
    tag = Markup("<strong>{}</strong>" if decided else "<span>{}</span>")
    number = tag.format(points(claim.difference.estimate) + MARKS[claim.outcome])
    return Markup('<td style="background: {}" title="{}">{}<small>{}</small></td>').format(
        color(claim.difference.estimate / most), claim.outcome, number, brackets(claim.difference)
    )


def color(share: float) -> str:
    """The colour of a difference that is so large a share of the largest, from -1 to 1."""
    end = BETTER if share > 0 else WORSE
    red, green, blue = (round(middle + abs(share) * (full - middle)) for middle, full in zip(EQUAL, end, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _most(value: tuple[DifferenceMap, ...]) -> float:
    """Where the colours end, alike in all maps: the largest difference, up to a whole point."""
    sizes = [abs(claim.difference.estimate) for panel in value for claim in panel.cells.values() if claim.difference]
    return max(1, math.ceil(100 * max(sizes, default=0))) / 100


def _scale(most: float) -> Markup:
    ends = f"{MINUS}{100 * most:.0f}", "0", f"+{100 * most:.0f} points"
    colors = ", ".join(color(share) for share in (-1, 0, 1))
    names = Markup("").join(Markup("<span>{}</span>").format(end) for end in ends)
    return Markup('<div class="map-scale"><i style="background: linear-gradient(to right, {})"></i>{}</div>').format(
        colors, names
    )


figure = Figure(
    compute,
    draw,
    "Difference of test {metric} at each level of both factors, in points with its 95 % interval, at the same seeds "
    f"and test images. {LEGEND[0].upper()}{LEGEND[1:]}, after Holm's correction over the cells of a map. Blue: the "
    "first arm has the higher {metric}; orange: the other.",
    every_factor=True,
)
