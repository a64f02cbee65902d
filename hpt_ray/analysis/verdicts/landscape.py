"""Where does HPT pay, and where not, on a map of two factors?

A map holds one arm against another in every cell, which is a level of both factors, at the same seeds and test images;
Holm's correction is for the cells of a map. Whether the difference depends on a factor is a question of its own: the
difference at the factor's first level minus that at its last, a mean over the levels of the other factor, corrected
for the two factors.

Measured on simulated studies in which no arm differs from another (three policies by three budgets, three seeds, 400
test images; 200 studies): a map claims one or more false "better" or "worse" in 6 %, and the dependence on a factor is
falsely claimed in 2 %.
"""

from __future__ import annotations

from collections import Counter

from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.claim_words import headed
from hpt_ray.analysis.findings import Map, Place
from hpt_ray.analysis.maps import landscape
from hpt_ray.analysis.measures.numbers import level_text
from hpt_ray.analysis.measures.run import HPT, Run
from hpt_ray.analysis.measures.text_format import margin_text
from hpt_ray.analysis.place_words import LEGEND, cell_text
from hpt_ray.analysis.quantities import Change, Count, change
from hpt_ray.analysis.verdict import Caveat, Table, Tile, Verdict

EVERY_FACTOR = True


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target: in how many cells, and where, HPT is better than from scratch and direct transfer."""
    maps = tuple(cell_map for other in run.alternatives if (cell_map := landscape(run, target, HPT, other)))
    claims = tuple(claim for cell_map in maps for claim in (*cell_map.cells.values(), *cell_map.along.values()))
    return Verdict(
        target=target,
        findings=maps,
        nothing="the study lacks HPT, what it is held against, or two factors",
        claims=claims,
        tiles=tuple(tile for cell_map in maps for tile in _tiles(cell_map, extremes=cell_map is maps[0])),
        table=_table(maps),
        caveats=(
            *caveats(run, target, claims),
            *(
                [Caveat("how to read it", f"In the table: {LEGEND}. The margin is {margin_text(run.margin)}.")]
                if maps
                else []
            ),
        ),
    )


def _tiles(cell_map: Map, *, extremes: bool) -> list[Tile]:
    """In how many cells the arm is better, and the ``extremes``: the largest and the smallest difference."""
    against = next(iter(cell_map.cells.values())).against.lower()
    differences = {place: claim.difference for place, claim in cell_map.cells.items() if claim.difference is not None}
    counts = Counter(cell_map.cells[place].outcome for place in differences)
    beside = f"worse in {counts[Outcome.WORSE]}, equivalent in {counts[Outcome.EQUIVALENT]}"
    beside = headed(beside, cell_map.cells.values())
    number = Count(counts[Outcome.BETTER], len(cell_map.cells), "cells")
    tiles = [Tile(f"HPT better than {against}", number, beside)]
    ranked = sorted(differences, key=lambda place: -differences[place].estimate) if extremes else []
    for what, place in zip(("most", "least"), dict.fromkeys([*ranked[:1], *ranked[-1:]]), strict=False):
        remark = f"points: {cell_text(cell_map, place)}"
        tiles.append(Tile(f"HPT vs {against}, {what}", Change(differences[place]), remark))
    return tiles


def _table(maps: tuple[Map, ...]) -> Table:
    """Per arm that HPT is held against and level of the rows, HPT's difference at each level of the columns."""
    if not maps:
        return Table(("HPT minus",), ())
    columns = maps[0].columns
    rows = []
    for cell_map in maps:
        for row in cell_map.rows.levels:
            claims = [cell_map.cells[Place(row, column)] for column in columns.levels]
            name = headed(f"{claims[0].against}, {level_text(cell_map.rows, row)}", claims)
            rows.append((name, *(change(claim.difference, claim.outcome) for claim in claims)))
    return Table(("HPT minus", *(level_text(columns, level) for level in columns.levels)), tuple(rows))
