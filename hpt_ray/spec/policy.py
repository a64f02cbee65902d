"""Augmentation policies as data: an ablation is a difference from the baseline, never a copy of it.

The numbers follow MoCo-v2 (Chen et al. 2020, arXiv 2003.04297) as used by Reed et al. (arXiv 2103.12718).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from hpt_ray.core.errors import UnknownNameError
from hpt_ray.core.values import Frozen

Probability = Annotated[float, Field(ge=0, le=1)]
Strength = Annotated[float, Field(ge=0, le=1)]


def _ordered(interval: tuple[float, float], name: str) -> None:
    if not 0 < interval[0] <= interval[1]:
        raise ValueError(f"{name} must be an interval (low, high) with 0 < low <= high, not {interval}")


class RandomResizedCrop(Frozen):
    """Crop a random area of a random aspect ratio and resize it; ``scale`` is a share of the image's area."""

    scale: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    @model_validator(mode="after")
    def _check(self) -> RandomResizedCrop:
        _ordered(self.scale, "scale")
        _ordered(self.ratio, "ratio")
        if self.scale[1] > 1:
            raise ValueError(f"scale is a share of the image's area, at most 1, not {self.scale}")
        return self


class ColorJitter(Frozen):
    """With probability p, in random order: factors in 1 +- brightness, contrast, saturation; +- hue turns."""

    brightness: Strength = 0.4
    contrast: Strength = 0.4
    saturation: Strength = 0.4
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    p: Probability = 0.8


class Grayscale(Frozen):
    """With probability p: replace the colour by its luminance."""

    p: Probability = 0.2


class GaussianBlur(Frozen):
    """With probability p: blur with a standard deviation drawn from ``sigma`` (pixels of the view).

    ``kernel`` is the width of the filter as a share of the view's side, as in SimCLR: a tenth, made odd, at least 3.
    """

    sigma: tuple[float, float] = (0.1, 2.0)
    kernel: Annotated[float, Field(gt=0, le=1)] = 0.1
    p: Probability = 0.5

    @model_validator(mode="after")
    def _check(self) -> GaussianBlur:
        _ordered(self.sigma, "sigma")
        return self


class HorizontalFlip(Frozen):
    """With probability p: mirror left and right."""

    p: Probability = 0.5


class Policy(Frozen):
    """Which operators make a view, in this order; ``None`` leaves an operator out."""

    crop: RandomResizedCrop = RandomResizedCrop()
    color_jitter: ColorJitter | None = ColorJitter()
    grayscale: Grayscale | None = Grayscale()
    blur: GaussianBlur | None = GaussianBlur()
    flip: HorizontalFlip | None = HorizontalFlip()

    def without(self, *operators: str) -> Policy:
        """This policy with some operators left out.

        Raises:
            UnknownNameError: for an operator that no policy has; the crop cannot be left out.
        """
        for name in operators:
            if name not in OPTIONAL:
                raise UnknownNameError("operator", name, OPTIONAL)
        return self.model_copy(update=dict.fromkeys(operators))

    def without_colour(self) -> Policy:
        """What is left of this policy for images of other than three channels, which have no hue and no saturation.

        Brightness and contrast stay, since light and exposure change satellite bands as they change photographs.
        Grayscale would put one mean into every band, which no image of such a set looks like; of a single channel it
        would change nothing. The crop is always left, so no policy is empty.
        """
        jitter = self.color_jitter
        if jitter is not None:
            jitter = jitter.model_copy(update={"saturation": 0.0, "hue": 0.0})
            jitter = jitter if jitter.brightness or jitter.contrast else None
        return self.model_copy(update={"color_jitter": jitter, "grayscale": None})

    def replace(self, **operators: Any) -> Policy:
        """This policy with some operators exchanged, validated: ``replace(blur=GaussianBlur(p=0.1))``."""
        return Policy.model_validate({**{name: getattr(self, name) for name in type(self).model_fields}, **operators})


def with_hue(policy: Policy, hue: float) -> Policy:
    """A policy whose colour jitter, if it has one, shifts hue by up to ``hue`` turns.

    The paper's configurations jitter hue by 0.4, MoCo-v2 itself by 0.1.
    """
    if policy.color_jitter is None:
        return policy
    return policy.replace(color_jitter=policy.color_jitter.model_copy(update={"hue": hue}))


OPTIONAL = tuple(name for name in Policy.model_fields if name != "crop")
