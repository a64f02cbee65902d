"""Every cell of a run as one table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hpt_ray.analysis.run import Run


def cells(run: Run) -> pd.DataFrame:
    """One row per cell: ``target arm level seed``, a column of accuracy or mean AUROC per evaluation, and what it cost.

    Further columns: ``change`` (of the first evaluation, against the arm's own baseline at the same seed; NaN where
    either is missing), ``iterations``, ``seconds``, ``images``, ``status`` and ``reason``. ``level`` is "" and
    ``seed`` is missing where the cell does not depend on them.
    """
    rows = run.rows()
    axes = ["target", "arm", "level", "seed"]
    records = []
    for key, part in rows.groupby(axes, dropna=False, sort=False):
        record: dict[str, object] = dict(zip(axes, key, strict=True))
        measured = part[part["metric"] == run.metric].groupby("evaluation")["value"].mean()
        for evaluation in run.study.evaluations:
            record[evaluation.name] = measured.get(evaluation.name, np.nan)
        lost = part[part["status"] != "done"]
        # A cell's iterations and cost are those of its last pretraining phase, repeated in each of its rows.
        record |= {
            "iterations": part["iteration"].max(),
            "seconds": part["seconds"].max(),
            "images": part["images"].max(),
            "status": lost["status"].iloc[0] if len(lost) else "done",
            "reason": "; ".join(dict.fromkeys(lost["reason"].dropna())),
        }
        records.append(record)
    found = pd.DataFrame(records)
    baseline = found[found["level"] == run.baseline].set_index(["target", "arm", "seed"])[run.evaluation]
    own = [baseline.get((row.target, row.arm, row.seed), np.nan) for row in found.itertuples()]
    found["change"] = (found[run.evaluation] - own).where(found["level"] != "")
    arms, levels = list(run.arms), ["", *run.levels]
    order = {"arm": arms.index, "level": levels.index}
    return found.sort_values(
        axes, key=lambda column: column.map(order[str(column.name)]) if column.name in order else column
    ).reset_index(drop=True)
