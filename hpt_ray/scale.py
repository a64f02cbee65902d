"""The two scales every study comes in: ``quick`` answers on a laptop in minutes, ``paper`` is the paper's protocol.

Paper: Reed et al., arXiv 2103.12718, and its published configurations: ResNet-50, 224 px, MoCo-v2 with a queue of
65,536, SGD at lr 0.03 for a global batch of 256 as four normalisation groups of 64, hue jitter 0.4.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from hpt_ray.policy import Frozen
from hpt_ray.study import Pretraining, Weights

ScaleName = Literal["quick", "paper"]


class Scale(Frozen):
    """What differs between the scales; a study starts from one and changes what it studies.

    ``base`` and ``target`` are recipes without data; the target's budget from scratch is its own.
    """

    backbone: str
    image_size: int
    decode_size: int
    hue: float
    base: Pretraining
    target: Pretraining


def change(recipe: Pretraining, **changes: Any) -> Pretraining:
    """A recipe with some fields changed, validated; None leaves a field as it is."""
    given = {name: value for name, value in changes.items() if value is not None}
    return Pretraining.model_validate({**recipe.model_dump(), **given})


def given_base(base: str, recipe: Pretraining) -> Pretraining | Weights:
    """How a base comes about: ``weights:SOURCE`` or a checkpoint file is loaded, any other name is data to pretrain on.

    The base is one fixed given, as in the paper: its seed is not the cell's.
    """
    if base.startswith("weights:"):
        return Weights(source=base.removeprefix("weights:"))
    if Path(base).suffix.lower() in CHECKPOINT_SUFFIXES:
        return Weights(source=base)
    return change(recipe, data=base, seed=0)


CHECKPOINT_SUFFIXES = (".pt", ".pth", ".tar", ".ckpt", ".safetensors")

#: A short budget wants many small steps and a sharp softmax: see "The quick scale" in the README.
_QUICK = Pretraining(
    iterations=90,
    batch=64,
    group=32,
    lr=0.03,
    options={"queue": 1024, "key_momentum": 0.99, "temperature": 0.1, "dim": 64},
)
_PAPER = Pretraining(iterations=5_000, iterations_from_scratch=100_000, batch=256, group=64, lr=0.03)

SCALES: dict[ScaleName, Scale] = {
    "quick": Scale(
        backbone="resnet_small",
        image_size=32,
        decode_size=32,
        hue=0.1,
        base=_QUICK.model_copy(update={"iterations": 1200}),
        target=_QUICK,
    ),
    # MoCo-v2's 800 epochs of ImageNet at a batch of 256 are 4 million iterations; the paper takes that base as given.
    "paper": Scale(
        backbone="resnet50",
        image_size=224,
        decode_size=256,
        hue=0.4,
        base=_PAPER.model_copy(update={"iterations": 4_003_200, "iterations_from_scratch": None}),
        target=_PAPER,
    ),
}
