"""Tables that hold answers and not scores: predictions beside labels, as those of this project's own runs do."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hpt_ray.analysis.measures.column_values import holds_numbers, numeric, texts_of
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


def scored_answers(table: pd.DataFrame, rows: pd.DataFrame, metric: str) -> tuple[np.ndarray, str, tuple[str, str]]:
    """The score of each answer, the metric's name, which is accuracy or AUROC unless named, and the two columns.

    Args:
        rows: of the same index as the table, whose ``ONE_ANSWER`` says which answers are scored together.

    Raises:
        DataError: for a table without labels and predictions, or whose predictions are no labels. UnknownNameError:
            for another metric.
    """
    several = {"labels", "scores"} <= set(table.columns) and bool(table["scores"].notna().any())
    answers, truth = ("scores", "labels") if several else ("prediction", "label")
    if not {answers, truth} <= set(table.columns):
        numbers = [str(name) for name in table if holds_numbers(table[name])]
        raise DataError(
            f"no column is called like one of values (value, score, accuracy, ...): name one of "
            f"{', '.join(numbers) or 'the columns, of which none has numbers,'} by --value."
        )
    chosen = find(metric or DEFAULT[several])
    columns = _lists(table, answers, truth) if several else _classes(table, answers, truth)
    scores = np.full(len(table), np.nan)
    for places in rows.groupby(ONE_ANSWER, dropna=False).indices.values():
        scores[places] = chosen.scores(*(np.stack(list(column[places])) for column in columns))
    return scores, chosen.name, (answers, truth)


def _lists(table: pd.DataFrame, *names: str) -> list[np.ndarray]:
    """Columns of several values an image, as they are in Parquet."""
    for name in names:
        if any(isinstance(cell, str) for cell in table[name]):
            raise DataError(f"the column {name!r} has lists written as text: give the table as Parquet.")
    return [table[name].to_numpy() for name in names]


def _classes(table: pd.DataFrame, answers: str, truth: str) -> list[np.ndarray]:
    """Predictions and labels as numbers of classes, equal where these are, whether they are names or numbers."""
    pair = table[[answers, truth]]
    if len(missing := np.flatnonzero(pair.isna().any(axis=1))):
        row = table.index[missing[0]] + 1
        raise DataError(f"row {row} has no {answers} or no {truth}: fill it in, or leave the example out everywhere.")
    convert = numeric if all(holds_numbers(pair[name]) for name in pair) else texts_of
    predicted, labels = (convert(pair[name]).to_numpy() for name in pair)
    if not set(predicted) & set(labels):
        raise DataError(
            f"no {answers} is any {truth}, such as {predicted[0]!s} and {labels[0]!s}: write both in the same way."
        )
    codes = pd.factorize(np.concatenate([predicted, labels]))[0].astype(np.int64)
    return [codes[: len(pair)], codes[len(pair) :]]
