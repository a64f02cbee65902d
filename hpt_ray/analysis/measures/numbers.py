"""Levels of a factor as numbers: iterations, data fractions, iterations of a base."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpt_ray.analysis.measures.robustness import mean
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.spec.study import Factor

#: Field of a recipe to what a number of it is called on an axis, after the role that it is a field of.
NAMES = {"iterations": "{role} iterations", "fraction": "share of the {role}'s pretraining images"}


def field(run: Run) -> str:
    """The field of a recipe that the run's factor sets to a number; "" if no level does."""
    return _field(run.factor) if run.factor else ""


def numbers(run: Run) -> dict[str, float]:
    """The number of each level, ascending; without levels that set something else, or more (a supervised base)."""
    return _numbers(run.factor) if run.factor else {}


def common(run: Run, target: str, arms: Sequence[str]) -> list[str]:
    """Levels with a number, ascending, at which some arms have a seed in common; where none, all that they share."""
    shared = [level for level in numbers(run) if all(level in run.levels_of(arm) for arm in arms if run.varies(arm))]
    values = {level: sum(run.scores(target, arm, level) for arm in arms) for level in shared}
    return [level for level, scores in values.items() if mean(np.asarray(scores)) is not None] or shared


def axis_name(run: Run) -> str:
    """What the numbers are: "target iterations"; the factor's name where there are none."""
    if run.factor is None:
        return ""
    name = field(run)
    return NAMES.get(name, f"{{role}} {level_name(name or run.factor.name)}").replace("{role}", run.factor.roles[0])


def number_name(run: Run, level: str) -> str:
    """A level in a sentence: "90 iterations", "10 % of the images", and the name of one without a number."""
    return level_text(run.factor, level) if run.factor else level_name(level)


def level_text(factor: Factor, level: str) -> str:
    """A level of a factor in a sentence, as ``number_name`` writes it."""
    number, name = _numbers(factor).get(level), _field(factor)
    if number is None:
        return level_name(level)
    if name == "iterations":
        return counted(number, name)
    return f"{100 * number:g} % of the images" if name == "fraction" else f"{level_name(name)} {number:g}"


def at_level(factor: Factor, level: str) -> str:
    """Where something is shown: "at 90 iterations", "at the crop only policy"."""
    written = level_text(factor, level)
    return f"at {written}" if level in _numbers(factor) else f"at the {written} {level_name(factor.name)}"


def ends(factor: Factor) -> tuple[str, str]:
    """The first level of a factor and its last."""
    levels = tuple(factor.levels)
    return levels[0], levels[-1]


def counted(number: float, what: str) -> str:
    """A number of things: "90 iterations", "1 iteration"."""
    return f"{number:,.0f} {what.removesuffix('s') if round(number) == 1 else what}"


def _positive(value: object) -> bool:
    """Whether a value has a place on a logarithmic axis."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _field(factor: Factor) -> str:
    changes = [factor.changes(level) for level in factor.levels]
    named = [name for change in changes for name, value in change.items() if len(change) == 1 and _positive(value)]
    return named[0] if named else ""


def _numbers(factor: Factor) -> dict[str, float]:
    name, changes = _field(factor), {level: factor.changes(level) for level in factor.levels}
    values = {
        level: float(change[name])
        for level, change in changes.items()
        if list(change) == [name] and _positive(change[name])
    }
    return dict(sorted(values.items(), key=lambda item: item[1]))
