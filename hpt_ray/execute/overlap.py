"""How similar a data set is to the test images of a target, with pictures of the most similar pairs."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from hpt_ray.data.dataset import Dataset
from hpt_ray.data.duplicates import near
from hpt_ray.data.leakage import copies
from hpt_ray.store.records import Shared

#: Number of pairs to show, and the longest side of their pictures in pixels.
EXAMPLES, SIDE = 6, 48


def shared(data: Dataset, target: Dataset) -> Shared:
    """What a data set has in common with the test images of a target, which may be the data set itself."""
    same, test = data.fingerprint == target.fingerprint, target.splits["test"]
    # A target's probes learn from all of its train split, also from images that pretraining leaves out.
    remaining = data.pool if same else np.setdiff1d(data.pool, data.left_out)
    pairs = near(target.perceptual[test], data.perceptual[remaining])
    nearest = pairs[np.argsort(np.bitwise_count(pairs[:, 0] ^ pairs[:, 1]), kind="stable")]
    _, first = np.unique(nearest[:, 0], return_index=True)  # a test image is shown once
    return Shared(
        target=target.name,
        test=len(test),
        copies=data.excluded if same else copies(data, target),
        near=int(np.isin(target.perceptual[test], pairs[:, 0]).sum()),
        images=int(np.isin(data.perceptual[remaining], pairs[:, 1]).sum()),
        examples=tuple(
            (_picture(target, test, one), _picture(data, remaining, other))
            for one, other in nearest[np.sort(first)[:EXAMPLES]]
        ),
    )


def _picture(data: Dataset, among: npt.NDArray[np.int64], perceptual: np.uint64) -> str:
    """The first of these images with this perceptual hash, as a PNG in base64."""
    index = among[np.argmax(data.perceptual[among] == perceptual)]
    image = Image.fromarray(np.ascontiguousarray(data.images[index].transpose(1, 2, 0)))
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
