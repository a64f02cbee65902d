"""A file's tensors under a backbone's names, where another library gives the same network other names.

Hugging Face keeps the queries, keys and values of an attention apart, which timm and torchvision keep in one matrix;
DINOv2 gives the class token a position, which timm adds to the token. All of this is exact: the network computes the
same features.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from hpt_ray.training.layer_names import Canonical, family
from hpt_ray.training.weights.audit import Audit
from hpt_ray.training.weights.matching import splits, without_wrappers

#: A place of a file that has at least this share of a backbone's tensors is a network of its family.
SHARE = 0.5


class Part(NamedTuple):
    """A tensor of a network, and the file's keys that it is from."""

    numbers: Tensor
    origins: tuple[str, ...]


@dataclass
class Translation:
    """The tensors of a file under a backbone's names.

    Attributes:
        file: the tensors by key; of a key that is changed the prefix stays.
        origins: the file's own keys behind each changed key.
    """

    file: dict[str, Tensor]
    origins: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def in_own_words(self, load: Audit) -> Audit:
        """An audit with the file's own keys; those that make up one tensor are joined by a plus."""
        return load.model_copy(
            update={
                **{
                    name: {own: " + ".join(self._own(key)) for own, key in getattr(load, name).items()}
                    for name in ("matched", "resampled", "adapted", "reshaped")
                },
                **{
                    name: tuple(origin for key in getattr(load, name) for origin in self._own(key))
                    for name in ("unexpected", "heads", "ignored")
                },
            }
        )

    def _own(self, key: str) -> tuple[str, ...]:
        return self.origins.get(key, (key,))


def translate(expected: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> Translation:
    """Give the tensors of a file the names that the backbone has for them; what it has no name for stays as it is.

    Args:
        expected: the backbone's tensors by name, of which only the shapes are used. file: the file's tensors by key.
    """
    canonical = family(expected)
    if canonical is None:
        return Translation(dict(file))
    own = {known: name for name in expected if (known := canonical(name))}
    renamed, origins = dict[str, Tensor](), dict[str, tuple[str, ...]]()
    for prefix, network in _networks(file, canonical).items():
        if len(network.keys() & own.keys()) < SHARE * len(own):
            continue
        for known, part in _split(_joined(_without_class_position(network, own, expected), own), own).items():
            key = prefix + own.get(known, known)
            renamed[key] = _shaped(part.numbers, expected[own[known]]) if known in own else part.numbers
            origins[key] = part.origins
    taken = {origin for keys in origins.values() for origin in keys}
    return Translation({key: numbers for key, numbers in file.items() if key not in taken} | renamed, origins)


def _networks(file: Mapping[str, Tensor], canonical: Canonical) -> dict[str, dict[str, Part]]:
    """The tensors of every place of a file by their one name."""
    networks: dict[str, dict[str, Part]] = defaultdict(dict)
    for key, prefix, known in named(file, canonical):
        networks[prefix].setdefault(known, Part(file[key], (key,)))
    return networks


def named(keys: Iterable[str], canonical: Canonical) -> Iterator[tuple[str, str, str]]:
    """Each key of a file that a family has a name for: the key, the place of its network, and the one name."""
    for key in keys:
        for prefix, name in splits(key):
            if known := canonical(without_wrappers(name)):
                yield key, prefix, known
                break


def _without_class_position(
    network: dict[str, Part], own: Mapping[str, str], expected: Mapping[str, Tensor]
) -> dict[str, Part]:
    """The class token with its position added, for a backbone that has positions for its patches alone."""
    if not {"cls_token", "pos_embed"} <= network.keys() & own.keys():
        return network
    token, positions = network["cls_token"], network["pos_embed"]
    patches = positions.numbers.shape[1] - 1 if positions.numbers.ndim == 3 else 0
    wanted = expected[own["pos_embed"]].shape[1]
    if math.isqrt(wanted) ** 2 != wanted or patches < 1 or math.isqrt(patches) ** 2 != patches:
        return network
    added = Part(token.numbers + positions.numbers[:, :1], token.origins)
    return network | {"cls_token": added, "pos_embed": Part(positions.numbers[:, 1:], positions.origins)}


def _joined(network: dict[str, Part], own: Mapping[str, str]) -> dict[str, Part]:
    """The matrices of queries, keys and values in one, for a backbone that has one."""
    network = dict(network)
    for layer in [name.removesuffix(".qkv.weight") for name in own if name.endswith(".attn.qkv.weight")]:
        for kind in ("weight", "bias"):
            names = [f"{layer}.{part}.{kind}" for part in "qkv"]
            parts = [network.get(name) for name in names]
            there = [part for part in parts if part is not None]
            # DINOv3's keys have no bias, which is one of zeros.
            if f"{layer}.q.{kind}" in own or len(there) < (3 if kind == "weight" else 1):
                continue
            joined = torch.cat([part.numbers if part else torch.zeros_like(there[0].numbers) for part in parts])
            network = {name: part for name, part in network.items() if name not in names}
            network[f"{layer}.qkv.{kind}"] = Part(joined, tuple(origin for part in there for origin in part.origins))
    return network


def _split(network: dict[str, Part], own: Mapping[str, str]) -> dict[str, Part]:
    """The biases of queries and values, for a backbone that keeps them apart and has none for its keys.

    A bias of the keys adds the same to all scores of a query, which softmax takes out again.
    """
    split = dict[str, Part]()
    for name, part in network.items():
        layer = name.removesuffix(".qkv.bias")
        if layer != name and f"{layer}.q.bias" in own:
            queries, _, values = part.numbers.chunk(3)
            split |= {f"{layer}.q.bias": Part(queries, part.origins), f"{layer}.v.bias": Part(values, part.origins)}
        else:
            split[name] = part
    return split


def _shaped(numbers: Tensor, wanted: Tensor) -> Tensor:
    """A layer scale [c, 1, 1] as [c], a convolution of 1 x 1 as a matrix; what differs otherwise as it is."""
    same = [n for n in numbers.shape if n > 1] == [n for n in wanted.shape if n > 1]
    return numbers.reshape(wanted.shape) if same else numbers
