"""Every cell of a run as one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from hpt_ray.analysis.measures.run import Run


def cells(run: Run) -> pd.DataFrame:
    """One row per cell: ``target arm levels seed``, the metric in each evaluation, and what the cell cost.

    Further columns: ``change`` (of the first evaluation, against the arm's own baseline of every factor at the same
    seed; NaN where either is missing), ``iterations``, ``seconds``, ``images``, ``status`` and ``reason``. ``levels``
    has a level of each factor, "" where the cell does not depend on it; so is ``seed`` missing.
    """
    rows, factors = run.rows(), run.study.factors
    names = [factor.name for factor in factors]
    # In one column: a factor may be called as another column of this table, as the iterations are.
    levels = pd.Series([tuple(row) for row in rows[names].fillna("").to_numpy()], rows.index, dtype=object)
    rows = rows.assign(levels=levels)
    axes = ["target", "arm", "levels", "seed"]
    by_cell = rows.groupby(axes, dropna=False, sort=False)
    # A cell's iterations and cost are those of its last pretraining phase, repeated in each of its rows.
    cost = by_cell.agg(iterations=("iteration", "max"), seconds=("seconds", "max"), images=("images", "max"))
    rows["cell"] = by_cell.ngroup()
    means = rows[rows["metric"] == run.metric.name].groupby(["cell", "evaluation"])["value"].mean().unstack()
    lost = rows[rows["status"] != "done"].groupby("cell")
    table = cost.reset_index().assign(
        **{item.name: means.get(item.name, np.nan) for item in run.study.evaluations},
        status=lost["status"].first(),
        reason=lost["reason"].agg(lambda reasons: "; ".join(dict.fromkeys(reasons.dropna()))),
    )
    table = table.fillna({"status": "done", "reason": ""})
    same = ["target", "arm", "seed"]
    baselines = {
        arm.chain: tuple(factor.baseline if factor.varies(arm) else "" for factor in factors) for arm in run.study.arms
    }
    at_baseline = table["levels"] == table["arm"].map(baselines)
    own = table[same].merge(table.loc[at_baseline, [*same, run.evaluation]], how="left", on=same)[run.evaluation]
    table["change"] = (table[run.evaluation] - own).where(table["levels"].map(any))
    arms, places = list(run.arms), [["", factor.baseline, *factor.levels] for factor in factors]
    order: dict[str, Callable[[Any], Any]] = {
        "arm": arms.index,
        "levels": lambda levels: tuple(place.index(level) for place, level in zip(places, levels, strict=True)),
    }
    return table.sort_values(
        axes, key=lambda column: column.map(order[str(column.name)]) if column.name in order else column
    ).reset_index(drop=True)
