"""Tables that hold answers and not scores: predictions beside labels, as those of this project's own runs do."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hpt_ray.core.errors import DataError
from hpt_ray.core.metric import DEFAULT, find

#: Columns by which the tables of this project's runs are known.
STORED = {"study", "target", "arm", "seed", "iteration", "evaluation", "repeat"}
#: What one pass over the test examples is told apart by.
ONE_ANSWER = ["target", "arm", "level", "seed", "step", "repeat"]


def factor_columns(table: pd.DataFrame) -> list[str]:
    """The columns of the factors in a table of a run: they stand between the arm and the seed."""
    names = list(table.columns)
    return names[names.index("arm") + 1 : names.index("seed")]


def scored_answers(table: pd.DataFrame, rows: pd.DataFrame, metric: str) -> tuple[np.ndarray, str, str]:
    """The score of each answer, the metric's name, which is accuracy or AUROC unless named, and what was compared.

    Args:
        rows: of the same index as the table, whose ``ONE_ANSWER`` says which answers are scored together.

    Raises:
        DataError: for a table without labels and predictions. UnknownNameError: for another metric.
    """
    several = {"labels", "scores"} <= set(table.columns) and bool(table["scores"].notna().any())
    answers, truth = ("scores", "labels") if several else ("prediction", "label")
    if not {answers, truth} <= set(table.columns):
        numbers = table.select_dtypes("number").columns
        raise DataError(
            f"no column is called like one of values (value, score, accuracy, ...): name one of "
            f"{', '.join(numbers) or 'the columns, of which none has numbers,'} by --value."
        )
    chosen = find(metric or DEFAULT[several])
    columns = table[answers].to_numpy(), table[truth].to_numpy()
    scores = np.full(len(table), np.nan)
    for places in rows.groupby(ONE_ANSWER, dropna=False).indices.values():
        scores[places] = chosen.scores(*(np.stack(list(column[places])) for column in columns))
    return scores, chosen.name, f"column {answers!r} against {truth!r}"
