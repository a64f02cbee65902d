"""How much of a run is there while it goes on, or after it was interrupted."""

from __future__ import annotations

from hpt_ray.analysis.measures.run import Run


def so_far(run: Run) -> str:
    """How many of its cells have all their results: "so far: 3 of 12 cells"; "" where nothing is left to run."""
    if not run.manifest.unfinished:
        return ""
    axes = ["target", "arm", *(factor.name for factor in run.study.factors), "seed"]
    rows = run.rows()
    done = (rows["status"] == "done").groupby([rows[axis] for axis in axes], dropna=False).all()
    return f"so far: {int(done.sum()):,} of {len(done):,} cells"
