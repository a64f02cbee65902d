"""One arm against another at each level of two factors, judged as a map, and along each factor."""

from __future__ import annotations

import functools

import numpy as np

from hpt_ray.analysis.claim import Claim, compare, of_measure
from hpt_ray.analysis.findings import Map, Place
from hpt_ray.analysis.measures import views
from hpt_ray.analysis.measures.numbers import ends, level_text
from hpt_ray.analysis.measures.robustness import CHANGES_APART, mean
from hpt_ray.analysis.measures.run import HPT, Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.settling import settle_each
from hpt_ray.spec.study import Factor


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
    name = f"{run.arms[arm]} minus {run.arms[other].lower()}"
    # The first map answers the study's question.
    exploratory = (arm, other) != (HPT, *run.alternatives[:1])
    return Map(
        rows=rows,
        columns=columns,
        arm=arm,
        other=other,
        cells=settle_each(run, target, cells, f"cells of the map, {name}", exploratory=exploratory),
        along=settle_each(run, target, along, f"dependence on the factors, {name}", exploratory=True),
    )


@functools.lru_cache(maxsize=4)
def _by_row(run: Run) -> dict[str, Run]:
    """The run at each level of the rows' factor."""
    rows, _ = run.study.factors
    return {level: views.at(run, **{rows.name: level}) for level in rows.levels}


def _compare(run: Run, view: Run, target: str, arms: tuple[str, str], place: Place) -> Claim:
    arm, other = arms
    rows, columns = run.study.factors
    if not {arm, other} <= set(view.arms):
        labels, levels = (run.arms[arm], run.arms[other]), {rows.name: place.row, columns.name: place.column}
        return Claim(
            run.metric.label,
            *labels,
            None,
            run.metric.name,
            run.evaluation,
            lacking="the study has no such cell",
            levels=levels,
            against_levels=levels,
            margin=run.margin,
        )
    where = f"{level_text(rows, place.row).capitalize()}, {level_text(columns, place.column)}"
    return compare(view, target, arm, other, place.column, place=where)


def _along(run: Run, target: str, arms: tuple[str, str], factor: Factor) -> Claim:
    """The difference of two arms at a factor's first level minus that at its last, a mean over the other factor."""
    (other,) = (each for each in run.study.factors if each is not factor)
    levels = [[{factor.name: end, other.name: level} for end in ends(factor)] for level in other.levels]
    pairs = [[_lead(run, target, arms, place) for place in pair] for pair in levels]
    # Levels of the other factor at which one end has no result say nothing.
    changes = [first - last for first, last in pairs if first.shape == last.shape and mean(first - last) is not None]
    shapes = {change.shape for change in changes}
    difference = mean(np.mean(changes, axis=0), most=CHANGES_APART) if len(shapes) == 1 else None
    name = f"{run.arms[arms[0]]} minus {run.arms[arms[1]].lower()}"
    subject, against = (f"{name}, {level_text(factor, end)}" for end in ends(factor))
    lacking = f"no seed with results at both ends of the {level_name(factor.name)}"
    change = f"change with the {level_name(factor.name)}"
    return of_measure(run, change, (subject, against), difference, lacking=lacking)


def _lead(run: Run, target: str, arms: tuple[str, str], levels: dict[str, str]) -> np.ndarray:
    """Correctness of the one arm minus that of the other [seeds, examples] in a cell; nothing where it lacks one."""
    rows, columns = run.study.factors
    view = _by_row(run)[levels[rows.name]]
    if not set(arms) <= set(view.arms):
        return np.empty((0, 0))
    mine, others = (view.scores(target, arm, levels[columns.name]) for arm in arms)
    lead: np.ndarray = mine - others
    return lead
