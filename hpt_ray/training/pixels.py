"""Where the pixels of a data set are while a stage trains on it: decided by bytes, and with the same bits everywhere.

1. Resident: all images are on the device. They stay there for the next stages of the process.
2. Host: a set too large for that stays in the memory map, and each batch's images are sent with its parameters.
3. Encoded: images stay in their files, and each batch's crops are sent (see ``cropped``). Views are then cut from other
   pixels than those of a decoded square, which is part of the data set's fingerprint.

On a CPU the memory map is the device's own memory, and nothing is sent.
"""

from __future__ import annotations

import gc
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpt_ray.data.dataset import Dataset, Indices
from hpt_ray.training.augment.draws import Draws, Integers
from hpt_ray.training.augment.transfer import Later
from hpt_ray.training.device import free_memory

#: Of the memory that a GPU has for a stage: what images may take, with those of the stages before.
SHARE = 0.6


@dataclass(frozen=True)
class View:
    """One view of some images: their indices in the data set [n], and a row of draws for each."""

    indices: Indices
    draws: Draws


class Pixels(Protocol):
    """The images of a data set, as a step gets at them."""

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width of what ``images`` returns; None if that is crops."""

    def extents(self, indices: Indices) -> tuple[Integers, Integers]:
        """Heights and widths [n] of the images that crops are drawn from, in pixels."""

    def contents(self, views: Sequence[View]) -> dict[str, NDArray[Any] | Later]:
        """What the host sends to the device for a step's views, by name."""

    def images(self, arrays: Mapping[str, Tensor], which: int) -> Tensor:
        """The images of one of the views on the device, uint8 [n, C, H, W], from what was sent; or their crops, float32
        [n, C, S, S] on [0, 1]."""


class Stored:
    """Images in the device's own memory, uint8 [N, C, H, W]."""

    def __init__(self, stored: Tensor) -> None:
        self.stored = stored

    @property
    def shape(self) -> tuple[int, int]:
        return self.stored.shape[2], self.stored.shape[3]

    def extents(self, indices: Indices) -> tuple[Integers, Integers]:
        return np.full(len(indices), self.shape[0]), np.full(len(indices), self.shape[1])

    def contents(self, views: Sequence[View]) -> dict[str, NDArray[Any] | Later]:
        return {f"{which} place": view.indices for which, view in enumerate(views)}

    def images(self, arrays: Mapping[str, Tensor], which: int) -> Tensor:
        return self.stored.index_select(0, arrays[f"{which} place"])  # on a CPU 16 times faster than indexing


class Sent(Stored):
    """Images in memory of the host: those of a step go to the device with it, each once whatever its views."""

    def contents(self, views: Sequence[View]) -> dict[str, NDArray[Any] | Later]:
        indices, places = np.unique(np.concatenate([view.indices for view in views]), return_inverse=True)

        def gather(images: NDArray[Any]) -> None:
            np.take(self.stored.numpy(), indices, axis=0, out=images, mode="clip")  # other modes take a buffer

        ends = np.cumsum([len(view.indices) for view in views])[:-1]
        named = {f"{which} place": part for which, part in enumerate(np.split(places, ends))}
        return {"images": Later((len(indices), *self.stored.shape[1:]), np.uint8, gather), **named}

    def images(self, arrays: Mapping[str, Tensor], which: int) -> Tensor:
        return arrays["images"][arrays[f"{which} place"]]


def pixels_of(data: Dataset, device: torch.device) -> Pixels:
    """The images of a data set for steps on a device, where they have room."""
    images = _mapped(data)
    if device.type != "cuda":
        return Stored(images)
    resident = _resident(data.fingerprint, images, device)
    return Sent(images) if resident is None else Stored(resident)


#: By fingerprint and device, the one that was asked for last at the end.
_kept: OrderedDict[tuple[str, torch.device], Tensor] = OrderedDict()


def _resident(fingerprint: str, images: Tensor, device: torch.device) -> Tensor | None:
    """A copy on the device, kept for the next stages; None if it has no room there.

    Copies of other data sets stay only as long as all together are within the share, so a stage always finds the same
    part of the device's memory free of images.
    """
    key = fingerprint, device
    if key not in _kept:
        gc.collect()  # what the last stage left in circles may hold copies
        room = SHARE * (free_memory(device) + sum(other.nbytes for other in _kept.values()))
        if images.nbytes > room:
            return None
        while images.nbytes + sum(other.nbytes for other in _kept.values()) > room:
            _kept.popitem(last=False)
        try:
            _kept[key] = images.to(device)
        except torch.OutOfMemoryError:  # another process that shares the device was faster
            return None
    _kept.move_to_end(key)
    return _kept[key]


def _mapped(data: Dataset) -> Tensor:
    """All images, uint8 [N, C, H, W]: the mapped pages, to which nothing writes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(data.resident)
