"""Show what a file of weights contains and whether it would load, without training or creating a network."""

from __future__ import annotations

import re
from collections import Counter

from hpt_ray.core.values import Frozen
from hpt_ray.spec.weights_source import WeightSource
from hpt_ray.training.backbone import outline
from hpt_ray.training.weights.audit import HOW, Audit, fits, is_copy
from hpt_ray.training.weights.checkpoints import State, read, tensors
from hpt_ray.training.weights.formats import format_of
from hpt_ray.training.weights.matching import Reading, readings
from hpt_ray.training.weights.places import match
from hpt_ray.training.weights.recognition import recognise
from hpt_ray.training.weights.refusal import complete, refusal
from hpt_ray.training.weights.translation import translate

EXAMPLES = 3
MEANINGS = {
    "matched": "taken over",
    "resampled": "position embeddings of another image size or patches of another size, taken over by interpolation",
    "adapted": "the first layer, of images of another number of channels: kept until it meets the data",
    "reshaped": "of another shape: the backbone would keep its random values",
    "missing": "not in the file: the backbone would keep its random values",
    "unexpected": "of this network, but not in the backbone",
    "heads": "projectors, predictors, classifiers: dropped",
    "ignored": "other networks, queues, optimiser state, counters of batches",
}


class Network(Frozen):
    """One place of the file that may hold the network; ``fits`` is the number of tensors there with the right shape."""

    prefix: str
    fits: int
    chosen: bool
    why: str


class Part(Frozen):
    """One field of the audit: the number of its keys, the first few, and what happens to them."""

    name: str
    meaning: str
    count: int
    examples: tuple[str, ...]


class Inspection(Frozen):
    """Everything that is known about a file of weights before it is used.

    Attributes:
        format: what kind of file it is.
        tensors: how many tensors it holds; ``places`` has the first parts of their names with their counts.
        backbone: the one asked for, or the one guessed; None if no known one fits.
        networks: the places in the file that may hold that backbone, the chosen one first.
        parts: the audit as counts with examples, () without a backbone; ``audit`` has every key.
        loads: whether a study would accept the file for that backbone; ``verdict`` says it in words.
    """

    source: str
    format: str
    tensors: int
    places: dict[str, int]
    backbone: str | None
    guessed: bool
    networks: tuple[Network, ...]
    parts: tuple[Part, ...]
    audit: Audit | None
    loads: bool
    verdict: str


def inspect_weights(
    source: str, backbone: str | None = None, image_size: int | None = None, threshold: float = 0.9
) -> Inspection:
    """Read a source of weights as ``checkpoints.read`` does and audit it for a backbone.

    Args:
        backbone: its name; by default the one that is recognised (see ``recognition``).
        image_size: as in ``backbone.build``.
        threshold: as in ``checkpoints.load``.

    Raises:
        WeightsError: for a source that cannot be read. StudyError: for a backbone that does not exist.
    """
    parsed = WeightSource.parse(source)
    place, state = parsed.place, read(parsed)
    name, share = (backbone, 1.0) if backbone else recognise(state, place)
    expected = tensors(outline(name, image_size))
    translation = translate(expected, state)
    file = translation.file
    load = match(expected, file, place)
    reason = refusal(load, expected, file, threshold)
    guessed = backbone is None
    unknown = guessed and not complete(load, threshold)
    if unknown:
        verdict = (
            f"none of the backbones that are tried fits (the nearest, {name}, by {share:.0%}): say which network it "
            "is, such as timm/NAME."
        )
    elif reason:
        verdict = f"refused: {reason}"
    else:
        verdict = f"would load into {name}: {fits(load)} of {len(expected)} tensors {HOW[load.how]}."
    in_own_words = translation.in_own_words(load)
    return Inspection(
        source=source,
        format=_format(parsed),
        tensors=len(state),
        places=_places(list(state)),
        backbone=None if unknown else name,
        guessed=guessed,
        networks=_networks(readings(expected, file), load, file, len(expected)),
        parts=() if unknown else _parts(in_own_words),
        audit=None if unknown else in_own_words,
        loads=reason is None,
        verdict=verdict,
    )


def _places(keys: list[str]) -> dict[str, int]:
    """The number of keys by their first component; if there is only one, by the next components."""
    counts = Counter(re.match(r"[^./]*[./]?", key)[0] for key in keys)  # type: ignore[index]  # it matches anything
    if len(counts) == 1 and (single := next(iter(counts))).endswith((".", "/")):
        return {single + place: count for place, count in _places([key.removeprefix(single) for key in keys]).items()}
    return dict(counts)


def _networks(candidates: list[Reading], audit: Audit, file: State, wanted: int) -> tuple[Network, ...]:
    """The chosen place, and the others that hold at least half of the backbone."""
    ranked = sorted(candidates, key=lambda reading: reading.prefix != audit.prefix)
    return tuple(
        Network(
            prefix=reading.prefix,
            fits=reading.fits,
            chosen=not rank,
            why=_why(reading, ranked[0], audit, file, wanted),
        )
        for rank, reading in enumerate(ranked)
        if not rank or reading.fits >= wanted / 2
    )


def _why(reading: Reading, chosen: Reading, audit: Audit, file: State, wanted: int) -> str:
    if reading is chosen:
        return f"{reading.fits} of {wanted} tensors fit {HOW[reading.how]}"
    if reading.prefix in audit.rivals:
        return f"fits as well and differs: name the one that you want, such as #{reading.prefix} after the file"
    if is_copy(reading.prefix, file):
        return "by its name the copy of another network"
    return "the same tensors" if reading.prefix in audit.copies else "fits less"


def _parts(load: Audit) -> tuple[Part, ...]:
    parts = []
    for name, meaning in MEANINGS.items():
        keys = getattr(load, name)
        shown = [f"{expected} <- {key}" for expected, key in keys.items()] if isinstance(keys, dict) else list(keys)
        parts.append(Part(name=name, meaning=meaning, count=len(keys), examples=tuple(shown[:EXAMPLES])))
    return tuple(parts)


def _format(source: WeightSource) -> str:
    if source.published:
        return f"weights that {source.origin} publishes"
    known = {"safetensors": "safetensors", "torch": "torch.save, read without executing anything"}
    return known[format_of(source.path, source.address)]
