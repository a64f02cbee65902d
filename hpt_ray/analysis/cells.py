"""Every cell of a run as one table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hpt_ray.analysis.measures.run import Run


def cells(run: Run) -> pd.DataFrame:
    """One row per cell: ``target arm level seed``, a column of accuracy or mean AUROC per evaluation, and what it cost.

    Further columns: ``change`` (of the first evaluation, against the arm's own baseline at the same seed; NaN where
    either is missing), ``iterations``, ``seconds``, ``images``, ``status`` and ``reason``. ``level`` is "" and
    ``seed`` is missing where the cell does not depend on them.
    """
    rows = run.rows()
    axes = ["target", "arm", "level", "seed"]
    by_cell = rows.groupby(axes, dropna=False, sort=False)
    # A cell's iterations and cost are those of its last pretraining phase, repeated in each of its rows.
    cost = by_cell.agg(iterations=("iteration", "max"), seconds=("seconds", "max"), images=("images", "max"))
    rows["cell"] = by_cell.ngroup()
    means = rows[rows["metric"] == run.metric].groupby(["cell", "evaluation"])["value"].mean().unstack()
    lost = rows[rows["status"] != "done"].groupby("cell")
    found = cost.reset_index().assign(
        **{item.name: means.get(item.name, np.nan) for item in run.study.evaluations},
        status=lost["status"].first(),
        reason=lost["reason"].agg(lambda reasons: "; ".join(dict.fromkeys(reasons.dropna()))),
    )
    found = found.fillna({"status": "done", "reason": ""})
    same = ["target", "arm", "seed"]
    baseline = found.loc[found["level"] == run.baseline, [*same, run.evaluation]]
    own = found[same].merge(baseline, how="left", on=same)[run.evaluation]
    found["change"] = (found[run.evaluation] - own).where(found["level"] != "")
    arms, levels = list(run.arms), ["", *run.levels]
    order = {"arm": arms.index, "level": levels.index}
    return found.sort_values(
        axes, key=lambda column: column.map(order[str(column.name)]) if column.name in order else column
    ).reset_index(drop=True)
