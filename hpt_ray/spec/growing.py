"""A study that grows seed by seed, with all the seeds that it may have."""

from __future__ import annotations

import itertools

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.study import Study


def growing(study: Study, most: int | None) -> Study:
    """The study with as many seeds as there may be: those that it names, and then the next numbers.

    Args:
        most: how many; None: the study does not grow, and stays as it is.

    Raises:
        StudyError: for a search, whose seeds have other parts to play, or a study that names more.
    """
    if most is None:
        return study
    if study.search is not None:
        raise StudyError(
            f"study {study.name} searches with some of its seeds and confirms with others, so it cannot grow until it "
            "is decided: leave --until-decided out."
        )
    if len(study.seeds) > most:
        raise StudyError(
            f"study {study.name} names {(number := len(study.seeds))} seeds: set --max-seeds to {number} or more."
        )
    following = itertools.count(max(study.seeds) + 1)
    return study.model_copy(update={"seeds": (*study.seeds, *itertools.islice(following, most - len(study.seeds)))})
