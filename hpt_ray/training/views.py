"""The views of a step: prepared on the host, sent to the device in one copy and computed there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpt_ray.core.channels import RGB
from hpt_ray.data.dataset import Dataset, Indices
from hpt_ray.spec.policy import Policy
from hpt_ray.training.augment.augment import parameters, render
from hpt_ray.training.augment.draws import Draws, draw
from hpt_ray.training.augment.transfer import Parcel, copy_stream
from hpt_ray.training.cropped import Cropped
from hpt_ray.training.pixels import Pixels, View, pixels_of


class Views:
    """Makes views of a data set's images under one policy on one device.

    Args:
        size: the side of a view in pixels.
        normalised: by the data set's mean and standard deviation; else views are on [0, 1].
    """

    def __init__(
        self,
        data: Dataset,
        policy: Policy,
        size: int,
        device: torch.device,
        *,
        precision: str = "float32",
        normalised: bool = True,
    ) -> None:
        self.policy = policy if data.channels == RGB else policy.without_colour()
        self.size, self.device = size, device
        self.dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self.mean, self.std = (data.mean, data.std) if normalised else ((0.0,) * data.channels, (1.0,) * data.channels)
        self.pixels: Pixels = pixels_of(data, device) if data.encoded is None else Cropped(data.encoded, size)
        self.stream = copy_stream(device)

    def draw(self, rng: np.random.Generator, indices: Indices) -> Draws:
        """A row of draws for each of some images, cropped from its full extent."""
        return draw(self.policy, rng, len(indices), *self.pixels.extents(indices))

    def prepare(self, views: Sequence[View], **others: NDArray[Any]) -> Parcel:
        """All that a step needs from the host, on its way to the device; any thread may call this.

        Args:
            others: arrays that go along, such as labels.
        """
        contents = self.pixels.contents(views) | others
        for which, view in enumerate(views):
            rows = parameters(view.draws, self.policy, self.size, self.pixels.shape, self.mean, self.std)
            contents |= {f"{which} {name}": row for name, row in rows.items()}
        return Parcel(contents, self.device, self.stream)

    def render(self, arrays: Mapping[str, Tensor], which: int) -> Tensor:
        """One of the views [n, C, S, S], channels_last, from what ``prepare`` has sent."""
        prefix = f"{which} "
        rows = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        return render(self.pixels.images(arrays, which), rows, self.size, self.dtype)
