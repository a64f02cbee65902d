"""Two runs of one study compared: what differs in what was asked, and what differs in the numbers.

Differences are exploratory: nothing is claimed, and no correction is made for how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpt_ray.analysis.measures.robustness import mean, mean_score
from hpt_ray.analysis.measures.rows import rows
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import level_name, listed
from hpt_ray.analysis.measures.views import held_text, one_factor
from hpt_ray.analysis.quantities import Cell, Change, share
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.analysis.verdict import Table

if TYPE_CHECKING:
    from hpt_ray.store.records import Manifest

#: Fields that say nothing about what a study asks, or that are written in another way.
UNASKED = {"made_from", "parameters", "question", "dashboard", "name", "arms", "factors", "evaluations"}
#: Rows of a table of what differs: a longer one is cut.
MOST = 40


@dataclass(frozen=True)
class Compared:
    """What differs between two runs; ``note`` says what the intervals rest on, or why there are none."""

    asked: Table
    numbers: Table
    note: str


def compare(one: Run, other: Run, names: tuple[str, str]) -> Compared:
    """Compare two runs of a study; differences are those of the other run minus the first.

    Args:
        names: what the runs are called.
    """
    asked = list(_different("", _asked(one.manifest), _asked(other.manifest)))
    more = [(f"... {len(asked) - MOST} more", "", "")] if len(asked) > MOST else []
    table = Table(("What", *names), (*asked[:MOST], *more))
    columns = ("Arm", "Target", "At", *names, "Difference, points")
    first, second = one_factor(one), one_factor(other)
    if first.metric.name != second.metric.name or first.evaluation not in [e.name for e in second.study.evaluations]:
        return Compared(table, Table(columns, ()), "They measure different things, so no numbers are compared.")
    numbers = tuple(_rows(first, second))
    return Compared(table, Table(columns, numbers), _note(first, second, paired=any(row[-1] for row in numbers)))


def paired_difference(one: Run, other: Run, target: str, arm: str, level: str) -> Interval | None:
    """The mean score of an arm in another run minus that in the first, at the seeds and test images that both have.

    None where they have none in common, where the test images are of other data, or where seeds share bases in other
    ways.
    """
    data = [run.manifest.datasets.get(target) for run in (one, other)]
    seeds = _shared_seeds(one, other)
    groups = [_groups(run, seeds) for run in (one, other)]
    if None in data or data[0].fingerprint != data[1].fingerprint or groups[0] != groups[1]:  # type: ignore[union-attr]
        return None
    tested = one.tested(target), other.tested(target, one.evaluation)
    examples, *places = np.intersect1d(tested[0].examples, tested[1].examples, return_indices=True)
    if not seeds or not len(examples):
        return None
    units = None if tested[0].units is None else tested[0].units[places[0]]
    shared, means = tested[0]._replace(examples=examples, units=units), []
    for run, place in zip((one, other), places, strict=True):
        by_seed = run.by_seed(target, arm, level, one.evaluation)[:, place]
        of = dict(zip(run.study.seeds, by_seed, strict=True))
        means.append(
            shared.columns(np.stack([np.mean([of[seed] for seed in sorted(group)], axis=0) for group in groups[0]]))
        )
    return mean(means[1] - means[0])


def _rows(one: Run, other: Run) -> Iterator[tuple[Cell, ...]]:
    """Every arm, target and level that both runs have, with the metric in each and the difference."""
    seeds = _shared_seeds(one, other)
    # Of other seeds the two numbers differ all the same.
    same = "the same stages" if one.study.seeds == other.study.seeds else "the same stages at shared seeds"
    for target in [target for target in one.study.targets if target in other.study.targets]:
        for arm in [arm for arm in one.arms if arm in other.arms]:
            levels = other.levels_of(arm)
            for level in [level for level in one.levels_of(arm) if level in levels]:
                values = [mean_score(run, target, arm, level, evaluation=one.evaluation) for run in (one, other)]
                difference: Cell = None
                if _stages(one, target, arm, level, seeds) == _stages(other, target, arm, level, seeds):
                    difference = same if seeds else None
                elif found := paired_difference(one, other, target, arm, level):
                    difference = Change(found)
                yield (one.arms[arm], target, level_name(level) if level else "–", *map(share, values), difference)


def _stages(run: Run, target: str, arm: str, level: str, seeds: list[int]) -> set[str]:
    """The evaluations behind a number at some seeds; of an arm that does not depend on the seed, its own."""
    table = run.rows()
    chosen = (table["target"] == target) & (table["arm"] == arm) & table["level"].isin(["", level])
    chosen &= (table["evaluation"] == run.evaluation) & (table["seed"].isin(seeds) | table["seed"].isna())
    return set(table[chosen]["stage"])


def _shared_seeds(one: Run, other: Run) -> list[int]:
    return [seed for seed in one.study.seeds if seed in other.study.seeds]


def _groups(run: Run, seeds: list[int]) -> list[frozenset[int]]:
    """Of some seeds, those that share a base."""
    groups = [frozenset(run.study.seeds[place] for place in row) & frozenset(seeds) for row in rows(run.study)]
    return sorted(filter(None, groups), key=min)


def _note(one: Run, other: Run, paired: bool) -> str:
    """What the intervals of the differences rest on."""
    if not paired:
        return "They share no seeds, or no test images, so that differences have no interval."
    seeds = listed([str(seed) for seed in _shared_seeds(one, other)])
    held = f", {held_text(one)}" if held_text(one) else ""
    return (
        f"{one.metric.heading} in the {level_name(one.evaluation)} evaluation on the test split{held}. A difference is "
        f"paired over the seeds that both runs have ({seeds}) and their test images, with its 95 % interval. Each "
        "interval is for one difference alone: of many, some exclude zero by chance."
    )


def _asked(manifest: Manifest) -> dict[str, Any]:
    """What a run was asked and ran with, as nested values by name."""
    study = manifest.study
    factors = {each.name: each.model_dump(mode="json") for each in study.factors}
    evaluations = {each.name: each.model_dump(mode="json") for each in study.evaluations}
    return {
        "arms": [arm.chain for arm in study.arms],
        **study.model_dump(mode="json", exclude=UNASKED),
        "factors": factors,
        "evaluations": evaluations,
        "data": {data.name: data.fingerprint for data in manifest.datasets.values()},
        "versions": manifest.versions,
        "hardware": manifest.hardware,
    }


def _different(name: str, one: Any, other: Any) -> Iterator[tuple[str, str, str]]:
    """The names of nested values that differ, with the value in each; a dash where it is missing."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            yield from _different(f"{name}.{key}" if name else key, one.get(key), other.get(key))
    elif one != other:
        yield name, _brief(one), _brief(other)


def _brief(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(_brief, value)) or "none"
    return "yes" if isinstance(value, Mapping) else str(value)
