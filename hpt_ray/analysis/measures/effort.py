"""What the last pretraining phase of an arm took: seconds, and how many weights of the network it trained."""

from __future__ import annotations

from dataclasses import dataclass

from hpt_ray.analysis.measures.run import Run


@dataclass(frozen=True)
class Effort:
    """Of an arm's last phase the mean of its seconds over seeds, and the number of weights that it trained.

    ``trained``: without the method's own heads; None where that is not known, of runs of earlier versions.
    """

    seconds: float
    trained: int | None


def effort(run: Run, target: str, arm: str) -> Effort | None:
    """What an arm took at the level at which it is compared; None where nothing was trained or nothing finished."""
    rows = run.rows()
    rows = rows[(rows["target"] == target) & (rows["arm"] == arm) & (rows["evaluation"] == run.evaluation)]
    rows = rows[rows["level"].isin(["", run.standard_level(arm)])].dropna(subset=["seconds"])
    if rows.empty:
        return None
    trained = rows["trained"].dropna() if "trained" in rows else rows["seconds"].iloc[:0]
    return Effort(float(rows["seconds"].mean()), int(trained.max()) if len(trained) else None)
