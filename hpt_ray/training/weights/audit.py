"""What a load of weights does with every key of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field
from torch import Tensor

from hpt_ray.core.text import visible
from hpt_ray.core.values import Frozen
from hpt_ray.training import stem
from hpt_ray.training.weights import resampling

How = Literal["name", "number", "order"]

HOW: dict[How, str] = {
    "name": "by name",
    "number": "by number: the file has a Sequential's numbers where the backbone has names",
    "order": "by order and shape alone: no names agree, so see that step 0 beats random features",
}

#: Names of published heads (fc, classifier, projection_head, predictor, aux1, MAE's decoder ...): whole words, and
#: beginnings of words.
_HEADS = {"fc", "head", "heads", "linear", "neck", "pooler"}
_HEAD_STEMS = ("classif", "proj", "predict", "prototype", "logit", "aux", "decoder")
#: Words in the names of copies of a network (MoCo's key encoder; VISSL keeps it in the loss), and of what is no
#: network: training state, a transformer's token for masked patches, constants of its rotary positions.
_COPIES = {"momentum", "target", "ema", "k", "key", "loss"}
_NO_NETWORKS = {"queue", "ptr", "memory", "optimizer", "optimizers", "optimiser", "mask", "masked", "rope"}
#: What torch inserts into names when it wraps a module: compile, FSDP and its forerunner, activation checkpoints,
#: Lightning's Fabric, data parallel.
WRAPPERS = (
    r"(?<![^./])"
    r"(?:_orig_mod|_fsdp_wrapped_module|_fpw_module|_checkpoint_wrapped_module|_forward_module|_?module)\."
)


class Audit(Frozen):
    """What one load does: every key of the file is in exactly one field.

    ``matched``, ``resampled``, ``adapted`` and ``reshaped`` map the backbone's names to the file's keys. ``missing``
    and ``constant`` have names of the backbone, the other fields keys (``place/in/nested/dicts/name.of.the.tensor``).

    Attributes:
        prefix: how the keys of the chosen network begin.
        how: the keys were matched by name; by the number of a child in a Sequential; or, if all names differ, by the
            order and shape of all tensors.
        matched: loaded unchanged.
        resampled: position embeddings of another image size or patches of another size, loaded by interpolation.
        adapted: the first convolution of images of another number of channels, loaded widened or narrowed.
        reshaped: tensors of another shape; like ``missing`` ones they keep the backbone's values.
        unexpected: tensors of the chosen network that the backbone does not have.
        heads: projectors, predictors and classifiers: dropped.
        ignored: other networks, queues, optimiser state, and counters of batches, which are not used.
        rivals: places of other, different networks that fit equally well, so that a user must choose.
        copies: places of copies of the network: equal tensors, or copies by their names.
        constant: weights of layers in which all numbers are equal: valid, but never trained.
    """

    prefix: str
    how: How
    matched: dict[str, str]
    resampled: dict[str, str]
    adapted: dict[str, str] = Field(default_factory=dict)  # records of earlier versions lack it
    reshaped: dict[str, str]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    heads: tuple[str, ...]
    ignored: tuple[str, ...]
    rivals: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    constant: tuple[str, ...] = ()


def audit(
    expected: Mapping[str, Tensor], file: Mapping[str, Tensor], prefix: str, how: How, keys: Mapping[str, str]
) -> Audit:
    """Sort every key of a file.

    Args:
        expected: the backbone's tensors by name, of which only the shapes are used. file: the file's tensors by key.
        keys: the file's key for each name of the backbone, also where their shapes differ.
    """
    equal = {name: key for name, key in keys.items() if expected[name].shape == file[key].shape}
    other = {name: key for name, key in keys.items() if name not in equal}
    resampled = {k: v for k, v in other.items() if resampling.can_resample(k, file[v].shape, expected[k].shape)}
    adapted = {k: v for k, v in other.items() if stem.can_adapt(k, file[v].shape, expected)}
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
        adapted=adapted,
        reshaped={name: key for name, key in other.items() if name not in resampled | adapted},
        missing=tuple(name for name in expected if name not in keys),
        constant=_constant(equal, file),
        **{name: tuple(keys) for name, keys in sorted_out.items()},
    )


def _constant(keys: Mapping[str, str], file: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The names of layers' weights in which all numbers are equal, which does not happen in training."""
    names = []
    for name, key in keys.items():
        numbers = file[key]
        if name.endswith("weight") and numbers.ndim > 1 and numbers.numel() > 1 and numbers.is_floating_point():
            numbers = numbers.float().flatten()  # as they are loaded: some precisions cannot be compared
            if (numbers == numbers[0]).all():
                names.append(name)
    return tuple(names)


def lines(source: str, load: Audit) -> list[str]:
    """What is loaded and what is left out, in one line, and a line for everything else that a user should know."""
    wanted = fits(load) + len(load.reshaped) + len(load.missing)
    origin = f"from {load.prefix or 'its top'}"
    if load.copies:
        origin += f" (not from its {'copy' if len(load.copies) == 1 else 'copies'} {', '.join(load.copies)})"
    others = [key for key in (*load.ignored, *load.unexpected) if not is_constant(key)]
    left_out = [f"{len(load.heads)} of heads such as {load.heads[0]}"] if load.heads else []
    left_out += [f"{len(others)} of other networks or training state such as {others[0]}"] if others else []
    notes = [
        f"weights {source}: {fits(load)} of {wanted} tensors, {origin}; left out: {' and '.join(left_out) or 'none'}."
    ]
    if load.resampled:
        names = ", ".join(load.resampled)
        notes.append(f"weights {source}: {names} converted to the backbone's image and patch size by interpolation.")
    if translated := [name for name, key in load.matched.items() if load.how == "name" and not _same_name(name, key)]:
        name = translated[0]
        notes.append(
            f"weights {source}: {len(translated)} of its tensors have other names than the backbone's: {name} is read "
            f"from {load.matched[name]}."
        )
    if load.how != "name":
        notes.append(f"weights {source}: matched {HOW[load.how]}.")
    if load.constant:
        such = f"{len(load.constant)} of its tensors such as {load.constant[0]}"
        notes.append(f"weights {source}: never trained, as they are one number throughout: {such}.")
    return [visible(line) for line in notes]


def _same_name(name: str, key: str) -> bool:
    return re.sub(WRAPPERS, "", key).endswith(re.sub(WRAPPERS, "", name))


def fits(load: Audit) -> int:
    """The number of tensors of the backbone that are loaded."""
    return len(load.matched) + len(load.resampled) + len(load.adapted)


def tensors_in_file(load: Audit) -> int:
    """The number of tensors of the file's network, without its heads."""
    return fits(load) + len(load.reshaped) + len(load.unexpected)


def is_batch_counter(key: str) -> bool:
    """Whether a key is batch norm's counter of batches."""
    return key.endswith("num_batches_tracked")


def is_constant(key: str) -> bool:
    """Whether a key is one of training's: a counter of batches, or DINOv3's mask of the bias that keys do not have."""
    return is_batch_counter(key) or key.endswith("bias_mask")


def is_copy(prefix: str, file: Iterable[str]) -> bool:
    """Whether a network is, by its name, a copy of another one: a momentum encoder, a target network, an average.

    In self-distillation (such as DINO) the teacher is the network to use, and the student has its own projector. In a
    distillation without projectors the student is the new network, and not a copy of the teacher.
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
    """The field of a key that is not the backbone's, by the first component that differs from the network's path."""
    path, prefix_parts = parts(key), parts(prefix)
    position = next(
        (i for i, (left, right) in enumerate(zip(path, prefix_parts, strict=False)) if left != right), len(prefix_parts)
    )
    name = path[position] if position < len(path) else ""
    inside = position == len(prefix_parts) and key.startswith(prefix) and "/" not in key[len(prefix) :]
    if is_constant(key) or _words(name) & (_COPIES | _NO_NETWORKS | {"student"}) - _words(prefix):
        return "ignored"
    # In a Sequential the head comes after the backbone: it has a higher number.
    if _next(name, siblings[position]) or _is_head(name):
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
    """A layer's number in a key: only ASCII digits, and at most nine of them."""
    plain = component.isascii() and component.isdecimal() and len(component) < 10
    return int(component) if plain else None


def _next(name: str, siblings: Iterable[str]) -> bool:
    """Whether a layer's number is greater than those of all its siblings."""
    number, others = number_of(name), [number_of(sibling) for sibling in siblings]
    return number is not None and all(other is not None and other < number for other in others)
