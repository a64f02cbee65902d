"""The scores of all cells of a target on the test examples that they share, and the groups that these come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

import numpy as np
import pandas as pd

from hpt_ray.analysis.stats.groups import totals

#: An arm at a level ("" where it has none), at step 0 or not.
Place = tuple[str, str, bool]


class Scores(NamedTuple):
    """The test examples that all cells of a target and an evaluation share, and each cell's scores on them by seed."""

    examples: np.ndarray
    by_cell: dict[Place, dict[int | None, np.ndarray]]
    units: np.ndarray | None = None  # the group of each example; None where every one is alone
    mean: float = 0.0  # of all scores
    left_out: int = 0  # how many examples not all cells share

    def columns(self, values: np.ndarray) -> np.ndarray:
        """Values [..., examples] as what an interval rests on: the totals of groups where examples come in groups."""
        return totals(values, self.units, self.mean)


NOTHING = Scores(np.empty(0, dtype=np.int64), {})


def by_evaluation(
    scored: pd.DataFrame, cells: pd.DataFrame, groups: Mapping[tuple[str, str], pd.Series]
) -> dict[tuple[str, str], Scores]:
    """By target and evaluation, the scores of each cell on each test example that all cells share.

    Args:
        scored: ``cell``, ``example`` and ``correct``, the score, of which repeats are averaged.
        cells: ``target evaluation arm level step0 seed`` of each cell, by its number; those of a target and an
            evaluation follow each other.
        groups: by target and evaluation, the group of each example, as ``groups`` gives them.
    """
    scores_by_evaluation = {}
    means = scored.groupby(["cell", "example"])["correct"].mean()
    for place, own in cells.groupby(["target", "evaluation"]):
        cell_means = means.loc[own.index[0] : own.index[-1]]
        counts = cell_means.groupby("example").size()
        examples = counts.index[counts == len(own)]
        scores = cell_means.unstack().reindex(columns=examples).to_numpy()
        by_cell: dict[Place, dict[int | None, np.ndarray]] = {}
        named = own[["arm", "level", "step0", "seed"]].to_numpy()
        for (arm, level, step0, seed), row in zip(named, scores, strict=True):
            by_cell.setdefault((arm, level, step0), {})[None if pd.isna(seed) else int(seed)] = row
        target_and_evaluation = cast("tuple[str, str]", place)
        units = units_of(groups.get(target_and_evaluation), examples)
        mean = float(np.mean(scores)) if scores.size else 0.0
        scores_by_evaluation[target_and_evaluation] = Scores(
            examples.to_numpy(), by_cell, units, mean, len(counts) - len(examples)
        )
    return scores_by_evaluation


def groups(predictions: pd.DataFrame) -> dict[tuple[str, str], pd.Series]:
    """By target and evaluation whose test examples come in groups, the group of each, missing of one that is alone."""
    if "group" not in predictions or not predictions["group"].notna().any():  # of an earlier version, or without any
        return {}
    names = predictions.drop_duplicates(["target", "evaluation", "example"]).set_index("example")
    return {
        cast("tuple[str, str]", place): rows["group"]
        for place, rows in names.groupby(["target", "evaluation"])
        if rows["group"].notna().any()
    }


def units_of(names: pd.Series | None, examples: pd.Index) -> np.ndarray | None:
    """The number of the group of each of some examples; None where every one is alone.

    Args:
        names: the group of each example of the target, as ``groups`` gives it.
    """
    if names is None:
        return None
    units, known = pd.factorize(names.reindex(examples))
    alone = units < 0
    return np.where(alone, len(known) + np.cumsum(alone), units)
