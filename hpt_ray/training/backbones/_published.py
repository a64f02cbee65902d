"""A network as its library makes it, turned into a backbone: its own parameter names, and nothing left to chance."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.nn.modules.dropout import _DropoutNd
from torchvision.ops import StochasticDepth

from hpt_ray.core.errors import StudyError
from hpt_ray.training import dry_run
from hpt_ray.training.backbone import Backbone


class Published(Backbone):
    """A network of one piece; its state has the network's own names, without the name it has in here."""

    def __init__(self, network: nn.Module, dim: int) -> None:
        super().__init__({"network": network}, dim)
        self.register_state_dict_post_hook(_without_prefix)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_with_prefix)  # type: ignore[no-untyped-call]


def published(make: Callable[[], nn.Module], name: str, image_size: int) -> Backbone:
    """A network without its classifier, which ``make`` makes, as a backbone.

    Dropout and stochastic depth are switched off: they draw from a global generator, so that a stage could neither be
    repeated nor shared out among workers; and the views of a self-supervised method differ as it is.

    Raises:
        StudyError: for a network that takes no images [n, 3, image_size, image_size] or has no pooled features.
    """
    try:
        network = make()
    except NotImplementedError:
        raise  # of the meta device, which not every network can be made on: see backbone.outline
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise StudyError(
            f"backbone {name} cannot be made for images of {image_size} px ({error}): "
            "choose another image_size or backbone."
        ) from error
    for layer in network.modules():
        # What torch and torchvision call the probability of leaving something out, and what timm calls it.
        drops = isinstance(layer, (_DropoutNd, StochasticDepth))
        for chance in ("p",) if drops else ("drop_prob", "drop_rate"):
            if hasattr(layer, chance):
                setattr(layer, chance, 0.0)
    return Published(network, dry_run.features(network, name, image_size))


def unknown(library: str, name: str, known: Iterable[str]) -> StudyError:
    """The error for a name that a library does not have: too many exist to list, so the nearest."""
    near = difflib.get_close_matches(name, list(known), n=5, cutoff=0.5)
    hint = f"nearest are {', '.join(near)}" if near else f"see {library}.list_models()"
    return StudyError(f"{library} has no network {name!r}: {hint}.")


def _without_prefix(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
    inner = f"{prefix}network."
    for key in [key for key in state if key.startswith(inner)]:
        state[prefix + key.removeprefix(inner)] = state.pop(key)


def _with_prefix(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        state[f"{prefix}network.{key.removeprefix(prefix)}"] = state.pop(key)
