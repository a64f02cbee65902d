from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.expectation import LARGE, OWN_BASE, TEST, can_show


def power(difference: float, rows: int, images: int, studies: int = 20_000) -> float:
    """The share of simulated studies whose interval excludes zero: Student's over rows, the normal's over images."""
    generator = np.random.default_rng(0)
    test = TEST * math.sqrt(800 / images)
    values = difference + OWN_BASE * generator.standard_normal((studies, rows))
    means = values.mean(axis=1) + test * generator.standard_normal(studies)
    seen = values.var(axis=1, ddof=1) / rows
    half = np.sqrt(stats.t.ppf(0.975, rows - 1) ** 2 * seen + (stats.norm.ppf(0.975) * test) ** 2)
    return float((abs(means) > half).mean())


@pytest.mark.parametrize(("rows", "images"), [(3, 800), (5, 200), (12, 4000)])
def test_the_smallest_difference_is_shown_by_four_of_five_simulated_studies(rows: int, images: int) -> None:
    shown = can_show([], images, rows, own_bases=True)
    assert shown.smallest is not None and not shown.measured
    assert power(shown.smallest, rows, images) == pytest.approx(0.8, abs=0.015)


def test_as_many_rows_as_are_needed_show_three_points() -> None:
    needed = can_show([], 4000, 3, own_bases=True).needed
    assert needed is not None
    enough, few = (can_show([], 4000, rows, own_bases=True).smallest for rows in (needed, needed - 1))
    assert enough is not None and few is not None and enough <= LARGE < few


def test_few_test_images_or_one_row_show_nothing_whatever_the_seeds() -> None:
    assert can_show([], 50, 3, own_bases=True).needed is None
    assert can_show([], 800, 1, own_bases=True).smallest is None
