"""The colour operations on a batch: what is affine as matrices, and torchvision's hue shift.

Brightness b is b x; contrast c is c x + (1 - c) luminance(mean of the view); saturation s is s x + (1 - s)
luminance(x); grayscale is a saturation of 0. Each of the last two leaves the luminance of what the others do alone, so
they commute (to 4e-5, as torchvision's weights of luminance sum to 0.9999) and a run of them is one affine map. Only
their place before or after the hue shift matters.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hpt_ray.training.augment.draws import Floats

#: red, green, blue, as in torchvision's ``rgb_to_grayscale``
LUMINANCE = np.array([0.2989, 0.587, 0.114])


def mixture(brightness: Floats, contrast: Floats, saturation: Floats, *, channels: int = 3) -> tuple[Floats, Floats]:
    """Factors [n] -> A and B, [n, C, C]: a pixel x of a view of mean colour m becomes A x + B m.

    Of other than three channels each is to itself what a grey image is to torchvision: contrast is about its own mean,
    and there is no saturation.
    """
    b, c, s = (factor[:, None, None] for factor in (brightness, contrast, saturation))
    if channels != len(LUMINANCE):
        return b * c * np.eye(channels), b * (1 - c) * np.eye(channels)
    pixel: Floats = b * c * (s * np.eye(3) + (1 - s) * LUMINANCE)
    mean: Floats = b * (1 - c) * np.broadcast_to(LUMINANCE, (3, 3))
    return pixel, mean


def mix(view: Tensor, pixel: Tensor, mean: Tensor | None, offset: Tensor | float = 0.0) -> Tensor:
    """A x + B m + offset, for views [n, C, P], with m the mean of each; without ``mean``, A x + offset."""
    if mean is not None:
        offset = mean.bmm(view.mean(2, keepdim=True)).add_(offset)
    return torch.baddbmm(offset, pixel, view) if isinstance(offset, Tensor) else pixel.bmm(view).add_(offset)


def distances(turns: Floats) -> Floats:
    """Hue shifts [n] in +- 1/2 turn -> [n, 3, 1]: from each channel's own hue to where the shift takes red's."""
    return np.subtract(6 * turns[:, None, None], [[0], [2], [-2]])


def shift_hue(view: Tensor, shift: Tensor) -> Tensor:
    """torchvision's ``adjust_hue``: views [n, 3, P] on [0, 1], shift from ``distances`` -> [n, 3, P].

    In HSV the hue turns while the value and the chroma c stay. On a circle of circumference 6, a channel is the value
    where the hue is within 1 of the channel's own (red 0, green 2, blue -2), and falls to value - c at a distance of 2.
    Hues and distances are kept in units of c, so that nothing divides and grey (c = 0) is no exception.
    """
    red, green, blue = view.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    least = torch.minimum(torch.minimum(red, green), blue)
    chroma = value - least
    # Of channels less the least, green + blue + c - red is the hue, 0 to 3, where green > blue; else it is minus that.
    hue = (green + blue).sub_(red).sub_(least).add_(chroma).copysign_(green - blue)
    value, chroma, hue = value[:, None], chroma[:, None], hue[:, None]
    half = 3 * chroma
    # For every difference d that occurs, -8 to 8, ||d| - 3| - 3| is the distance on the circle.
    distance = torch.addcmul(hue, chroma, shift).abs_().sub_(half).abs_().sub_(half).abs_()
    distance = torch.minimum(torch.maximum(distance, chroma, out=distance), 2 * chroma, out=distance)
    return torch.sub(value + chroma, distance, out=distance)
