"""The augmentation policies that a search goes through: strengths and probabilities of every operator, as numbers.

A point of the space names each parameter; ``to_policy`` makes a policy of it and ``to_point`` is the inverse, so that
the policies in a run's manifest are all that need be kept. The baseline of MoCo-v2, and that of the paper, lie inside.
"""

from __future__ import annotations

from collections.abc import Mapping

from hpt_ray.core.identity import stream
from hpt_ray.spec.policy import ColorJitter, GaussianBlur, Grayscale, HorizontalFlip, Policy, RandomResizedCrop

#: Parameter to its range: a share of area, a strength, turns of hue, a standard deviation in pixels, probabilities.
#: Brightness, contrast and saturation share one strength, as in SimCLR (Chen et al. 2020, arXiv 2002.05709, A).
SPACE: dict[str, tuple[float, float]] = {
    "crop_scale": (0.05, 0.95),
    "jitter_strength": (0.0, 0.8),
    "jitter_hue": (0.0, 0.5),
    "jitter_p": (0.0, 1.0),
    "grayscale_p": (0.0, 1.0),
    "blur_sigma": (0.1, 3.0),
    "blur_p": (0.0, 1.0),
    "flip_p": (0.0, 1.0),
}

#: Operator to its parameters.
OPERATORS: dict[str, tuple[str, ...]] = {
    "crop": ("crop_scale",),
    "color jitter": ("jitter_strength", "jitter_hue", "jitter_p"),
    "grayscale": ("grayscale_p",),
    "blur": ("blur_sigma", "blur_p"),
    "flip": ("flip_p",),
}

DIGITS = 2

Point = dict[str, float]


def to_policy(point: Mapping[str, float]) -> Policy:
    """The policy of a point. Every operator is there, be it with probability zero: it draws the same random numbers.

    Raises:
        KeyError: for a point that lacks a parameter.
    """
    strength = point["jitter_strength"]
    return Policy(
        crop=RandomResizedCrop(scale=(point["crop_scale"], 1.0)),
        color_jitter=ColorJitter(
            brightness=strength,
            contrast=strength,
            saturation=strength,
            hue=point["jitter_hue"],
            p=point["jitter_p"],
        ),
        grayscale=Grayscale(p=point["grayscale_p"]),
        blur=GaussianBlur(sigma=(SPACE["blur_sigma"][0], point["blur_sigma"]), p=point["blur_p"]),
        flip=HorizontalFlip(p=point["flip_p"]),
    )


def to_point(policy: Policy) -> Point | None:
    """The point of a policy; None where it is not of the space, as one that leaves an operator out."""
    crop, jitter, gray, blur, flip = policy.crop, policy.color_jitter, policy.grayscale, policy.blur, policy.flip
    if jitter is None or gray is None or blur is None or flip is None:
        return None
    point = {
        "crop_scale": crop.scale[0],
        "jitter_strength": jitter.brightness,
        "jitter_hue": jitter.hue,
        "jitter_p": jitter.p,
        "grayscale_p": gray.p,
        "blur_sigma": blur.sigma[1],
        "blur_p": blur.p,
        "flip_p": flip.p,
    }
    inside = all(low <= point[name] <= high for name, (low, high) in SPACE.items())
    return point if inside and to_policy(point) == policy else None


def random_policies(seed: int, number: int) -> dict[str, Policy]:
    """Policies drawn uniformly from the space, by name; more of them begin with the same ones."""
    return {f"random {place:02}": to_policy(_random_point(seed, place)) for place in range(1, number + 1)}


def _random_point(seed: int, place: int) -> Point:
    draws = {name: stream(seed, f"policy {name}", place).uniform(*ends) for name, ends in SPACE.items()}
    return {name: round(float(value), DIGITS) for name, value in draws.items()}


def written(policy: Policy) -> str:
    """A policy of the space in a line, for people."""
    point = to_point(policy)
    if point is None:
        return "a policy that is not of the space"
    return (
        f"crop from {point['crop_scale']:g} of the area, jitter {point['jitter_strength']:g} and hue "
        f"{point['jitter_hue']:g} with p {point['jitter_p']:g}, grayscale p {point['grayscale_p']:g}, blur up to "
        f"{point['blur_sigma']:g} px with p {point['blur_p']:g}, flip p {point['flip_p']:g}"
    )
