"""The grid of a study: its factor levels in every combination, and how each role comes about there."""

from __future__ import annotations

import itertools

from pydantic import ValidationError

from hpt_ray.core import registry
from hpt_ray.core.errors import StudyError, explain
from hpt_ray.spec.study import Pretraining, Study, Weights


def grid(study: Study) -> list[dict[str, str]]:
    """Every combination of factor levels, each as a dictionary from factor name to level name."""
    names = [factor.name for factor in study.factors]
    combinations = itertools.product(*(factor.levels for factor in study.factors))
    return [dict(zip(names, levels, strict=True)) for levels in combinations]


def recipes_at(study: Study, levels: dict[str, str]) -> dict[str, Pretraining | Weights]:
    """The recipe of each role at one level of each factor.

    Raises:
        StudyError: for a factor level that makes no valid recipe.
    """
    recipes = dict(study.recipes)
    for factor in study.factors:
        level = levels[factor.name]
        for role in factor.roles:
            recipe = recipes[role]
            assert isinstance(recipe, Pretraining)
            try:
                recipes[role] = Pretraining.model_validate(recipe.model_dump() | factor.changes(level))
            except ValidationError as error:
                raise StudyError(
                    f"study {study.name}: level {level!r} of factor {factor.name!r}: {explain(error)}."
                ) from error
    return recipes


def recipes_of(study: Study) -> list[Pretraining | Weights]:
    """Every recipe that at least one cell uses, without duplicates.

    Raises:
        StudyError: for a factor level that makes no valid recipe.
    """
    roles = {phase.role: None for arm in study.arms for phase in arm.phases}
    used: list[Pretraining | Weights] = []
    for levels in grid(study):
        recipes = recipes_at(study, levels)
        used += [recipes[role] for role in roles if recipes[role] not in used]
    return used


def data_of(study: Study) -> list[str]:
    """Every data set a study names, targets first."""
    named = {recipe.data for recipe in recipes_of(study) if isinstance(recipe, Pretraining) and recipe.data}
    tested = tested_on(study)
    return [*tested, *sorted(named - set(tested))]


def tested_on(study: Study) -> list[str]:
    """Every data set that weights are evaluated on, targets first."""
    return list(dict.fromkeys([*study.targets, *(item.data for item in study.evaluations if item.data)]))


def python_files_of(study: Study) -> list[str]:
    """The paths of Python files in a study: data sets, backbone, methods, probes, metric, dashboard."""
    named = {recipe.method for recipe in recipes_of(study) if isinstance(recipe, Pretraining)}
    named |= {evaluation.probe for evaluation in study.evaluations} | {study.metric or "", study.dashboard or ""}
    named.add(registry.family("backbones", study.backbone)[0])
    data = {spec for spec in data_of(study) if spec.partition(":")[0].endswith(".py")}
    return sorted(data.union(filter(registry.is_path, named)))


def depends_on_seed(recipe: Pretraining | Weights) -> bool:
    """Whether a role differs from seed to seed."""
    return isinstance(recipe, Pretraining) and recipe.seed is None and recipe.seeds != 1


def seed_of(recipe: Pretraining | Weights, seed: int) -> int:
    """The seed that a role is pretrained with in a cell of this seed; 0 of given weights."""
    if isinstance(recipe, Weights):
        return 0
    if recipe.seed is not None:
        return recipe.seed
    return seed if recipe.seeds is None else seed % recipe.seeds
