"""The claim on one arm of a table against the baseline: paired or not, over test examples or over values of runs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hpt_ray.analysis.claim import Claim, of_scores, with_luck_of
from hpt_ray.analysis.measures.failures import Failed
from hpt_ray.analysis.measures.long_table import LongTable
from hpt_ray.analysis.measures.text_format import listed
from hpt_ray.analysis.need import needed_seeds
from hpt_ray.analysis.stats import student
from hpt_ray.analysis.stats.bootstrap import Interval, replicate

ALIKE = "the difference is the same in all runs, which shows nothing of luck"
ONE_VALUE = "one value of each"


def compare_arms(table: LongTable, target: str, arm: str) -> Claim:
    """The claim, still to be settled, on an arm against the baseline at the first level."""
    mine, others = table.values(target, arm), table.values(target, table.baseline)
    have = _have(mine), _have(others)
    if table.by_example and all(rows.sum() == 1 for rows in have):  # two networks, whatever their seeds are called
        mine, others = mine[have[0]], others[have[1]]
        have = _have(mine), _have(others)
    shared, either = have[0] & have[1], have[0] | have[1]
    unpaired = apart(table, target, arm)
    left_out = int(either.sum() - shared.sum())
    levels = {table.level_of: table.levels[0]} if any(table.levels) else {}
    sides = arm, table.baseline
    if table.by_example and not unpaired:
        claim = of_scores(table.better(mine, others), table.margin, measure=table.metric, sides=sides, most=table.most)
        if claim.difference and table.can_vary and shared.sum() > 1:
            claim = with_luck_of(claim, [_apart(table, target, arm, level) for level in table.levels])
    else:
        if unpaired:
            claim = _unpaired(table, mine[have[0]], others[have[1]])
        else:
            claim = _paired(table, mine[shared], others[shared])
        claim = replace(claim, subject=arm, against=table.baseline)
    return replace(
        claim,
        lacking="" if claim.difference else _lacking(table, sides, have),
        levels=levels,
        against_levels=levels,
        failed=Failed(left_out, int(either.sum())) if claim.difference and left_out and not unpaired else None,
        need=claim.need if table.over_seeds else None,
        unit=table.unit,
    )


def _apart(table: LongTable, target: str, arm: str, level: str) -> np.ndarray:
    """How much better than the baseline an arm is at a level, [seeds, examples]; NaN where either has no result."""
    return table.better(table.values(target, arm, level), table.values(target, table.baseline, level))


def _have(values: np.ndarray) -> np.ndarray:
    """Which seeds have scores [seeds, examples]."""
    complete: np.ndarray = ~np.isnan(values).any(axis=1) & bool(values.shape[1])
    return complete


def apart(table: LongTable, target: str, arm: str) -> bool:
    """Whether an arm and the baseline share no seeds that they could be paired by."""
    have = [_have(table.values(target, each)) for each in (arm, table.baseline)]
    return not table.paired or int((have[0] & have[1]).sum()) < 2 <= min(int(rows.sum()) for rows in have)


def _paired(table: LongTable, mine: np.ndarray, others: np.ndarray) -> Claim:
    """On one value a seed, the seeds being shared: Student's interval of their differences."""
    values = table.better(mine, others)
    difference = student.mean(values[:, 0], table.most)
    need = functools.partial(needed_seeds, values, table.margin) if difference else None
    return replace(_claim(table, difference), need=need)


def _unpaired(table: LongTable, mine: np.ndarray, others: np.ndarray) -> Claim:
    """On seeds that are not shared: Welch's interval or, on the same test examples, the bootstrap's of both means."""
    sign = 1 if table.higher else -1
    if not table.by_example:
        return _claim(table, student.difference(sign * mine[:, 0], sign * others[:, 0], table.most))
    rows = len(mine) + len(others)
    values = np.full((2, rows, mine.shape[1]), np.nan)
    values[0, : len(mine)], values[1, len(mine) :] = sign * mine, sign * others
    means = replicate(values, most=table.most)
    return _claim(table, means.interval(lambda each: each[..., 0] - each[..., 1], [0, 1]))


def _claim(table: LongTable, difference: Interval | None) -> Claim:
    return Claim(table.metric, "", "", difference, table.metric, "", margin=table.margin)


def _lacking(table: LongTable, sides: tuple[str, str], have: Sequence[np.ndarray]) -> str:
    """Why two arms have no difference."""
    empty = [arm for arm, rows in zip(sides, have, strict=True) if not rows.any()]
    if empty and table.by_example and not any(rows.any() for rows in have):
        return "no test example that all runs have"
    if empty:
        return f"no result for {listed(empty)}"
    if table.by_example:
        return "no seed in common"
    return ALIKE if min(int(rows.sum()) for rows in have) > 1 else ONE_VALUE
