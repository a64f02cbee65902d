"""Weights from anywhere into a backbone, audited key by key; nothing here executes what is in a file.

A wrong prefix or a wrong network silently gives random features, so every load says which keys matched and refuses
when too few do.
"""

from __future__ import annotations

import pickle
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from hpt_ray.errors import WeightsError
from hpt_ray.policy import Frozen
from hpt_ray.training.backbone import Backbone

State = dict[str, Tensor]

TORCHVISION = "torchvision:"

# Where published checkpoints keep a network, the one meant for use first (DINO evaluates its teacher).
_NETWORKS = ("teacher", "state_dict", "model", "trunk", "backbone", "encoder", "student")
# Of two networks that fit equally well, the one under such a name is the copy (MoCo uses its query encoder).
_COPIES = ("encoder_k", "momentum", "target", "ema", "student")
_HEADS = ("fc.", "head.", "classifier.", "projector.", "projection_head.", "predictor.", "prediction_head.")


class Audit(Frozen):
    """What one load did, by the backbone's parameter and buffer names (``unexpected``: the file's, less the prefix).

    ``missing`` and ``reshaped`` keys kept the values they had. Heads, counters of batches and whatever stands outside
    of ``prefix`` (a momentum encoder, a queue) belong to no backbone and are not listed.
    """

    prefix: str
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]


def read(source: str) -> State:
    """The tensors of a checkpoint, by the names that they have there, on the CPU.

    Args:
        source: ``torchvision:NAME`` (its default weights, downloaded once into torch's cache), a ``.safetensors`` file,
            or a file of ``torch.save`` (.pt, .pth, .tar, .ckpt), in which the network is looked for in nested dicts.

    Raises:
        WeightsError: for a source that cannot be had or read, holds no tensors, or could only be read by executing it.
    """
    if source.startswith(TORCHVISION):
        return _from_torchvision(source.removeprefix(TORCHVISION))
    path = Path(source).expanduser()
    try:
        if path.suffix == ".safetensors":
            return from_bytes(path.read_bytes(), source)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(
            f"cannot read the checkpoint {source}: {error.strerror or error}. Check the path."
        ) from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{source} is no checkpoint, or holds Python objects beside its tensors; reading those could run any code, "
            "so it was not read. If you trust it, save its state_dict alone, best as .safetensors."
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, struct.error) as error:
        raise WeightsError(
            f"{source} is no checkpoint of torch.save, or is damaged: fetch or save it again."
        ) from error
    networks = list(_networks(content, ""))
    if not networks:
        raise WeightsError(f"{source} holds no named tensors: give a file with a network's state_dict.")
    largest = max(len(network) for _, network in networks)
    # Of networks of similar size the preferred name decides; an optimiser's few tensors per parameter never compete.
    similar = [(name, network) for name, network in networks if 2 * len(network) >= largest]
    return min(similar, key=lambda item: (_rank(item[0]), -len(item[1])))[1]


def from_bytes(data: bytes, source: str = "the stored weights") -> State:
    """The tensors of a safetensors file.

    Raises:
        WeightsError: for bytes that are no safetensors file, named by ``source``.
    """
    try:
        state: State = safetensors.torch.load(data)
    except SafetensorError as error:
        raise WeightsError(f"{source} is not a safetensors file, or is damaged: fetch or make it again.") from error
    return state


def to_bytes(backbone: Backbone) -> bytes:
    """The backbone's weights and statistics as a safetensors file: equal weights give equal bytes."""
    state = {key: value.detach().cpu().contiguous() for key, value in _tensors(backbone).items()}
    data: bytes = safetensors.torch.save(state)
    return data


def load(backbone: Backbone, state: Mapping[str, Tensor], threshold: float = 0.9) -> Audit:
    """Copy what fits of ``state`` into the backbone, under the prefix whose removal fits most keys.

    Args:
        threshold: the share of the backbone's tensors that must match in name and shape.

    Raises:
        WeightsError: below the threshold, with counts and examples; the backbone is then unchanged.
    """
    own = _tensors(backbone)
    prefix = _prefix(own, state)
    theirs = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    audit = Audit(
        prefix=prefix,
        matched=tuple(key for key in own if key in theirs and theirs[key].shape == own[key].shape),
        missing=tuple(key for key in own if key not in theirs),
        unexpected=tuple(key for key in theirs if key not in own and not _counts(key) and not key.startswith(_HEADS)),
        reshaped=tuple(key for key in own if key in theirs and theirs[key].shape != own[key].shape),
    )
    if len(audit.matched) < threshold * len(own):
        raise WeightsError(_refusal(audit, own, theirs, threshold))
    with torch.no_grad():
        for key in audit.matched:
            own[key].copy_(theirs[key])
    return audit


def _tensors(backbone: Backbone) -> State:
    """Weights and running statistics, without the counters of batches, which nothing here depends on."""
    return {key: value for key, value in backbone.state_dict().items() if not _counts(key)}


def _counts(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _prefix(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """The prefix under which most of the backbone's keys stand in ``state``, equal shapes counting first."""
    fits: Counter[str] = Counter()
    for key, value in state.items():
        parts = key.split(".")
        for cut in range(len(parts)):
            rest = ".".join(parts[cut:])
            if rest in own:
                fits[key.removesuffix(rest)] += 1 + len(own) * (value.shape == own[rest].shape)
    return min(fits, key=lambda name: (-fits[name], any(copy in name for copy in _COPIES), name), default="")


def _refusal(audit: Audit, own: Mapping[str, Tensor], theirs: Mapping[str, Tensor], threshold: float) -> str:
    parts = [f"only {len(audit.matched)} of {len(own)} tensors fit the backbone (at least {threshold:.0%} must)"]
    for kind in ("missing", "reshaped", "unexpected"):
        keys = getattr(audit, kind)
        if keys:
            shapes = f" {list(theirs[keys[0]].shape)} for {list(own[keys[0]].shape)}" if kind == "reshaped" else ""
            parts.append(f"{len(keys)} {kind} such as {keys[0]!r}{shapes}")
    return f"the checkpoint does not fit: {'; '.join(parts)}. Check that backbone and checkpoint are the same network."


def _networks(content: Any, name: str) -> Iterator[tuple[str, State]]:
    """Every dict of named tensors inside of nested dicts, with the dotted name of its place."""
    if not isinstance(content, Mapping):
        return
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if tensors:
        yield name, tensors
    for key, value in content.items():
        yield from _networks(value, f"{name}.{key}")


def _rank(name: str) -> int:
    """How early a place stands in the order of preference."""
    parts = name.split(".")
    return next((rank for rank, network in enumerate(_NETWORKS) if network in parts), len(_NETWORKS))


def _from_torchvision(name: str) -> State:
    import torchvision
    from torchvision.models import get_model_weights, list_models

    if name not in list_models(module=torchvision.models):
        raise WeightsError(f"torchvision has no model {name!r}: give its name there, such as resnet18 or resnet50.")
    try:
        # The hash in the file's name is checked, and like every file it is read without executing it.
        weights = get_model_weights(name)["DEFAULT"]
        state: State = weights.get_state_dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"cannot download torchvision's weights for {name} ({error}). Check the network, or give a file instead."
        ) from error
    return state
