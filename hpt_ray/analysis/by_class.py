"""The value of each class: what the mean of the metric that claims are made on comes from."""

from __future__ import annotations

import pandas as pd

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.quantities import Part
from hpt_ray.analysis.verdict import Table


def by_class(run: Run, target: str) -> Table | None:
    """Test value of each class and arm in the first evaluation, a mean over seeds; None without any result.

    Where the metric has no value of a class, it is the mean score of the images of one label. Arms are taken at the
    level they are compared at; a class without a value, or an arm without a result, is a dash.
    """
    if run.metric.by_class is None:
        return None if run.metric.multilabel else _by_label(run, target)
    rows = run.rows(by_class=True)
    rows = rows[(rows["target"] == target) & (rows["evaluation"] == run.evaluation)]
    if rows.empty:
        return None
    columns = []
    for arm in run.arms:
        own = rows[(rows["arm"] == arm) & rows["level"].isin(["", run.standard_level(arm)])]
        columns.append(own.groupby("class")["value"].mean())
    lines = [(str(name), *(_share(column.get(name)) for column in columns)) for name in rows["class"].unique()]
    return Table(("Class", *run.arms.values()), tuple(lines))


def _by_label(run: Run, target: str) -> Table | None:
    labels, names = run.labels(target), run.manifest.datasets[target].classes
    if not labels.size:
        return None
    means = [pd.DataFrame(run.by_seed(target, arm, run.standard_level(arm))).mean() for arm in run.arms]
    columns = [mean.groupby(labels).mean() for mean in means]
    lines = [
        (name, *(_share(column.get(number)) for column in columns))
        for number, name in enumerate([*names, *map(str, range(len(names), int(labels.max()) + 1))])
    ]
    return Table(("Class", *run.arms.values()), tuple(lines))


def _share(value: float | None) -> Part | None:
    return None if value is None or pd.isna(value) else Part(float(value), "mean over seeds", digits=1)
