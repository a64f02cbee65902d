"""The AUROC of each class of multi-label data: what the mean that claims are made on is a mean of."""

from __future__ import annotations

import pandas as pd

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import percent
from hpt_ray.analysis.verdict import Table


def by_class(run: Run, target: str) -> Table | None:
    """Test AUROC of each class and arm in the first evaluation, a mean over seeds; None of single-label data.

    Arms are taken at the level they are compared at; a class without an AUROC, or an arm without a result, is a dash.
    """
    rows = run.rows(by_class=True)
    rows = rows[(rows["target"] == target) & (rows["evaluation"] == run.evaluation)]
    if rows.empty:
        return None
    columns = []
    for arm in run.arms:
        own = rows[(rows["arm"] == arm) & rows["level"].isin(["", run.standard_level(arm)])]
        columns.append(own.groupby("class")["value"].mean())
    lines = [
        (str(name), *("–" if pd.isna(value := column.get(name)) else percent(value) for column in columns))
        for name in rows["class"].unique()
    ]
    return Table(("Class", *run.arms.values()), tuple(lines))
