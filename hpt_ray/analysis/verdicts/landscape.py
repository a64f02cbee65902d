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

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from hpt_ray.analysis.caveats import remarks
from hpt_ray.analysis.measures import views
from hpt_ray.analysis.measures.numbers import at_level, level_text
from hpt_ray.analysis.measures.robustness import CHANGES_APART, mean
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import brackets, change_interval, level_name, listed, points
from hpt_ray.analysis.stats.comparisons import MARGIN
from hpt_ray.analysis.verdict import Claim, Outcome, Table, Tile, Verdict, compare, margin_text, settle, spoken
from hpt_ray.spec.study import Factor

EVERY_FACTOR = True

#: Behind a difference, what it was judged to be; nothing where there is not enough evidence.
MARKS = {Outcome.BETTER: " ▲", Outcome.WORSE: " ▼", Outcome.EQUIVALENT: " ≈", Outcome.UNDECIDED: ""}
LEGEND = f"▲ better, ▼ worse, ≈ equivalent within {margin_text(MARGIN)}, no mark: not enough evidence"


class Place(NamedTuple):
    """A cell of a map: the level of the factor of the rows, and of that of the columns."""

    row: str
    column: str


@dataclass(frozen=True)
class Map:
    """One arm minus another in every cell, judged together, and how that depends on each factor, by its name."""

    rows: Factor
    columns: Factor
    arm: str
    other: str
    cells: dict[Place, Claim]
    along: dict[str, Claim]


def landscape(run: Run, target: str, arm: str, other: str) -> Map | None:
    """The map of ``arm`` minus ``other``; None where the study lacks one of them, or does not vary two factors."""
    if len(run.study.factors) != 2 or not {arm, other} <= set(run.arms):
        return None
    rows, columns = run.study.factors
    cells = {
        Place(row, column): _compare(run, view, target, (arm, other), Place(row, column))
        for row, view in _by_row(run).items()
        for column in columns.levels
    }
    along = {factor.name: _along(run, target, (arm, other), factor) for factor in (rows, columns)}
    return Map(
        rows=rows,
        columns=columns,
        arm=arm,
        other=other,
        cells=dict(zip(cells, settle([*cells.values()]), strict=True)),
        along=dict(zip(along, settle([*along.values()]), strict=True)),
    )


def cell_text(found: Map, place: Place) -> str:
    """A cell in a sentence: "crop only at 270 iterations"."""
    return f"{level_text(found.rows, place.row)} {at_level(found.columns, place.column)}"


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target: in how many cells, and where, HPT is better than from scratch and direct transfer."""
    maps = [found for other in (SCRATCH, DIRECT) if (found := landscape(run, target, HPT, other))]
    said = [_said(found) for found in maps]
    if not said:
        said = ["nothing was compared: the study lacks HPT, what it is held against, or two factors"]
    claims = tuple(claim for found in maps for claim in (*found.cells.values(), *found.along.values()))
    notes = remarks(run, target, claims)
    return Verdict(
        target=target,
        sentence=f"On {target}, {'; '.join(said)}.",
        claims=claims,
        tiles=tuple(tile for found in maps for tile in _tiles(found, extremes=found is maps[0])),
        table=_table(maps),
        notes=(*notes, f"In the table: {LEGEND}.") if maps else notes,
    )


@functools.lru_cache(maxsize=4)
def _by_row(run: Run) -> dict[str, Run]:
    """The run at each level of the rows' factor."""
    rows, _ = run.study.factors
    return {level: views.at(run, **{rows.name: level}) for level in rows.levels}


def _compare(run: Run, view: Run, target: str, arms: tuple[str, str], place: Place) -> Claim:
    arm, other = arms
    if not {arm, other} <= set(view.arms):
        return Claim(run.metric.label, run.arms[arm], run.arms[other], None, lacking="the study has no such cell")
    claim = compare(view, target, arm, other, place.column)
    rows, columns = run.study.factors
    where = f"{level_text(rows, place.row).capitalize()}, {level_text(columns, place.column)}"
    return replace(claim, needed=claim.needed and f"{where}: {claim.needed[0].lower()}{claim.needed[1:]}")


def _along(run: Run, target: str, arms: tuple[str, str], factor: Factor) -> Claim:
    """The difference of two arms at a factor's first level minus that at its last, a mean over the other factor."""
    ends = _ends(factor)
    (other,) = (each for each in run.study.factors if each is not factor)
    levels = [[{factor.name: end, other.name: level} for end in ends] for level in other.levels]
    pairs = [[_lead(run, target, arms, place) for place in pair] for pair in levels]
    # Levels of the other factor at which one end has no result say nothing.
    changes = [first - last for first, last in pairs if first.shape == last.shape and mean(first - last) is not None]
    shapes = {change.shape for change in changes}
    difference = mean(np.mean(changes, axis=0), most=CHANGES_APART) if len(shapes) == 1 else None
    name = f"{run.arms[arms[0]]} minus {run.arms[arms[1]].lower()}"
    subject, against = (f"{name}, {level_text(factor, end)}" for end in ends)
    lacking = f"no seed with results at both ends of the {level_name(factor.name)}"
    return Claim(f"change with the {level_name(factor.name)}", subject, against, difference, lacking=lacking)


def _ends(factor: Factor) -> tuple[str, str]:
    """The first level of a factor and its last."""
    levels = tuple(factor.levels)
    return levels[0], levels[-1]


def _lead(run: Run, target: str, arms: tuple[str, str], levels: dict[str, str]) -> np.ndarray:
    """Correctness of the one arm minus that of the other [seeds, examples] in a cell; nothing where it lacks one."""
    rows, columns = run.study.factors
    view = _by_row(run)[levels[rows.name]]
    if not set(arms) <= set(view.arms):
        return np.empty((0, 0))
    mine, others = (view.correct(target, arm, levels[columns.name]) for arm in arms)
    lead: np.ndarray = mine - others
    return lead


def _said(found: Map) -> str:
    """In how many cells the arm is better, where it is not, and whether that depends on a factor."""
    name, total = spoken(next(iter(found.cells.values())).against), len(found.cells)
    words = {
        Outcome.BETTER: ("better", "than"),
        Outcome.WORSE: ("worse", "than"),
        Outcome.EQUIVALENT: (f"equivalent within {margin_text(MARGIN)}", "to"),
        Outcome.UNDECIDED: ("not shown to differ", "from"),
    }
    judged = {place: claim for place, claim in found.cells.items() if claim.difference is not None}
    if not judged:
        return f"HPT is not comparable with {name} (no cell has results of both)"
    counts = Counter(claim.outcome for claim in judged.values())
    most = max(counts, key=lambda outcome: counts[outcome])
    parts: list[str] = []
    for outcome in [outcome for outcome in Outcome if counts[outcome]]:
        word, joined = words[outcome]
        places = [place for place, claim in judged.items() if claim.outcome is outcome]
        where = f" ({_where(found, places)})" if outcome is not most else ""
        if parts:
            parts.append(f"{word} in {len(places)}{where}")
        else:
            number = f"all {total} cells" if len(places) == total else f"{len(places)} of {total} cells"
            parts.append(f"{word} {joined} {name} in {number}{where}")
    lost = [place for place in found.cells if place not in judged]
    if lost:
        parts.append(f"without a result in {len(lost)} ({_where(found, lost)})")
    return ", ".join([f"HPT is {listed(parts)}", *_dependence(found)])


def _where(found: Map, places: Sequence[Place]) -> str:
    """Cells as prose: whole columns, then whole rows of what is left, then single cells."""
    left, names = set(places), []
    for column in found.columns.levels:
        own = {place for place in found.cells if place.column == column}
        if own <= left:
            names.append(f"everywhere {at_level(found.columns, column)}")
            left -= own
    for row in found.rows.levels:
        own = {place for place in found.cells if place.row == row}
        if own <= left:
            names.append(f"everywhere {at_level(found.rows, row)}")
            left -= own
    return listed([*names, *(cell_text(found, place) for place in found.cells if place in left)])


def _dependence(found: Map) -> list[str]:
    """Whether the difference depends on each factor, as far as there is evidence."""
    larger = {Outcome.BETTER: "larger", Outcome.WORSE: "smaller"}
    parts = []
    for factor in (found.rows, found.columns):
        claim = found.along[factor.name]
        if claim.outcome in larger and claim.difference is not None:
            first, last = (at_level(factor, level) for level in _ends(factor))
            numbers = f"{change_interval(claim.difference)} points"
            parts.append(f"{larger[claim.outcome]} {first} than {last} ({numbers})")
    if parts:
        return [f"and the difference is {listed(parts)}"]
    names = " or the ".join(level_name(factor.name) for factor in (found.rows, found.columns))
    return [f"and there is not enough evidence that the difference depends on the {names}"]


def _tiles(found: Map, *, extremes: bool) -> list[Tile]:
    """In how many cells the arm is better, and the ``extremes``: the largest and the smallest difference."""
    against = next(iter(found.cells.values())).against.lower()
    judged = {place: claim for place, claim in found.cells.items() if claim.difference is not None}
    counts = Counter(claim.outcome for claim in judged.values())
    beside = f"worse in {counts[Outcome.WORSE]}, equivalent in {counts[Outcome.EQUIVALENT]}"
    number = f"{counts[Outcome.BETTER]} of {len(found.cells)}"
    tiles = [Tile(f"HPT better than {against}", number, "cells", beside)]
    ranked = sorted(judged, key=lambda place: -_estimate(judged[place])) if extremes else []
    for what, place in zip(("most", "least"), dict.fromkeys([*ranked[:1], *ranked[-1:]]), strict=False):
        difference = judged[place].difference
        assert difference is not None
        title, value = f"HPT vs {against}, {what}", points(difference.estimate)
        tiles.append(Tile(title, value, brackets(difference), f"points: {cell_text(found, place)}"))
    return tiles


def _estimate(claim: Claim) -> float:
    assert claim.difference is not None
    return claim.difference.estimate


def _table(maps: list[Map]) -> Table:
    """Per arm that HPT is held against and level of the rows, HPT's difference at each level of the columns."""
    if not maps:
        return Table(("HPT minus",), ())
    columns = maps[0].columns
    rows = []
    for found in maps:
        for row in found.rows.levels:
            claims = [found.cells[Place(row, column)] for column in columns.levels]
            against = f"{claims[0].against}, {level_text(found.rows, row)}"
            rows.append((against, *(_entry(claim) for claim in claims)))
    return Table(("HPT minus", *(level_text(columns, level) for level in columns.levels)), tuple(rows))


def _entry(claim: Claim) -> str:
    return "–" if claim.difference is None else change_interval(claim.difference) + MARKS[claim.outcome]
