"""Which tensors of a file are a backbone's: by name, by number, or by order and shape.

Published files wrap the same network in other names: ``module.encoder_q.``, ``backbone.``, a dict in a dict. A file may
also hold it more than once (a momentum encoder), or as a ``Sequential`` whose children have numbers for names. What
torch wraps around a layer (``layer1._orig_mod.0``) is no part of a name, wherever it stands.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from hpt_ray.training.weights.audit import WRAPPERS, How, counts, is_copy, number_of

#: The share of a backbone's tensors from which on a reading is the network, whole or nearly so.
NEARLY = 0.9


@dataclass
class Reading:
    """One place of a file that may be the network, and one way to read its names.

    Attributes:
        keys: the backbone's name -> the file's key, whatever their shapes.
        fits: how many of them agree in shape.
    """

    prefix: str
    how: How
    keys: dict[str, str] = field(default_factory=dict)
    fits: int = 0


def readings(own: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> list[Reading]:
    """Every place where some of the backbone's tensors may stand, the best first.

    Of readings that fit nearly equally well, a copy (a momentum encoder) comes last. Order and shape alone are asked
    only where no names fit.
    """
    found = [*_by_name(own, file), *_by_number(own, file)]
    most = max((reading.fits for reading in found), default=0)
    if most < NEARLY * len(own):
        found += _by_order(own, file)
        most = max((reading.fits for reading in found), default=0)

    def rank(reading: Reading) -> tuple[bool, bool, int, int, str]:
        far = reading.fits < NEARLY * most
        return far, is_copy(reading.prefix, file), -reading.fits, -len(reading.keys), reading.prefix

    return sorted(found, key=rank)


def _by_name(own: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> list[Reading]:
    found: dict[str, Reading] = {}
    plain = {_plain(name): name for name in own}
    for key in file:
        for start in _starts(key):
            prefix, rest = key[:start], key[start:]
            # A wrapper of the whole network belongs to its prefix.
            bare = "" if re.match(WRAPPERS, rest) else _plain(rest)
            name = rest if rest in own else plain.get(bare)
            if name is not None:
                _add(found.setdefault(prefix, Reading(prefix, "name")), name, key, own, file)
    return list(found.values())


def _by_number(own: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> list[Reading]:
    """Where the network is a ``Sequential`` of its children: in order, each number stands for a child's name."""
    children = list(dict.fromkeys(name.split(".", 1)[0] for name in own))
    plain = {_plain(name): name for name in own}
    under: dict[str, dict[int, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for key in file:
        for start in _starts(key):
            first, _, rest = key[start:].partition(".")
            if (number := number_of(first)) is not None:
                under[key[:start]][number].append((rest, key))
    found = []
    for prefix, numbers in under.items():
        reading = Reading(prefix, "number")
        # Children without tensors (activation, pooling) have numbers too, and show in neither list.
        for child, number in zip(children, sorted(numbers), strict=False):
            for rest, key in numbers[number]:
                if name := plain.get(_plain(f"{child}.{rest}")):
                    _add(reading, name, key, own, file)
        found.append(reading)
    return [reading for reading in found if len(reading.keys) >= NEARLY * len(own)]


def _by_order(own: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> list[Reading]:
    """Where all names differ: the same layers in the same order, if every tensor agrees in kind and shape.

    The kind is the last part of a name (``weight``, ``running_mean``); tensors of one layer must stay together; and
    numbers must ascend, since a file sorted by name has block 10 before block 2. One tensor less or other, and there is
    no reading; more, and ``refusal`` has none of it unless they are heads. What this cannot see is two layers of equal
    shape that another file defines the other way round, so the audit says that order is all there was.
    """
    names = list(own)
    kinds = [(name.rsplit(".", 1)[-1], own[name].shape) for name in names]
    found: dict[str, Reading] = {}
    under = Counter(key[:start] for key in file for start in _starts(key))
    for prefix in sorted(prefix for prefix, count in under.items() if count >= len(names)):
        keys = [key for key in file if key.startswith(prefix) and not counts(key)][: len(names)]
        same = [(re.split(r"[./]", key)[-1], file[key].shape) for key in keys] == kinds
        if same and _same_layers(names, keys) and _ascending(keys):
            # Of several prefixes of the same keys the longest, which comes last, is the network's own.
            found[keys[0]] = Reading(prefix, "order", dict(zip(names, keys, strict=True)), len(names))
    return list(found.values())


def _same_layers(names: list[str], keys: list[str]) -> bool:
    """Whether the tensors of one layer of the backbone are those of one layer of the file."""
    pairs = {(name.rpartition(".")[0], key.rpartition(".")[0]) for name, key in zip(names, keys, strict=True)}
    return len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


def _ascending(keys: list[str]) -> bool:
    """Whether numbered children come in the order of their numbers."""
    last: dict[str, int] = {}
    for key in keys:
        for found in re.finditer(r"(?<![^./])\d+(?![^./])", key):
            place, number = key[: found.start()], int(found[0])
            if number < last.get(place, 0):
                return False
            last[place] = number
    return True


def _starts(key: str) -> Iterator[int]:
    """Where a name may begin in a key: at its start and after every dot or slash."""
    yield 0
    for sign in re.finditer(r"[./]", key):
        yield sign.end()


def _plain(name: str) -> str:
    """A name without the wrappers in it."""
    return re.sub(WRAPPERS, "", name)


def _add(reading: Reading, name: str, key: str, own: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> None:
    """Let a key stand for a name of the backbone, unless another of the same place does."""
    if name in reading.keys:
        return
    reading.keys[name] = key
    reading.fits += own[name].shape == file[key].shape
