"""The scores of all cells of a target on the test examples that they share, and the groups that these come in."""

from __future__ import annotations

from typing import NamedTuple

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

    def columns(self, values: np.ndarray) -> np.ndarray:
        """Values [..., examples] as what an interval rests on: the totals of groups where examples come in groups."""
        return totals(values, self.units, self.mean)


NOTHING = Scores(np.empty(0, dtype=np.int64), {})


def groups(predictions: pd.DataFrame) -> dict[str, pd.Series]:
    """By target whose test examples come in groups, the group of each example, missing of one that is alone."""
    if "group" not in predictions or not predictions["group"].notna().any():  # of an earlier version, or without any
        return {}
    names = predictions.drop_duplicates(["target", "example"]).set_index("example")
    return {str(target): rows["group"] for target, rows in names.groupby("target") if rows["group"].notna().any()}


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
