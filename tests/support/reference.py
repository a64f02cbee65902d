"""The same views through torchvision's own operators, image by image: the slow measure of ``augment``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from hpt_ray.spec.policy import Policy
from hpt_ray.training.augment.augment import kernel_width
from hpt_ray.training.augment.draws import BRIGHTNESS, CONTRAST, HUE, SATURATION, Draws

_OPERATIONS = {
    BRIGHTNESS: ("brightness", 1.0, functional.adjust_brightness),
    CONTRAST: ("contrast", 1.0, functional.adjust_contrast),
    SATURATION: ("saturation", 1.0, functional.adjust_saturation),
    HUE: ("hue", 0.0, functional.adjust_hue),
}


def views(
    images: Tensor,
    draws: Draws,
    policy: Policy,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """What ``augment.views`` returns for the same arguments: crop, colour jitter, grayscale, blur, flip, normalise."""
    done = [_view(image, draws, i, policy, size) for i, image in enumerate(images)]
    normalised: Tensor = functional.normalize(torch.stack(done), list(mean), list(std))
    return normalised.to(dtype, memory_format=torch.channels_last)


def _view(image: Tensor, draws: Draws, i: int, policy: Policy, size: int) -> Tensor:
    """uint8 [3, H, W] -> float [3, S, S] on [0, 1], by row ``i`` of the draws."""
    view: Tensor = functional.to_dtype(image, torch.float32, scale=True)
    box = (int(getattr(draws, side)[i]) for side in ("top", "left", "height", "width"))
    view = functional.resized_crop(view, *box, [size, size], antialias=True)
    for operation in draws.order[i]:
        name, identity, adjust = _OPERATIONS[int(operation)]
        factor = float(getattr(draws, name)[i])
        if factor != identity:
            view = adjust(view, factor)
    if draws.gray[i]:
        view = functional.rgb_to_grayscale(view, num_output_channels=3)
    if policy.blur and draws.sigma[i] > 0:
        width, sigma = kernel_width(policy.blur, size), float(draws.sigma[i])
        view = functional.gaussian_blur(view, [width, width], [sigma, sigma])
    if draws.flip[i]:
        view = functional.horizontal_flip(view)
    return view
