"""What a network asks of a device: bytes and operations, from its shapes alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from hpt_ray.core.channels import RGB
from hpt_ray.core.layout import Demand
from hpt_ray.training.backbone import outline

#: Of the largest activation of the images that pass at once; a few of that size are alive at the same time.
BYTES = 2**28
#: More images at once are no faster.
MOST = 256
#: Bytes that a process takes on a GPU whatever it trains: CUDA's context and libraries, and a probe's features.
PROCESS = 3 * 2**30


@torch.no_grad()
def images_at_once(network: nn.Module, images: Tensor) -> int:
    """How many images may pass through a network at once: a power of two, at most ``MOST``.

    It follows from the sizes alone and never from the machine, since it decides the last bits of what is computed.

    Args:
        network: in eval mode, on the device of the images.
        images: [n, C, S, S] float32, the first of which passes through the network.
    """
    one = images[:1]
    largest = max([one.nbytes, *_activations(network, network.modules(), one)])
    fitting = max(1, BYTES // largest)
    return min(MOST, 1 << (fitting.bit_length() - 1))


def gflop(network: nn.Module, image_size: int, channels: int = RGB) -> float:
    """GFLOP of the forward pass of one image through a network on the meta device."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.empty(1, channels, image_size, image_size, device="meta"))
    operations: int = counter.get_total_flops()
    return operations / 1e9


def demand(
    backbone: str, image_size: int, *, batch: int, group: int, resident: int, channels: int = RGB, moments: int = 1
) -> Demand:
    """What pretraining asks of a GPU, roughly and rather too much: as if in float32, and no layer worked in place.

    Args:
        resident: bytes of the images that stay in the GPU's memory. channels: of the images.
        moments: how many of each parameter the optimiser keeps.
    """
    network = outline(backbone, image_size, channels).eval()
    image = torch.empty(1, channels, image_size, image_size, device="meta")
    layers = [layer for layer in network.modules() if not any(layer.children())]
    with torch.no_grad():
        activations = sum(_activations(network, layers, image))
    weights = sum(parameter.nbytes for parameter in network.parameters())
    # Weights, their gradients and moments, and a second network that follows; two views and what they are computed by.
    whole = PROCESS + resident + (3 + moments) * weights + group * activations + 8 * batch * image.nbytes
    return Demand(bytes=whole, gflop=group * gflop(network, image_size, channels))


def _activations(network: nn.Module, layers: Iterable[nn.Module], images: Tensor) -> list[int]:
    """Bytes of each tensor that some of a network's layers return for some images."""
    sizes: list[int] = []

    def note(layer: nn.Module, inputs: Any, output: Any) -> None:
        sizes.extend(leaf.nbytes for leaf in tree_leaves(output) if isinstance(leaf, Tensor))

    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return sizes
