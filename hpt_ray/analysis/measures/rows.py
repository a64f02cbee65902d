"""The rows that an interval rests on: seeds, or where several seeds share one of several bases, the bases.

Seeds that share a base share its luck, so that more of them do not make a statement about other bases more certain:
their mean is one observation. Of a single base nothing can be said about others, and the seeds are the rows.
"""

from __future__ import annotations

import numpy as np

from hpt_ray.spec.bases import bases
from hpt_ray.spec.study import Study


def rows(study: Study) -> tuple[tuple[int, ...], ...]:
    """The seeds of each row, by their positions in ``study.seeds``."""
    shared = bases(study)
    if shared is None or shared.number == 1:
        return tuple((position,) for position in range(len(study.seeds)))
    return shared.groups


def by_row(study: Study, by_seed: np.ndarray) -> np.ndarray:
    """Values [seeds, examples] as [rows, examples]: the mean of a row's seeds that have values, NaN without any."""
    groups = rows(study)
    if len(groups) == len(by_seed):
        return by_seed
    values = np.full((len(groups), by_seed.shape[1]), np.nan)
    for row, positions in enumerate(groups):
        complete = [position for position in positions if not np.isnan(by_seed[position]).any()]
        if complete:
            values[row] = by_seed[complete].mean(axis=0)
    return values
