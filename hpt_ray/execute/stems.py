"""What becomes of first layers where networks go on from images of one number of channels to images of another."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise, product

from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.grid import grid, recipes_at
from hpt_ray.spec.study import Study, Weights
from hpt_ray.training.stem import told


def notes(study: Study, datasets: Mapping[str, Dataset], weights: Mapping[str, int]) -> list[str]:
    """A line for every change of channels along the study's arms, of phases and of evaluations.

    Args:
        weights: the channels of the images that given weights are made for, by their source.
    """
    lines = dict[str, None]()
    for levels in grid(study):
        recipes = recipes_at(study, levels)
        for target in study.targets:
            for arm in study.arms:
                steps = []
                for phase in arm.phases:
                    recipe = recipes[phase.role]
                    if isinstance(recipe, Weights):
                        steps.append((recipe.source, weights[recipe.source]))
                    else:
                        data = datasets[recipe.data or target]
                        steps.append((data.name, data.channels))
                tested = [datasets[item.data or target] for item in study.evaluations]
                ends = [(data.name, data.channels) for data in tested]
                for (before, given), (after, channels) in [*pairwise(steps), *product(steps[-1:], ends)]:
                    if given != channels:
                        lines[f"From {before} to {after} the first layer {told(given, channels)}."] = None
    return list(lines)
