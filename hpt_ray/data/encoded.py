"""Images that stay encoded, in their own files or as bytes, and are decoded when they are needed.

A folder in the cache, the index, says where each image stands and which bytes it must have.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hpt_ray.core.channels import RGB, Channels
from hpt_ray.core.errors import DataError
from hpt_ray.data.decode import pixels
from hpt_ray.data.examining import digest
from hpt_ray.data.place import Place, changed
from hpt_ray.data.reading import Reading
from hpt_ray.data.records import Example

#: In the index: the places of the images, and the folder of bytes that have no place of their own.
PLACES, PACKS = "places.npy", "packs"


class Encoded:
    """The images of a data set, decoded each time that they are asked for.

    ``encoded[indices]`` has exactly the bytes that the resident array would hold: whole numbers, slices, arrays of
    indices and masks serve as for an array of numpy. ``encoded.full(index)`` is one image at full resolution, read by
    the same rules. Any number of threads may ask at the same time; a process that was forked, or got it by pickle, may,
    too. Files are opened for each image and closed again, and nothing that was decoded is kept.

    Args:
        index: The folder in the cache.
        folder: What the names of files are relative to.
        sizes: int32 [N, 2], the height and width of each image as it is decoded: upright, by its EXIF orientation.
        size: Side of the square images in pixels.
        reading: How values of more than eight bits are read.
        channels: Which channels are read. count: How many they are.
    """

    def __init__(
        self,
        index: Path,
        folder: str,
        sizes: npt.NDArray[np.int32],
        size: int,
        reading: Reading,
        channels: Channels = RGB,
        count: int = RGB,
    ) -> None:
        self.index, self.folder, self.sizes, self.size, self.reading = index, folder, sizes, size, reading
        self.channels, self.count = channels, count

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of the resident array, [N, C, size, size]."""
        return len(self), self.count, self.size, self.size

    @property
    def cached_bytes(self) -> int:
        """The size of the index, with the bytes that have no place of their own."""
        return sum(file.stat().st_size for file in self.index.rglob("*"))

    def full(self, index: int) -> npt.NDArray[np.uint8]:
        """One image at full resolution, uint8 [C, H, W].

        Raises:
            DataError: if its file cannot be read, or has changed since it was indexed.
        """
        return pixels(self._example(index), None, self.reading, self.channels).pixels

    def __getitem__(self, indices: int | slice | Sequence[int] | npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Square images, uint8 [n, C, size, size]; of one index [C, size, size].

        As many threads decode them as torch has in this process, where stages side by side share the cores.

        Raises:
            DataError: as ``full``.
        """
        import torch  # here, since it takes seconds

        chosen = np.arange(len(self))[indices]
        if chosen.ndim == 0:
            return self._square(int(chosen))
        squares = np.empty((len(chosen), *self.shape[1:]), dtype=np.uint8)

        def fill(position: int) -> None:
            squares[position] = self._square(int(chosen[position]))

        with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="decode") as pool:
            for _ in pool.map(fill, range(len(chosen))):
                pass
        return squares

    def _square(self, index: int) -> npt.NDArray[np.uint8]:
        return pixels(self._example(index), self.size, self.reading, self.channels).pixels

    def _example(self, index: int) -> Example:
        """An image's encoded bytes, checked to be those that were indexed."""
        row = self._places[index]
        where, name = os.fsdecode(row["where"]), os.fsdecode(row["name"])
        file = self.index / PACKS / name if row["packed"] else Path(self.folder, name)
        content = Place(file, int(row["offset"]), int(row["size"])).read(where)
        if digest(content) != row["digest"]:
            raise _damaged(file, where) if row["packed"] else changed(where)
        return Example(content, where)

    @cached_property
    def _places(self) -> npt.NDArray[Any]:
        try:
            places: npt.NDArray[Any] = np.load(self.index / PLACES, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.index} in the cache is gone or damaged: run the command again.") from error
        return places

    def __getstate__(self) -> dict[str, Any]:
        """All but the map of the places, which each process opens itself."""
        return {name: value for name, value in vars(self).items() if name != "_places"}


def _damaged(file: Path, where: str) -> DataError:
    return DataError(f"{where}: {file} in the cache is damaged; delete {file.parents[1]} and run the command again.")
