"""One comparison in many places, in words: how often it comes out how, where, and on what that depends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from hpt_ray.analysis.claim import Claim, Outcome
from hpt_ray.analysis.claim_words import exploratory, joined, marked, without
from hpt_ray.analysis.findings import Map, Place, UnderMethods
from hpt_ray.analysis.measures.numbers import at_level, ends, level_text
from hpt_ray.analysis.measures.text_format import change_interval, level_name, listed, margin_text, spoken

#: A change of a difference from one level to another, as a word.
CHANGES = {Outcome.BETTER: "larger", Outcome.WORSE: "smaller"}

#: What the marks behind the differences of a map mean.
LEGEND = "▲ better, ▼ worse, ≈ equivalent within the margin, no mark: not enough evidence"


def cell_text(cell_map: Map, place: Place) -> str:
    """A cell in a sentence: "crop only at 270 iterations"."""
    return f"{level_text(cell_map.rows, place.row)} {at_level(cell_map.columns, place.column)}"


def of_map(cell_map: Map) -> str:
    """In how many cells the arm is better, where it is not, and whether that depends on a factor."""
    first, total = next(iter(cell_map.cells.values())), len(cell_map.cells)
    subject, name = spoken(first.subject), spoken(first.against)
    judged = {place: claim for place, claim in cell_map.cells.items() if claim.difference is not None}
    if not judged:
        return f"{subject} is not comparable with {name} (no cell has results of both)"
    counts = Counter(claim.outcome for claim in judged.values())
    most = max(counts, key=lambda outcome: counts[outcome])
    parts: list[str] = []
    for outcome in [outcome for outcome in Outcome if counts[outcome]]:
        word, joint = joined(outcome, first.margin)
        places = [place for place, claim in judged.items() if claim.outcome is outcome]
        where = f" ({_where(cell_map, places)})" if outcome is not most else ""
        if parts:
            parts.append(f"{word} in {len(places)}{where}")
        else:
            number = f"all {total} cells" if len(places) == total else f"{len(places)} of {total} cells"
            parts.append(f"{word} {joint} {name} in {number}{where}")
    empty = [place for place in cell_map.cells if place not in judged]
    if empty:
        parts.append(f"without a result in {len(empty)} ({_where(cell_map, empty)})")
    names = " or the ".join(level_name(factor.name) for factor in (cell_map.rows, cell_map.columns))
    changes = {
        (at_level(factor, ends(factor)[0]), at_level(factor, ends(factor)[1])): cell_map.along[factor.name]
        for factor in (cell_map.rows, cell_map.columns)
    }
    cells, along = f"{subject} is {listed(parts)}", _dependence(changes, names, unit=" points")
    if exploratory(cell_map.cells.values()):
        return marked(f"{cells}, and {along}", changes.values())
    return f"{cells}; {marked(along, changes.values())}"


def under_methods(finding: UnderMethods) -> str:
    """The difference under each method, and whether it depends on the method."""
    first = next(iter(finding.under.values()))
    subject, name = spoken(first.subject), spoken(first.against)
    by_outcome = {
        outcome: [
            f"{level_name(level)} ({change_interval(claim.difference)}{without(claim)})"
            for level, claim in finding.under.items()
            if claim.outcome is outcome and claim.difference is not None
        ]
        for outcome in Outcome
    }
    parts: list[str] = []
    for outcome, under in by_outcome.items():
        if under:
            word, joint = joined(outcome, first.margin)
            everywhere = f"all {len(under)} methods: " if len(under) == len(finding.under) > 1 else ""
            parts.append(f"{word}{'' if parts else f' {joint} {name}'} under {everywhere}{listed(under)}")
    empty = [level_name(level) for level, claim in finding.under.items() if claim.difference is None]
    if empty:
        parts.append(f"not comparable{'' if parts else f' with {name}'} under {listed(empty)}")
    if by_outcome[Outcome.BETTER] and by_outcome[Outcome.WORSE]:
        parts.append("so the direction depends on the method")
    changes = {
        (f"under {level_name(one)}", f"under {level_name(other)}"): claim
        for (one, other), claim in finding.changes.items()
        if claim.difference is not None
    }
    if changes and all(claim.outcome is Outcome.EQUIVALENT for claim in changes.values()):
        depends = f"the difference is the same under all of them within {margin_text(first.margin)}"
    else:
        depends = _dependence(changes, "method") if changes else ""
    outcomes = f"{subject} is {', '.join(parts)}"
    return f"{outcomes}; {marked(depends, changes.values())}" if depends else outcomes


def _dependence(changes: Mapping[tuple[str, str], Claim], factors: str, unit: str = "") -> str:
    """Between which places the difference is shown to change."""
    parts = [
        f"{CHANGES[claim.outcome]} {first} than {last} ({change_interval(claim.difference)}{unit})"
        for (first, last), claim in changes.items()
        if claim.outcome in CHANGES and claim.difference is not None
    ]
    if parts:
        return f"the difference is {listed(parts)}"
    return f"there is not enough evidence that the difference depends on the {factors}"


def _where(cell_map: Map, places: Sequence[Place]) -> str:
    """Cells as prose: whole columns, then whole rows of what is left, then single cells."""
    left, names = set(places), []
    for factor, own in ((cell_map.columns, "column"), (cell_map.rows, "row")):
        for level in factor.levels:
            line = {place for place in cell_map.cells if getattr(place, own) == level}
            if line <= left:
                names.append(f"everywhere {at_level(factor, level)}")
                left -= line
    return listed([*names, *(cell_text(cell_map, place) for place in cell_map.cells if place in left)])
