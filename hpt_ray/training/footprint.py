"""How many images may pass through a network at once, by the bytes of what it computes of one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

#: Of the largest activation of the images that pass at once; a few of that size are alive at the same time.
BYTES = 2**28
#: More images at once are no faster.
MOST = 256


@torch.no_grad()
def images_at_once(network: nn.Module, images: Tensor) -> int:
    """How many images may pass through a network at once: a power of two, at most ``MOST``.

    It follows from the sizes alone and never from the machine, since it decides the last bits of what is computed.

    Args:
        network: in eval mode, on the device of the images.
        images: [n, 3, S, S] float32, the first of which passes through the network.
    """
    one = images[:1]
    largest = one.nbytes

    def note(layer: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal largest
        largest = max([largest, *(leaf.nbytes for leaf in tree_leaves(output) if isinstance(leaf, Tensor))])

    hooks = [layer.register_forward_hook(note) for layer in network.modules()]
    try:
        network(one)
    finally:
        for hook in hooks:
            hook.remove()
    fitting = max(1, BYTES // largest)
    return min(MOST, 1 << (fitting.bit_length() - 1))
