"""Weights that a library publishes, by the network's name there: ``torchvision:resnet50``, ``timm:resnet50.a1_in1k``.

Both keep what they download in a cache of their own and read it without executing it.
"""

from __future__ import annotations

from torch import Tensor

from hpt_ray.core.errors import WeightsError
from hpt_ray.spec.weights_source import WeightSource


def fetch(source: WeightSource) -> dict[str, Tensor]:
    """The tensors behind ``torchvision:NAME`` or ``timm:NAME`` (its default weights), classifier included.

    Raises:
        WeightsError: for a name that the library does not have, without timm, or when they cannot be downloaded.
    """
    try:
        return _from_timm(source.name) if source.origin == "timm" else _from_torchvision(source.name)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"cannot download {source.origin}'s weights for {source.name} ({error}). Check the network, or give a file "
            "instead."
        ) from error


def _from_torchvision(name: str) -> dict[str, Tensor]:
    import torchvision
    from torchvision.models import get_model_weights, list_models

    if name not in list_models(module=torchvision.models):
        raise WeightsError(f"torchvision has no model {name!r}: give its name there, such as resnet18 or resnet50.")
    weights = get_model_weights(name)["DEFAULT"]
    # The hash in the file's name is checked.
    state: dict[str, Tensor] = weights.get_state_dict(
        progress=False, check_hash=True, map_location="cpu", weights_only=True
    )
    return state


def _from_timm(name: str) -> dict[str, Tensor]:
    try:
        import timm
    except ImportError as error:
        raise WeightsError(f"weights timm:{name} need timm: pip install 'hpt_ray[timm]'.") from error

    if not timm.is_model(name):
        raise WeightsError(f"timm has no model {name!r}: give its name there, such as resnet50 or resnet50.a1_in1k.")
    # Through the network, since timm translates the names of many files when it loads them.
    state: dict[str, Tensor] = timm.create_model(name, pretrained=True).state_dict()
    return state
