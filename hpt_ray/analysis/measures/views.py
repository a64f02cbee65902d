"""Views of a run of several factors: one factor varies, and every other is held at one of its levels.

A view is a run. So every measure, verdict and figure of one factor works on it; ``held`` says at which levels of the
others, and ``held_text`` says it to a reader.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import pandas as pd

from hpt_ray.analysis.measures.numbers import at_level
from hpt_ray.analysis.measures.run import Held, Run
from hpt_ray.analysis.measures.text_format import listed
from hpt_ray.core.errors import UnknownNameError
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.study import Factor, Study


def at(run: Run, **levels: str) -> Run:
    """The run at one level of each factor that is named: a run of the other factors.

    An arm that does not have such a level (``Factor.only``) is not in it, and one that a factor does not touch is in
    every view.

    Args:
        levels: level by name of the factor, such as ``policy="crop_only"``.

    Raises:
        UnknownNameError: for a factor or a level that the study does not have.
    """
    factors = {factor.name: factor for factor in run.study.factors}
    for name, level in levels.items():
        if name not in factors:
            raise UnknownNameError("factor", name, factors)
        if level not in factors[name].levels:
            raise UnknownNameError(f"level of {name}", level, factors[name].levels)
    held = [Held(factors[name], level) for name, level in levels.items()]
    arms = tuple(arm for arm in run.study.arms if all(_has(part, arm) for part in held))
    others = tuple(factor for name, factor in factors.items() if name not in levels)
    study = run.study.model_copy(update={"arms": arms, "factors": others, "search": None})

    def kept(table: pd.DataFrame) -> pd.Series:
        rows = table["arm"].isin([arm.chain for arm in arms])
        for factor, level in held:
            rows &= table[factor.name].isna() | (table[factor.name] == level)
        return rows

    return dataclasses.replace(part(run, study, kept), held=(*run.held, *held))


def one_factor(run: Run) -> Run:
    """The run of its first factor, with every other one at its baseline; a run of one factor, or of none, is itself."""
    others = run.study.factors[1:]
    return at(run, **{factor.name: factor.baseline for factor in others}) if others else run


def every(run: Run) -> tuple[Run, ...]:
    """The runs of the first factor at each combination of the others' levels: together, the whole run."""
    others = run.study.factors[1:]
    if not others:
        return (run,)
    combinations = itertools.product(*(factor.levels for factor in others))
    names = [factor.name for factor in others]
    return tuple(at(run, **dict(zip(names, levels, strict=True))) for levels in combinations)


def part(run: Run, study: Study, kept: Callable[[pd.DataFrame], pd.Series]) -> Run:
    """The run as if ``study``, which is a part of its own, had been all of it: the rows of its tables that are kept."""
    tables = {name: getattr(run, name) for name in ("results", "predictions", "curves")}
    return dataclasses.replace(
        run,
        **{name: table[kept(table)] for name, table in tables.items()},
        manifest=run.manifest.model_copy(update={"study": study}),
    )


def held_text(run: Run) -> str:
    """At which levels of the factors that it does not vary a view shows everything; "" of a whole run."""
    return listed([at_level(factor, level) for factor, level in run.held])


def within(view: Run, run: Run) -> str:
    """Which view of a run it is, to append to a word: ", at 90 iterations"; "" where it is the run itself."""
    levels = [at_level(factor, level) for factor, level in view.held[len(run.held) :]]
    return ", " + listed(levels) if levels else ""


def _has(held: Held, arm: Arm) -> bool:
    factor: Factor = held.factor
    return not factor.varies(arm) or held.level in factor.levels_of(arm)
