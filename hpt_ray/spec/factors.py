"""The factors that several studies vary in target pretraining: augmentation policy, share of the images, budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from hpt_ray.core.errors import StudyError
from hpt_ray.core.registry import is_path, load, name_of
from hpt_ray.spec.policy import Policy, with_hue
from hpt_ray.spec.study import Factor, Pretraining

Level = TypeVar("Level")


def policies(names: tuple[str, ...], recipe: Pretraining) -> Factor:
    """Augmentation policies, the first of them the baseline.

    Args:
        names: of policies, or paths to their files.
        recipe: of the target, whose jitter of hue holds for the named policies: a user's own file says what it says.
    """
    jitter = recipe.policy.color_jitter

    def level(name: str) -> Policy:
        policy: Policy = load("policies", name, Policy)
        return with_hue(policy, jitter.hue) if jitter and not is_path(name) else policy

    levels = by_level("policy", names, level)
    return Factor(name="policy", field="policy", levels=levels, baseline=next(iter(levels)))


def by_level(kind: str, names: Iterable[str], value: Callable[[str], Level]) -> dict[str, Level]:
    """The value of each name or path, by what it is called in results.

    Raises:
        StudyError: for two of one name.
    """
    levels: dict[str, Level] = {}
    for name in names:
        if name_of(name) in levels:
            raise StudyError(f"two levels are called {name_of(name)!r}: name each {kind} once, or rename a file.")
        levels[name_of(name)] = value(name)
    return levels


def fractions(percent: Iterable[float]) -> Factor:
    """Shares of the target's pretraining images, in per cent; the largest is the baseline."""
    shares = sorted(percent)
    return Factor(
        name="fraction",
        field="fraction",
        levels={f"{share:g} %": share / 100 for share in shares},
        baseline=f"{shares[-1]:g} %",
    )


def budgets(
    iterations: Iterable[int], *, baseline: int | None = None, only: Mapping[str, Iterable[int]] | None = None
) -> Factor:
    """Iteration budgets, each a pretraining of its own; the largest is the baseline, unless another is.

    Args:
        only: the budgets of an arm, by its chain, that does not have them all.
    """
    numbers = sorted({*iterations})
    return Factor(
        name="iterations",
        field="iterations",
        levels={str(number): number for number in numbers},
        baseline=str(baseline or numbers[-1]),
        only={arm: tuple(map(str, own)) for arm, own in (only or {}).items()},
    )
