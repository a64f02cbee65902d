"""The images of a stage, in an order that its seed alone decides, and the views that a step makes of them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hpt_ray.core.errors import DataError, StudyError
from hpt_ray.core.identity import stream
from hpt_ray.data.dataset import Dataset, Indices
from hpt_ray.spec.recipe import Recipe
from hpt_ray.spec.schedule import trunk_of
from hpt_ray.training.ahead import Ahead, depth_on
from hpt_ray.training.method import Batch, Method
from hpt_ray.training.pixels import View
from hpt_ray.training.views import Views
from hpt_ray.training.workers import Workers

if TYPE_CHECKING:
    from hpt_ray.training.augment.transfer import Parcel

#: Before the names of what a method draws itself, among the arrays of a step.
DRAWN = "drawn "


def pretraining_indices(recipe: Recipe, data: Dataset, seed: int, supervised: bool) -> Indices:
    """Sorted indices of the images that a stage may see, the same for every arm of a seed.

    Raises:
        DataError: if there are fewer than a batch although no smaller fraction was asked for, or none at all.
    """
    indices, what = data.pretraining(recipe.fraction, seed), "images"
    if supervised:
        if data.targets is not None:
            raise DataError(
                f"supervised pretraining takes one label an image and {data.spec} has several: use a self-supervised "
                "method."
            )
        indices, what = np.intersect1d(indices, data.evaluation()["train"]), "labelled train images"
    if recipe.fraction == 1 and len(indices) < recipe.batch:
        raise DataError(
            f"data set {data.spec} has {len(indices)} {what} to pretrain on, fewer than a batch of {recipe.batch}: "
            "use a smaller batch (and group) or more images."
        )
    if len(indices) == 0:
        raise DataError(
            f"data set {data.spec} has no {what} in a fraction of {recipe.fraction:g} at seed {seed}: "
            "use a larger fraction."
        )
    return indices


class Batches:
    """The global batches of one stage, as one of its workers sees them: an independent permutation of its images per
    epoch."""

    def __init__(
        self,
        recipe: Recipe,
        data: Dataset,
        method: type[Method],
        *,
        iterations: int,
        image_size: int,
        seed: int,
        precision: str,
        workers: Workers,
    ) -> None:
        """
        Raises:
            DataError: as ``pretraining_indices``. StudyError: if the groups cannot be shared out equally.
        """
        self.recipe, self.data, self.iterations, self.seed = recipe, data, iterations, seed
        self.method, self.options = method, method.options(recipe.options)
        self.indices = pretraining_indices(recipe, data, seed, method.supervised)
        share = workers.share(recipe.batch // recipe.group)
        self.own = np.arange(share.start * recipe.group, share.stop * recipe.group)
        self.views = Views(data, recipe.policy, image_size, workers.device, precision=precision)
        # To draw the permutation of a large data set takes as long as a small network's step.
        self._epoch = lru_cache(maxsize=2)(self._permutation)
        self._ahead = Ahead(self._prepare, depth_on(workers.device), iterations)

    def indices_of(self, iteration: int) -> Indices:
        """The images [batch] of one iteration's global batch; the rest of an epoch that fills no batch is left out.

        A subset smaller than a batch is the exception: its epochs follow each other without a gap, and an image may be
        in a batch more than once, each time with views of its own. A smaller batch instead would change the steps and
        the normalisation groups along with the number of images, and a study of the latter could not tell them apart.
        """
        count, batch = len(self.indices), self.recipe.batch
        if count < batch:
            first, last = iteration * batch // count, ((iteration + 1) * batch - 1) // count
            order = np.concatenate([self._epoch(epoch) for epoch in range(first, last + 1)])
            return order[iteration * batch - first * count :][:batch]
        epoch, place = divmod(iteration, count // batch)
        return self._epoch(epoch)[place * batch : (place + 1) * batch]

    def _permutation(self, epoch: int) -> Indices:
        return self.indices[stream(self.seed, "order", epoch).permutation(len(self.indices))]

    def batch(self, iteration: int) -> Batch:
        """One iteration's global batch; its draws are those of any number of workers."""
        arrays, recipe = self._ahead(iteration).opened(), self.recipe
        count = len(self.method.views)

        def view(which: int) -> tuple[Tensor, ...]:
            if not 0 <= which < count:
                raise StudyError(
                    f"method {recipe.method} asks for view {which} and has {count}: list all in its `views`."
                )
            return torch.split(self.views.render(arrays, which), recipe.group)

        return Batch(
            iteration,
            recipe.batch,
            recipe.group,
            view,
            iterations=self.iterations,
            trunk=trunk_of(recipe, self.iterations),
            labels=torch.split(arrays["labels"], recipe.group),
            shuffled=arrays["shuffled"],
            drawn={name.removeprefix(DRAWN): array for name, array in arrays.items() if name.startswith(DRAWN)},
        )

    def _prepare(self, iteration: int) -> Parcel:
        """What this worker's step needs from the host: a function of seed and iteration alone."""
        indices = self.indices_of(iteration)
        shuffled = stream(self.seed, "shuffle", iteration).permutation(self.recipe.batch)
        places = {"batch": self.own, "shuffled": shuffled[self.own]}
        views = []
        for which, order in enumerate(self.method.views):
            draws = self.views.draw(stream(self.seed, "augment", iteration, which), indices)
            views.append(View(indices[places[order]], draws[places[order]]))
        drawn = self.method.draws(self.options, self.seed, iteration, self.recipe.batch, self.views.size)
        others = {DRAWN + name: array for name, array in drawn.items()}
        return self.views.prepare(views, labels=self.data.labels[indices[self.own]], shuffled=shuffled, **others)
