"""Try a network without its numbers: the shape of its features, and whether it draws random numbers.

Everything happens on torch's meta device, which knows shapes and no values, so the largest network costs milliseconds
and no memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from hpt_ray.core.channels import RGB
from hpt_ray.core.errors import StudyError


class _Chance(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch declares no types here
    """Notes every operation that takes from a random generator."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.used: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.used.add(str(func))
        return func(*args, **(kwargs or {}))


def features(network: nn.Module, name: str, image_size: int, channels: int = RGB) -> int:
    """The number of features that a network makes of each image [C, image_size, image_size]; its state stays as it is.

    Args:
        name: what the errors call it.

    Raises:
        StudyError: for a network that does not take such images, that returns anything but [n, features], or that
            draws at random in training mode: such draws come from a global generator, so that a stage could not be
            repeated nor shared out among workers.
    """
    state = {key: value.to("meta") for key, value in (*network.named_parameters(), *network.named_buffers())}
    was_training = network.training
    try:
        with torch.no_grad(), torch.device("meta"), _Chance() as chance:
            images = torch.empty(2, channels, image_size, image_size).contiguous(memory_format=torch.channels_last)
            output = functional_call(network.train(), state, (images,))
    # An untrusted network may raise anything: it cannot be used at this size.
    except Exception as error:
        reason = str(error).split("\n", 1)[0] or type(error).__name__
        raise StudyError(
            f"backbone {name} does not take images [n, {channels}, {image_size}, {image_size}] ({reason}): "
            "choose another image_size or backbone."
        ) from error
    finally:
        network.train(was_training)
    if not isinstance(output, Tensor) or output.ndim != 2 or output.shape[0] != 2:
        returned = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise StudyError(
            f"backbone {name} makes no pooled features [n, dim] of n images but {returned}: choose another."
        )
    if chance.used:
        raise StudyError(
            f"backbone {name} draws at random in training ({min(chance.used)}), so no stage of it could be repeated: "
            "choose another."
        )
    return output.shape[1]
