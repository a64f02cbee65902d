"""Real augmented views of real images, for a reader to see what each policy does."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from hpt_ray.core.identity import stream
from hpt_ray.data.dataset import Dataset
from hpt_ray.data.picture import for_a_reader
from hpt_ray.spec.policy import Policy
from hpt_ray.training.features import centre
from hpt_ray.training.pixels import View
from hpt_ray.training.views import Views
from hpt_ray.training.workers import CPU


def preview(
    data: Dataset, policies: Mapping[str, Policy], size: int, *, examples: int = 6, each: int = 2, seed: int = 0
) -> list[dict[str, Any]]:
    """Rows (policy, example, view, png): the same images and, operator by operator, the same draws for every policy.

    The rows of policy ``original`` hold the images themselves, as they are cut for evaluation. Of more than three
    channels the first three are shown.

    Args:
        size: the side of the views in pixels.
        examples, each: how many images, and how many views of each.
    """
    pool = data.pretraining()
    chosen = np.sort(stream(seed, "preview").choice(pool, size=min(examples, len(pool)), replace=False))
    images = torch.from_numpy(np.ascontiguousarray(data.images[chosen]))
    rows = [
        {"policy": "original", "example": int(index), "view": 0, "png": _png(image)}
        for index, image in zip(chosen, centre(images, size).numpy(), strict=True)
    ]
    for name, policy in policies.items():
        views = Views(data, policy, size, CPU, normalised=False)
        for which in range(each):
            draws = views.draw(stream(seed, "augment", 0, which), chosen)
            rendered = views.render(views.prepare([View(chosen, draws)]).opened(), 0)
            pixels = (rendered * 255).round().to(torch.uint8).numpy()
            rows += [
                {"policy": name, "example": int(index), "view": which, "png": _png(image)}
                for index, image in zip(chosen, pixels, strict=True)
            ]
    return rows


def _png(image: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """A [C, S, S] image as PNG."""
    buffer = io.BytesIO()
    for_a_reader(image).save(buffer, "PNG")
    return buffer.getvalue()
