"""Load weights from any source into a backbone, audited key by key, without executing anything in a file.

A wrong prefix or a wrong network would silently give random features, so every load reports which keys match and
refuses weights if too few do.
"""

from __future__ import annotations

import argparse
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from hpt_ray.core.errors import WeightsError
from hpt_ray.spec.weights_source import WeightSource
from hpt_ray.training import stem
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.weights import resampling
from hpt_ray.training.weights.audit import Audit, is_batch_counter
from hpt_ray.training.weights.downloads import fetch
from hpt_ray.training.weights.formats import format_of
from hpt_ray.training.weights.places import match
from hpt_ray.training.weights.refusal import refusal
from hpt_ray.training.weights.translation import translate

State = dict[str, Tensor]


def read(source: WeightSource) -> State:
    """Every tensor of a checkpoint, on the CPU, by its place there: ``state_dict/module.encoder_q.conv1.weight``
    is ``module.encoder_q.conv1.weight`` in the dict ``state_dict``.

    Args:
        source: ``torchvision:NAME`` or ``timm:NAME`` (downloaded once), or a file of safetensors or ``torch.save``,
            whatever its suffix. Its place is for ``load``: all is read.

    Raises:
        WeightsError: for a source that cannot be had or read, holds no tensors or claims more than it holds, or could
            only be read by executing it.
    """
    if source.published:
        return fetch(source)
    path, name = source.path, source.address
    form = format_of(path, name)
    try:
        state = from_bytes(path.read_bytes(), name) if form == "safetensors" else _from_torch(path, name)
    except WeightsError:
        raise
    except UnpicklingError as error:
        raise WeightsError(_objects(path, name, str(error))) from error
    except Exception as error:  # an odd file can make its reader fail anywhere
        raise WeightsError(
            f"{name} is no checkpoint of torch.save or safetensors, or is damaged: fetch or save it again."
        ) from error
    if not state:
        raise WeightsError(f"{name} holds no tensors: give a file with a network's state_dict.")
    return state


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
    state = {key: value.detach().cpu().contiguous() for key, value in tensors(backbone).items()}
    data: bytes = safetensors.torch.save(state)
    return data


def load(backbone: Backbone, state: Mapping[str, Tensor], threshold: float = 0.9, place: str | None = None) -> Audit:
    """Copy the tensors of ``state`` that fit into the backbone, matched in the way that fits most.

    Args:
        threshold: the share of the file's network that must fit; all tensors of the backbone must.
        place: what the keys of the wanted network begin with, as a user writes it after the ``#`` of a source.

    Raises:
        WeightsError: for less than that, for numbers that are not finite or no floats, and for several networks that
            fit as well and differ; with counts and examples. The backbone is then unchanged.
    """
    expected = tensors(backbone)
    translation = translate(expected, state)
    file = translation.file
    audit = match(expected, file, place)
    reason = refusal(audit, expected, file, threshold)
    if reason:
        raise WeightsError(reason)
    with torch.no_grad():
        for name, key in audit.matched.items():
            expected[name].copy_(file[key])
        for name, key in audit.resampled.items():
            expected[name].copy_(resampling.resample(file[key], expected[name].shape))
        for name, key in audit.adapted.items():
            expected[name].copy_(stem.adapt(file[key], expected[name].shape[1]))
    return translation.in_own_words(audit)


def tensors(backbone: Backbone) -> State:
    """Weights and running statistics by name, without the counters of batches, which are not used."""
    return {key: value for key, value in backbone.state_dict().items() if not is_batch_counter(key)}


def _from_torch(path: Path, source: str) -> State:
    """The tensors of a file of torch.save, which does not compress: so no tensor is larger than the file."""
    size = path.stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > size:
            raise WeightsError(f"{source} claims to hold more than its size, {size:,} bytes: fetch or save it again.")
    # Many training scripts keep their command line beside the weights: a Namespace holds values and runs nothing.
    allowed = torch.serialization.safe_globals([argparse.Namespace])
    # For an open file torch looks at the content, for a path at the suffix.
    with path.open("rb") as file, allowed, warnings.catch_warnings(action="ignore"):
        state = dict(_tensors_of(torch.load(file, map_location="cpu", weights_only=True), "", set()))
    for name, tensor in state.items():
        dense = tensor.is_cpu and tensor.layout is torch.strided and not (tensor.is_quantized or tensor.is_nested)
        if not dense or tensor.numel() * tensor.element_size() > size:
            raise WeightsError(
                f"{source}: the numbers of {name} are not all in the file (it is sparse, quantized, nested or a view): "
                "save it again with plain tensors."
            )
    return state


def _objects(path: Path, source: str, reason: str) -> str:
    """The message about a file that could only be read by executing code, with the names of that code."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        with zipfile.ZipFile(path) as archive:
            beside = any("/data/" in name for name in archive.namelist())
    except Exception:  # a file from before torch wrote zip archives: torch's refusal names the first
        names, beside = re.findall(r"GLOBAL (\S+) ", reason), True
    names = [name for name in names if name != "argparse.Namespace"]
    shown = f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if names else ""
    if any(name.startswith("torch.nn.") for name in names):
        what, beside = f"a whole module{shown}, not its state_dict alone", True
    elif names and all(name.startswith("numpy.") for name in names):
        what = f"numbers or arrays of numpy{shown}"
    else:
        what = f"Python objects{shown}"
    if not beside:
        return f"{source} holds no tensors but {what}, which were not read: give a file with a network's state_dict."
    return (
        f"{source} holds more than tensors: {what}; reading those could run any code, so it was not read. If you trust "
        "it, load it with torch.load(..., weights_only=False) and save its state_dict alone, best as .safetensors."
    )


def _tensors_of(content: Any, place: str, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    """The tensors in nested dicts and lists, with their place in them; each container is visited once."""
    if id(content) in seen:
        return
    seen.add(id(content))
    if isinstance(content, Mapping):
        inside: Iterable[tuple[Any, Any]] = content.items()
    elif isinstance(content, (list, tuple)):
        inside = enumerate(content)
    else:
        return
    for key, value in inside:
        name = f"{place}/{key}" if place else str(key)
        if isinstance(value, Tensor):
            yield name, value
        else:
            yield from _tensors_of(value, name, seen)
