"""Tables of a run, from the finest to the coarsest: every cell, and the few numbers per arm that a terminal shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hpt_ray.analysis import robustness
from hpt_ray.analysis.bootstrap import Interval
from hpt_ray.analysis.run import Run


@dataclass(frozen=True)
class ArmSummary:
    """One line of the final table: an arm on a target. None marks what is missing or does not apply."""

    target: str
    arm: str
    label: str
    accuracy: Interval | None  # at the baseline, share
    worst: Interval | None  # most negative change against the arm's own baseline, share
    worst_level: str | None
    spread: Interval | None  # range of accuracy over the levels, share
    missing: int  # cells without a result


def summary(run: Run, target: str) -> list[ArmSummary]:
    """The final table: per arm the accuracy at baseline, the worst change (and where), the spread."""
    lines = []
    for arm, label in run.arms.items():
        found = robustness.robustness(run, target, arm)
        lines.append(
            ArmSummary(
                target=target,
                arm=arm,
                label=label,
                accuracy=robustness.accuracy(run, target, arm, run.baseline),
                worst=found.worst if found else None,
                worst_level=found.worst_level if found else None,
                spread=found.range if found else None,
                missing=sum(len(hole.seeds) if run.varies(arm) else 1 for hole in run.holes(target, arm)),
            )
        )
    return lines


def cells(run: Run) -> pd.DataFrame:
    """One row per cell: ``target arm level seed``, one accuracy column per evaluation, and what it cost.

    Further columns: ``change`` (of the first evaluation, against the arm's own baseline at the same seed; NaN where
    either is missing), ``iterations``, ``seconds``, ``images``, ``status`` and ``reason``. ``level`` is "" and
    ``seed`` is missing where the cell does not depend on them.
    """
    rows = run.rows()
    axes = ["target", "arm", "level", "seed"]
    records = []
    for key, part in rows.groupby(axes, dropna=False, sort=False):
        record: dict[str, object] = dict(zip(axes, key, strict=True))
        accuracy = part[part["metric"] == "accuracy"].groupby("evaluation")["value"].mean()
        for evaluation in run.study.evaluations:
            record[evaluation.name] = accuracy.get(evaluation.name, np.nan)
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
