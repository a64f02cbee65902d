"""The bases of a study: networks that its arms start from and that never saw the target, and which seeds share one."""

from __future__ import annotations

from dataclasses import dataclass

from hpt_ray.spec.grid import seed_of
from hpt_ray.spec.study import Study, Weights


@dataclass(frozen=True)
class Bases:
    """The bases of a study.

    Attributes:
        role: what they are called in its arms; of several roles, the one that has the fewest.
        number: how many different ones its seeds have, at any one level of the factors.
        given: whether they were pretrained elsewhere, and are loaded.
        levels: whether a factor varies them, so that there are so many at each of its levels.
        groups: the seeds that share a base, by their positions in ``study.seeds``.
    """

    role: str
    number: int
    given: bool
    levels: bool
    groups: tuple[tuple[int, ...], ...]


def bases(study: Study) -> Bases | None:
    """The bases of a study; None where every arm starts from scratch.

    A base is given weights, or was pretrained on other data than the target, and an arm begins with it.
    """
    recipes = {role: study.recipes[role] for role in dict.fromkeys(arm.phases[0].role for arm in study.arms)}
    own = [role for role, recipe in recipes.items() if isinstance(recipe, Weights) or recipe.data is not None]
    by_role = {role: _groups(study, role) for role in own}
    if not by_role:
        return None
    role = min(by_role, key=lambda role: len(by_role[role]))
    return Bases(
        role=role,
        number=len(by_role[role]),
        given=isinstance(study.recipes[role], Weights),
        levels=any(role in factor.roles for factor in study.factors),
        groups=by_role[role],
    )


def _groups(study: Study, role: str) -> tuple[tuple[int, ...], ...]:
    """The positions of the seeds that share a network of a role."""
    groups: dict[int, list[int]] = {}
    for position, seed in enumerate(study.seeds):
        groups.setdefault(seed_of(study.recipes[role], seed), []).append(position)
    return tuple(map(tuple, groups.values()))
