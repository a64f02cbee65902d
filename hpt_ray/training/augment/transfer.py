"""Values of the host on their way to the device: all that a step needs in one copy, which nothing waits for."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Bytes. Kernels for matrices want to begin at a multiple of this.
ALIGNMENT = 256


def to_device(values: NDArray[Any] | Tensor, device: torch.device) -> Tensor:
    """Values of the host on the device, which nothing waits for: they go to a GPU from pinned memory."""
    host = values if isinstance(values, Tensor) else torch.from_numpy(values)
    return host.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else host.to(device)


def copy_stream(device: torch.device) -> torch.cuda.Stream | None:
    """A stream for copies to a GPU beside what it computes; None on a CPU."""
    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Later:
    """An array that is written where it will lie: large ones are not copied once more."""

    shape: tuple[int, ...]
    dtype: type[np.generic]
    write: Callable[[NDArray[Any]], None]


class Parcel:
    """Arrays of the host side by side in one buffer, sent to the device in one copy as soon as they are there.

    The host's buffer is pinned where the device is a GPU. torch keeps such buffers and uses one again once its copy is
    done, so a loop has as many of them as it has parcels at a time.
    """

    def __init__(
        self, contents: Mapping[str, NDArray[Any] | Later], device: torch.device, stream: torch.cuda.Stream | None
    ) -> None:
        """
        Args:
            stream: that the copy is made on, from ``copy_stream``; None for the current one.
        """
        self._places: dict[str, tuple[int, tuple[int, ...], torch.dtype]] = {}
        size = 0
        for name, content in contents.items():
            dtype = torch.from_numpy(np.empty(0, content.dtype)).dtype
            self._places[name] = size, content.shape, dtype
            size += math.ceil(math.prod(content.shape) * dtype.itemsize / ALIGNMENT) * ALIGNMENT
        buffer = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
        for name, host in self._arrays(buffer).items():
            content, array = contents[name], host.numpy()
            if isinstance(content, Later):
                content.write(array)
            else:
                np.copyto(array, content)
        with torch.cuda.stream(stream) if stream is not None else contextlib.nullcontext():
            self._buffer = buffer.to(device, non_blocking=True)
            self._copied = stream.record_event() if stream is not None else None

    def opened(self) -> dict[str, Tensor]:
        """The arrays on the device. Its current stream waits for the copy, and the host for nothing."""
        if self._copied is not None:
            current = torch.cuda.current_stream(self._buffer.device)
            current.wait_event(self._copied)
            # The memory belongs to the stream of the copy, which must not use it again before this one is done with it.
            self._buffer.record_stream(current)
        return self._arrays(self._buffer)

    def _arrays(self, buffer: Tensor) -> dict[str, Tensor]:
        return {
            name: buffer[start : start + math.prod(shape) * dtype.itemsize].view(dtype).view(shape)
            for name, (start, shape, dtype) in self._places.items()
        }
