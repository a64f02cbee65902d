"""The seeds of a study that grows, and the studies that cannot."""

from __future__ import annotations

import pytest

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.growing import growing
from tests.support import simulate_search, small


def test_seeds_are_those_of_the_study_and_then_the_next_numbers() -> None:
    assert growing(small.study(seeds=(0, 4)), 8).seeds == (0, 4, 5, 6, 7, 8, 9, 10)


def test_what_cannot_grow_is_refused() -> None:
    with pytest.raises(StudyError, match="searches with some of its seeds"):
        growing(simulate_search.study(), 24)
    with pytest.raises(StudyError, match=r"names 2 seeds: set --max-seeds to 2 or more"):
        growing(small.study(seeds=(0, 1)), 1)
