"""The images of a stage, in an order that its seed alone decides, and the views that are made of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from hpt_ray.core.errors import DataError
from hpt_ray.core.identity import stream
from hpt_ray.data.dataset import Dataset, Indices
from hpt_ray.spec.recipe import Recipe
from hpt_ray.training.augment.augment import views
from hpt_ray.training.augment.draws import Draws, draw
from hpt_ray.training.augment.transfer import to_device
from hpt_ray.training.method import Batch


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
    """The global batches of one stage: an independent permutation of its images per epoch."""

    def __init__(
        self,
        recipe: Recipe,
        data: Dataset,
        *,
        iterations: int,
        image_size: int,
        seed: int,
        precision: str,
        device: torch.device,
        supervised: bool,
    ) -> None:
        """Raises DataError as ``pretraining_indices``."""
        self.recipe, self.data, self.iterations, self.image_size = recipe, data, iterations, image_size
        self.seed, self.precision = seed, precision
        self.indices = pretraining_indices(recipe, data, seed, supervised)
        with warnings.catch_warnings():
            # And nothing writes to it.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            images = torch.from_numpy(data.images)
        self.images = images.to(device) if device.type == "cuda" else images  # uint8 [N, 3, H, W]
        # To draw the permutation of a large data set takes as long as a small network's step.
        self._epoch = lru_cache(maxsize=2)(self._permutation)
        # On a CPU a second thread would take a core from another stage.
        self._thread = ThreadPoolExecutor(1, "draws") if device.type == "cuda" else None
        self._ahead: tuple[int, Future[list[Draws]]] | None = None

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
        """One iteration's global batch, with draws that every worker knows."""
        indices, draws = self.indices_of(iteration), self._draws(iteration)

        def view(positions: Tensor, which: int) -> Tensor:
            places = positions.numpy()
            return views(
                self.images[to_device(indices[places], self.images.device)],
                draws(which)[places],
                self.recipe.policy,
                self.image_size,
                self.data.mean,
                self.data.std,
                dtype=torch.bfloat16 if self.precision == "bfloat16" else torch.float32,
            )

        def labels(positions: Tensor) -> Tensor:
            return to_device(self.data.labels[indices[positions.numpy()]], self.images.device)

        recipe = self.recipe
        return Batch(iteration, recipe.batch, recipe.group, view, iterations=self.iterations, labels=labels)

    def _draws(self, iteration: int) -> Callable[[int], Draws]:
        """Which view -> the draws of the global batch; where the device is a GPU, a thread has them ready."""
        if self._thread is None:
            return lru_cache(partial(self._draw, iteration))
        ahead = self._ahead
        if ahead is None or ahead[0] != iteration:
            ahead = iteration, self._thread.submit(self._draw_both, iteration)
        self._ahead = iteration + 1, self._thread.submit(self._draw_both, iteration + 1)
        return ahead[1].result().__getitem__

    def _draw_both(self, iteration: int) -> list[Draws]:
        return [self._draw(iteration, which) for which in (0, 1)]

    def _draw(self, iteration: int, which: int) -> Draws:
        rng = stream(self.seed, "augment", iteration, which)
        return draw(self.recipe.policy, rng, self.recipe.batch, *self.images.shape[-2:])
