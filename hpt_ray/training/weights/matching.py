"""Find a backbone's tensors in a file: by name, by number, or by order and shape.

Published files put the same network under other names: ``module.encoder_q.``, ``backbone.``, a dict in a dict. A file
may also hold it more than once (a momentum encoder), or as a ``Sequential`` whose children have numbers for names. What
torch wraps around a layer (``layer1._orig_mod.0``) is no part of a name, wherever it stands.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from hpt_ray.training.weights.audit import WRAPPERS, How, is_batch_counter, is_copy, number_of

#: A reading with at least this share of the backbone's tensors is the network, complete or nearly so.
NEARLY = 0.9


@dataclass
class Reading:
    """One place of a file that may be the network, and one way to read its names.

    Attributes:
        keys: the file's key for each name of the backbone, also where their shapes differ.
        fits: number of them with equal shapes.
    """

    prefix: str
    how: How
    keys: dict[str, str] = field(default_factory=dict)
    fits: int = 0


def readings(expected: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> list[Reading]:
    """Every place that may hold tensors of the backbone, the best first.

    Among readings that fit nearly equally well, copies (momentum encoders) come last. Order and shape are tried only if
    names and numbers do not fit.
    """
    candidates = [*_by_name(expected, file), *_by_number(expected, file)]
    most = max((reading.fits for reading in candidates), default=0)
    if most < NEARLY * len(expected):
        candidates += _by_order(expected, file)
        most = max((reading.fits for reading in candidates), default=0)

    def rank(reading: Reading) -> tuple[bool, bool, int, int, str]:
        far = reading.fits < NEARLY * most
        return far, is_copy(reading.prefix, file), -reading.fits, -len(reading.keys), reading.prefix

    return sorted(candidates, key=rank)


def _by_name(expected: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> list[Reading]:
    by_prefix: dict[str, Reading] = {}
    own = {without_wrappers(name): name for name in expected}
    for key in file:
        for prefix, rest in splits(key):
            name = rest if rest in expected else own.get(without_wrappers(rest))
            if name is not None:
                _add(by_prefix.setdefault(prefix, Reading(prefix, "name")), name, key, expected, file)
    return list(by_prefix.values())


def _by_number(expected: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> list[Reading]:
    """Readings of a ``Sequential``: its numbers, in order, replace the names of the network's children."""
    children = list(dict.fromkeys(name.split(".", 1)[0] for name in expected))
    own = {without_wrappers(name): name for name in expected}
    under: dict[str, dict[int, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for key in file:
        for prefix, name in splits(key):
            first, _, rest = name.partition(".")
            if (number := number_of(first)) is not None:
                under[prefix][number].append((rest, key))
    candidates = []
    for prefix, numbers in under.items():
        reading = Reading(prefix, "number")
        # Children without tensors (activation, pooling) have numbers too, but are in neither list.
        for child, number in zip(children, sorted(numbers), strict=False):
            for rest, key in numbers[number]:
                if known := own.get(without_wrappers(f"{child}.{rest}")):
                    _add(reading, known, key, expected, file)
        candidates.append(reading)
    return [reading for reading in candidates if len(reading.keys) >= NEARLY * len(expected)]


def _by_order(expected: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> list[Reading]:
    """Readings of files in which all names differ: every tensor must agree in kind and shape, in the same order.

    The kind is the last part of a name (``weight``, ``running_mean``); tensors of one layer must stay together; and
    numbers must ascend, since a file sorted by name has block 10 before block 2. If one tensor is
    missing or differs, there is no reading; if there are more, ``refusal`` accepts only heads. Two layers of equal
    shape in exchanged order cannot be noticed, so the audit reports that only the order was used.
    """
    names = list(expected)
    kinds = [(name.rsplit(".", 1)[-1], expected[name].shape) for name in names]
    by_first_key: dict[str, Reading] = {}
    under = Counter(prefix for key in file for prefix, _ in splits(key))
    for prefix in sorted(prefix for prefix, count in under.items() if count >= len(names)):
        keys = [key for key in file if key.startswith(prefix) and not is_batch_counter(key)][: len(names)]
        same = [(re.split(r"[./]", key)[-1], file[key].shape) for key in keys] == kinds
        if same and _same_layers(names, keys) and _ascending(keys):
            # Of several prefixes of the same keys the longest, which comes last, is the network's own.
            by_first_key[keys[0]] = Reading(prefix, "order", dict(zip(names, keys, strict=True)), len(names))
    return list(by_first_key.values())


def _same_layers(names: list[str], keys: list[str]) -> bool:
    """Whether the tensors of one layer of the backbone are those of one layer of the file."""
    pairs = {(name.rpartition(".")[0], key.rpartition(".")[0]) for name, key in zip(names, keys, strict=True)}
    return len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


def _ascending(keys: list[str]) -> bool:
    """Whether numbered children come in the order of their numbers."""
    latest: dict[str, int] = {}
    for key in keys:
        for component in re.finditer(r"(?<![^./])\d+(?![^./])", key):
            prefix, number = key[: component.start()], int(component[0])
            if number < latest.get(prefix, 0):
                return False
            latest[prefix] = number
    return True


def splits(key: str) -> Iterator[tuple[str, str]]:
    """The prefixes and names that a key may consist of: a name begins at its start or after a dot or slash."""
    yield "", key
    for sign in re.finditer(r"[./]", key):
        yield key[: sign.end()], key[sign.end() :]


def without_wrappers(name: str) -> str:
    """A name without the wrappers inside it; what begins with one is no name, as that belongs to the prefix."""
    return name if re.match(WRAPPERS, name) else re.sub(WRAPPERS, "", name)


def _add(reading: Reading, name: str, key: str, expected: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> None:
    """Add a key for a name of the backbone, unless there is one at the same place already."""
    if name in reading.keys:
        return
    reading.keys[name] = key
    reading.fits += expected[name].shape == file[key].shape
