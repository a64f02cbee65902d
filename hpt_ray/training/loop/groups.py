"""The groups of parameters that an optimiser updates alike.

SGD decays all parameters, as in the paper. AdamW and LARS leave out biases, norms, tokens and position embeddings. With
``layer_decay`` the learning rate falls from the last block to the first (Clark et al., arXiv 2003.10555; BEiT, DINOv2).
"""

from __future__ import annotations

from collections import defaultdict

from torch import nn

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.recipe import Recipe
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.layer_names import family
from hpt_ray.training.loop.optimiser import LARS, SGD, AdamW, Group, Optimiser

OPTIMISERS: dict[str, type[Optimiser]] = {"sgd": SGD, "adamw": AdamW, "lars": LARS}
#: Ends of the names of parameters with more than one side that no optimiser decays, as timm's ``no_weight_decay``.
_NO_DECAY = ("_token", "_tokens", "pos_embed", "pos_embedding")


def optimiser(recipe: Recipe, student: nn.Module, backbone: Backbone) -> Optimiser:
    """The recipe's optimiser of everything in the student that is to be trained.

    Raises:
        StudyError: as ``layer_rates``.
    """
    kind = OPTIMISERS[recipe.optimizer]
    return kind(groups(recipe, student, backbone), momentum=recipe.momentum, clip=recipe.clip_grad)


def groups(recipe: Recipe, student: nn.Module, backbone: Backbone) -> list[Group]:
    """The parameters to be trained, by weight decay and share of the learning rate.

    Args:
        student: the backbone and its heads, whose share is 1.

    Raises:
        StudyError: as ``layer_rates``.
    """
    rates = layer_rates(backbone, recipe.layer_decay)
    by_kind: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in student.named_parameters():
        if parameter.requires_grad:
            decay = 0.0 if recipe.optimizer != "sgd" and _is_exempt(name, parameter) else recipe.weight_decay
            by_kind[decay, rates.get(id(parameter), 1.0)].append(parameter)
    return [Group(parameters, decay, rate) for (decay, rate), parameters in by_kind.items()]


def layer_rates(backbone: Backbone, decay: float) -> dict[int, float]:
    """The share of the learning rate of each parameter of a backbone, by its id; none for a decay of 1.

    The last block has the decay, each block before it the decay of the next one's, and the stem with all tokens and
    positions the least. A transformer's last norm belongs to its last block, as in timm.

    Raises:
        StudyError: for a network that is no vision transformer and no ConvNeXt, whose layers have no known order.
    """
    if decay == 1:
        return {}
    named = {
        key: value for key, value in backbone.state_dict(keep_vars=True).items() if isinstance(value, nn.Parameter)
    }
    canonical = family(named)
    if canonical is None:
        raise StudyError(
            "layer_decay is for vision transformers and ConvNeXts, and the backbone is neither: leave it out."
        )
    names = {id(value): canonical(key) or "" for key, value in named.items()}
    blocks = sorted({block for name in names.values() if (block := _block(name))})
    places: dict[tuple[int, ...], int] = {block: place for place, block in enumerate(blocks, start=1)}

    def depth(name: str) -> int:
        """How many layers come before it."""
        if block := _block(name):
            return places[block]
        if name.startswith("norm."):
            return len(blocks)
        return len(blocks) + 1 if name.startswith("head.") or not name else 0

    return {key: decay ** (len(blocks) + 1 - depth(name)) for key, name in names.items()}


def _block(name: str) -> tuple[int, ...]:
    """The numbers of a parameter's block; () outside of all. ConvNeXt's downsampling belongs to the block after it."""
    parts = name.split(".")
    if parts[0] == "blocks":
        return (int(parts[1]),)
    if parts[0] == "stages":
        return (int(parts[1]), int(parts[3]) if parts[2] == "blocks" else 0)
    return ()


def _is_exempt(name: str, parameter: nn.Parameter) -> bool:
    return sum(side > 1 for side in parameter.shape) <= 1 or name.endswith(_NO_DECAY)
