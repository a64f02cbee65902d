"""Which of the places in a file that hold a network is loaded: the one that a user names, or the only one in question.

Copies of a network are not in question: equal tensors, and what is by its name a momentum encoder or an average. Two
networks that differ are, and to take the first by name would be to guess.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hpt_ray.core.errors import WeightsError
from hpt_ray.training.weights.audit import Audit, audit, is_copy
from hpt_ray.training.weights.matching import Reading, readings
from hpt_ray.training.weights.refusal import complete


def match(own: Mapping[str, Tensor], file: Mapping[str, Tensor], place: str | None = None) -> Audit:
    """What a load would do with every key of a file, from the place in it that holds the backbone.

    Args:
        own: the backbone's tensors by name, of which only the shapes count. file: the file's by key.
        place: what the keys of the wanted network begin with, or the dict around it; None: wherever it fits best.

    Raises:
        WeightsError: if nothing of the backbone stands at ``place``.
    """
    found = readings(own, file)
    whole = [reading for reading in found if len(reading.keys) == len(own)]
    claimed = {key for reading in whole for key in reading.keys.values()}
    if place is not None:
        found = _at(found, place)
    fitting = []
    for reading in [reading for reading in found if reading in whole]:
        made = audit(own, file, reading.prefix, reading.how, reading.keys)
        # Of a network at the top of a file every other one is a part, by its names alone.
        others = tuple(key for key in made.unexpected if key in claimed)
        rest = tuple(key for key in made.unexpected if key not in claimed)
        made = made.model_copy(update={"unexpected": rest, "ignored": made.ignored + others})
        if complete(made):
            fitting.append((reading, made))
    if not fitting:
        best = found[0] if found else Reading("", "name")
        return audit(own, file, best.prefix, best.how, best.keys)
    chosen, made = fitting[0]
    rivals, copies = list[str](), list[str]()
    for other in [reading for reading, _ in fitting if reading.prefix != chosen.prefix]:
        differs = is_copy(other.prefix, file) == is_copy(chosen.prefix, file) and not _equal(chosen, other, file)
        (rivals if differs else copies).append(other.prefix)
    return made.model_copy(update={"rivals": tuple(rivals), "copies": tuple(copies)})


def _at(found: list[Reading], place: str) -> list[Reading]:
    """The readings at a place, or below it where none is; with or without the sign that ends a prefix."""
    name = place.strip("./")
    there = [reading for reading in found if reading.prefix.strip("./") == name]
    below = [reading for reading in found if reading.prefix.startswith((f"{name}.", f"{name}/"))]
    if not (there or below):
        most = max((len(reading.keys) for reading in found), default=0)
        places = [reading.prefix or "its top" for reading in found if len(reading.keys) == most][:6]
        hint = f"there is some at {', '.join(places)} to be named instead" if places else "nor anywhere else"
        raise WeightsError(f"the checkpoint has nothing of the backbone at {place!r}: {hint}.")
    return there or below


def _equal(one: Reading, other: Reading, file: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(_wide(file[key]), _wide(file[other.keys[name]])) for name, key in one.keys.items())


def _wide(numbers: Tensor) -> Tensor:
    """Numbers of any kind in one that torch compares: it has no comparison of float8."""
    return numbers.to(torch.complex128)
