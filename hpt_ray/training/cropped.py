"""Images that stay encoded: each view is cropped at full resolution and resized, before it goes to the device.

Crop and resize are torchvision's ``resized_crop`` (bilinear, antialiased) of the image in float32, and nothing is
rounded to eight bits. So a crop has the detail of the original, and a view of 224 px takes 588 KiB on its way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import interpolate

from hpt_ray.data.dataset import Indices
from hpt_ray.data.encoded import Encoded
from hpt_ray.training.augment.draws import Draws, Integers
from hpt_ray.training.augment.transfer import Later
from hpt_ray.training.pixels import View


class Cropped:
    """Crops of encoded images by as many threads as torch has here, each image decoded once whatever its views.

    Args:
        size: the side of a view in pixels.
    """

    shape = None

    def __init__(self, encoded: Encoded, size: int) -> None:
        self.encoded, self.size = encoded, size
        self._threads = ThreadPoolExecutor(torch.get_num_threads(), "decode", initializer=_one_thread)

    def extents(self, indices: Indices) -> tuple[Integers, Integers]:
        heights, widths = self.encoded.sizes[indices].astype(np.int64).T
        return heights, widths

    def contents(self, views: Sequence[View]) -> dict[str, NDArray[Any] | Later]:
        indices, places = np.unique(np.stack([view.indices for view in views]), return_inverse=True)

        def write(crops: NDArray[Any]) -> None:
            def of_image(number: int) -> None:
                image = torch.from_numpy(self.encoded.full(int(indices[number])))
                for which, row in np.argwhere(places == number):
                    crops[which, row] = crop(image, views[which].draws, row, self.size)

            for _ in self._threads.map(of_image, range(len(indices))):
                pass

        return {"crops": Later((*places.shape, self.encoded.count, self.size, self.size), np.float32, write)}

    def images(self, arrays: Mapping[str, Tensor], which: int) -> Tensor:
        return arrays["crops"][which]


def crop(image: Tensor, draws: Draws, row: int, size: int) -> Tensor:
    """One row's crop of an image uint8 [C, H, W], resized and flipped: float32 [C, size, size] on [0, 1]."""
    top, left = draws.top[row], draws.left[row]
    box = image[:, top : top + draws.height[row], left : left + draws.width[row]].to(torch.float32)
    view = interpolate(box[None], (size, size), mode="bilinear", antialias=True)[0].div_(255)
    return view.flip(2) if draws.flip[row] else view


def _one_thread() -> None:
    """Keeps torch from starting threads within one of these: as many as there are cores decode already."""
    torch.get_num_threads()  # torch sets this thread's number when it is first asked, which would undo the next line
    threadpool_limits(1, user_api="openmp")
