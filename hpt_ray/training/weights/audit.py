"""What a load does with every key of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from torch import Tensor

from hpt_ray.core.text import visible
from hpt_ray.core.values import Frozen
from hpt_ray.training.weights import positions

How = Literal["name", "number", "order"]

HOW: dict[How, str] = {
    "name": "by name",
    "number": "by number: the file has a Sequential's numbers where the backbone has names",
    "order": "by order and shape alone: no names agree, so see that step 0 beats random features",
}

#: What stands on a backbone, as published: fc, heads, classifier, projection_head, predictor, aux1 ... : words, and how
#: words begin.
_HEADS = {"fc", "head", "heads", "linear", "neck"}
_HEAD_STEMS = ("classif", "proj", "predict", "prototype", "logit", "aux")
#: Words of a network's copy (MoCo uses its query encoder; VISSL keeps the other one in the loss), and of what is no
#: network at all.
_COPIES = {"momentum", "target", "ema", "k", "key", "loss"}
_NO_NETWORKS = {"queue", "ptr", "memory", "optimizer", "optimizers", "optimiser"}
#: What torch puts into names where it wraps a module: compile, FSDP and its forerunner, activation checkpoints,
#: Lightning's Fabric, data parallel.
WRAPPERS = (
    r"(?<![^./])"
    r"(?:_orig_mod|_fsdp_wrapped_module|_fpw_module|_checkpoint_wrapped_module|_forward_module|_?module)\."
)


class Audit(Frozen):
    """What one load does: every key of the file stands in exactly one of all lists but ``missing``.

    ``matched``, ``resampled`` and ``reshaped`` are by the backbone's names, to the file's keys; the other lists hold
    the file's keys (``place/in/nested/dicts/name.of.the.tensor``), but ``missing``, which holds the backbone's names.

    Attributes:
        prefix: what the keys of the chosen network begin with.
        how: by which the keys were matched: their name; the number of a child in a Sequential, for its name; or, where
            all names differ, the order and shape of all tensors.
        matched: taken over as they are.
        resampled: position embeddings of another image size, taken over by interpolation.
        reshaped: of another shape, which keep the values that the backbone had; so do ``missing`` ones.
        unexpected: of the chosen network, and the backbone has no such tensor.
        heads: projectors, predictors and classifiers: dropped.
        ignored: other networks, queues, optimiser state, and counters of batches, on which nothing here depends.
        rivals: places of other networks that fit as well and differ, so that a user must choose.
        copies: places that hold the network once more: equal, or by their names its copies.
        constant: the backbone's names of layers' weights that are one number throughout: legal, and never trained.
    """

    prefix: str
    how: How
    matched: dict[str, str]
    resampled: dict[str, str]
    reshaped: dict[str, str]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    heads: tuple[str, ...]
    ignored: tuple[str, ...]
    rivals: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    constant: tuple[str, ...] = ()


def audit(
    own: Mapping[str, Tensor], file: Mapping[str, Tensor], prefix: str, how: How, keys: Mapping[str, str]
) -> Audit:
    """Sort every key of a file.

    Args:
        own, file: the backbone's tensors by name, of which only the shapes count, and the file's by key.
        keys: which of the file's keys stands for which of the backbone's names, whatever their shapes.
    """
    equal = {name: key for name, key in keys.items() if own[name].shape == file[key].shape}
    other = {name: key for name, key in keys.items() if name not in equal}
    resampled = {k: v for k, v in other.items() if positions.can_resample(k, file[v].shape, own[k].shape)}
    used = set(keys.values())
    sorted_out: dict[str, list[str]] = {"unexpected": [], "heads": [], "ignored": []}
    siblings = _places(used, prefix)
    for key in file:
        if key not in used:
            sorted_out[_kind(key, prefix, siblings)].append(key)
    return Audit(
        prefix=prefix,
        how=how,
        matched=equal,
        resampled=resampled,
        reshaped={name: key for name, key in other.items() if name not in resampled},
        missing=tuple(name for name in own if name not in keys),
        constant=_constant(equal, file),
        **{name: tuple(keys) for name, keys in sorted_out.items()},
    )


def _constant(keys: Mapping[str, str], file: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Of the backbone's names those of layers' weights that are one number throughout, which no training leaves."""
    found = []
    for name, key in keys.items():
        numbers = file[key]
        if name.endswith("weight") and numbers.ndim > 1 and numbers.numel() > 1 and numbers.is_floating_point():
            numbers = numbers.float().flatten()  # as they are taken over: some precisions cannot be compared
            if (numbers == numbers[0]).all():
                found.append(name)
    return tuple(found)


def lines(source: str, found: Audit) -> list[str]:
    """What a load takes over and what it leaves, in a line, and one for each thing that a user should know of it."""
    wanted = fits(found) + len(found.reshaped) + len(found.missing)
    place = f"from {found.prefix or 'its top'}"
    if found.copies:
        place += f" (not from its {'copy' if len(found.copies) == 1 else 'copies'} {', '.join(found.copies)})"
    others = [key for key in (*found.ignored, *found.unexpected) if not counts(key)]
    left = [f"{len(found.heads)} of heads such as {found.heads[0]}"] if found.heads else []
    left += [f"{len(others)} of other networks or training state such as {others[0]}"] if others else []
    said = [f"weights {source}: {fits(found)} of {wanted} tensors, {place}; left out: {' and '.join(left) or 'none'}."]
    if found.resampled:
        names = ", ".join(found.resampled)
        said.append(f"weights {source}: {names} converted to the image size by interpolation.")
    if found.how != "name":
        said.append(f"weights {source}: matched {HOW[found.how]}.")
    if found.constant:
        such = f"{len(found.constant)} of its tensors such as {found.constant[0]}"
        said.append(f"weights {source}: never trained, as they are one number throughout: {such}.")
    return [visible(line) for line in said]


def fits(found: Audit) -> int:
    """How many of the backbone's tensors are taken over."""
    return len(found.matched) + len(found.resampled)


def theirs(found: Audit) -> int:
    """How many tensors the file's network has, without its heads."""
    return fits(found) + len(found.reshaped) + len(found.unexpected)


def counts(key: str) -> bool:
    """Whether a key is batch norm's counter of batches."""
    return key.endswith("num_batches_tracked")


def is_copy(prefix: str, file: Iterable[str]) -> bool:
    """Whether a network is by its name the copy of another one: a momentum encoder, a target, an average.

    Of self-distillation (DINO and its kin) the teacher is the network, and the student, with a projector of its own, is
    what it averages. Of a distillation without projectors the student is the new network and no copy of the teacher.
    """
    words = _words(prefix)
    if words & _COPIES or "student" not in words:
        return bool(words & _COPIES)
    if "backbone" in parts(prefix):
        return True
    beside = (key for key in file if not key.startswith(prefix) and "student" in _words(key))
    return any(re.search(r"head|proj", part.lower()) for key in beside for part in parts(key))


def parts(key: str) -> list[str]:
    """The components of a key or prefix: ``state_dict/module.fc.weight`` has four."""
    return [part for part in re.split(r"[./]", key) if part]


def _kind(key: str, prefix: str, siblings: list[set[str]]) -> str:
    """The list of a key that is not the backbone's, by the component in which it leaves the chosen network's path."""
    path, own = parts(key), parts(prefix)
    place = next((i for i, (one, other) in enumerate(zip(path, own, strict=False)) if one != other), len(own))
    name = path[place] if place < len(path) else ""
    inside = place == len(own) and key.startswith(prefix) and "/" not in key[len(prefix) :]
    if counts(key) or _words(name) & (_COPIES | _NO_NETWORKS | {"student"}) - _words(prefix):
        return "ignored"
    # In a Sequential the head follows the backbone; its number tells.
    if _next(name, siblings[place]) or _is_head(name):
        return "heads"
    return "unexpected" if inside else "ignored"


def _places(used: Iterable[str], prefix: str) -> list[set[str]]:
    """The components that the chosen keys have at each place up to the first after the prefix."""
    paths = [parts(key) for key in used]
    return [{path[place] for path in paths} for place in range(len(parts(prefix)) + 1)]


def _is_head(name: str) -> bool:
    return any(word in _HEADS or word.startswith(_HEAD_STEMS) for word in _words(name))


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+", name.lower()))


def number_of(component: str) -> int | None:
    """A layer's number in a key: ``²`` is a digit to Python, and thousands of them are no number to it."""
    plain = component.isascii() and component.isdecimal() and len(component) < 10
    return int(component) if plain else None


def _next(name: str, siblings: Iterable[str]) -> bool:
    """Whether a layer's number is greater than those of all its siblings."""
    number, others = number_of(name), [number_of(sibling) for sibling in siblings]
    return number is not None and all(other is not None and other < number for other in others)
