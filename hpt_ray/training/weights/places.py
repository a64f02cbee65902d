"""Choose the place in a file from which a network is loaded: the one that a user names, or the only candidate.

Copies of a network are no candidates: equal tensors, and momentum encoders or averages by their names. If two different
networks fit, the user has to choose.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hpt_ray.core.errors import WeightsError
from hpt_ray.training.weights.audit import Audit, audit, is_copy
from hpt_ray.training.weights.matching import Reading, readings
from hpt_ray.training.weights.refusal import complete


def match(expected: Mapping[str, Tensor], file: Mapping[str, Tensor], place: str | None = None) -> Audit:
    """What a load would do with every key of a file, from the place in it that holds the backbone.

    Args:
        expected: the backbone's tensors by name, of which only the shapes are used. file: the file's tensors by key.
        place: how the keys of the wanted network begin, or the dict around it; None: where it fits best.

    Raises:
        WeightsError: if no tensor of the backbone is at ``place``.
    """
    candidates = readings(expected, file)
    whole = [reading for reading in candidates if len(reading.keys) == len(expected)]
    claimed = {key for reading in whole for key in reading.keys.values()}
    if place is not None:
        candidates = _at(candidates, place)
    fitting = []
    for reading in [reading for reading in candidates if reading in whole]:
        load = audit(expected, file, reading.prefix, reading.how, reading.keys)
        # By names alone, every other network is a part of one at the top of the file.
        others = tuple(key for key in load.unexpected if key in claimed)
        unexpected = tuple(key for key in load.unexpected if key not in claimed)
        load = load.model_copy(update={"unexpected": unexpected, "ignored": load.ignored + others})
        if complete(load):
            fitting.append((reading, load))
    if not fitting:
        best = candidates[0] if candidates else Reading("", "name")
        return audit(expected, file, best.prefix, best.how, best.keys)
    chosen, load = fitting[0]
    rivals, copies = list[str](), list[str]()
    for other in [reading for reading, _ in fitting if reading.prefix != chosen.prefix]:
        differs = is_copy(other.prefix, file) == is_copy(chosen.prefix, file) and not _equal(chosen, other, file)
        (rivals if differs else copies).append(other.prefix)
    return load.model_copy(update={"rivals": tuple(rivals), "copies": tuple(copies)})


def _at(candidates: list[Reading], place: str) -> list[Reading]:
    """The readings at a place, or below it if there are none; the dot or slash at its end may be left out."""
    name = place.strip("./")
    exact = [reading for reading in candidates if reading.prefix.strip("./") == name]
    below = [reading for reading in candidates if reading.prefix.startswith((f"{name}.", f"{name}/"))]
    if not (exact or below):
        most = max((len(reading.keys) for reading in candidates), default=0)
        places = [reading.prefix or "its top" for reading in candidates if len(reading.keys) == most][:6]
        hint = f"there is some at {', '.join(places)} to be named instead" if places else "nor anywhere else"
        raise WeightsError(f"the checkpoint has nothing of the backbone at {place!r}: {hint}.")
    return exact or below


def _equal(one: Reading, other: Reading, file: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(_wide(file[key]), _wide(file[other.keys[name]])) for name, key in one.keys.items())


def _wide(numbers: Tensor) -> Tensor:
    """Convert to a type that torch can compare: it cannot compare float8."""
    return numbers.to(torch.complex128)
