"""The value of each class, where the metric that claims are made on is the mean of them."""

from __future__ import annotations

import pandas as pd

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import percent
from hpt_ray.analysis.verdict import Table


def by_class(run: Run, target: str) -> Table | None:
    """Test value of each class and arm in the first evaluation, a mean over seeds; None of a metric without any.

    Arms are taken at the level they are compared at; a class without a value, or an arm without a result, is a dash.
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
