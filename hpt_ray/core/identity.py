"""Identity: content to ids, and seeds to independent named streams of random numbers.

A stage is its content: the id is a hash of canonical JSON, so equal work has an equal id wherever and whenever it
is planned. Every random draw comes from (seed, stream name, counters), never from a generator that is
handed from one draw to the next, so that a draw does not depend on what was drawn before it, on which worker draws it,
or on interruptions.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

#: Increased by hand when the code of a stage kind changes its numbers; part of every id of that kind.
VERSIONS = {"pretrain": 2, "weights": 1, "interpolate": 1, "evaluate": 1, "data": 1}

#: Perceptual hashes of near-duplicates differ in at most this many of their 64 bits: see ``data/duplicates.py``.
NEAR_BITS = 4


def canonical(value: Any) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal content gives equal text.

    Raises:
        TypeError, ValueError: for content that JSON cannot hold exactly (sets, NaN, arbitrary objects).
    """

    def plain(item: Any) -> Any:
        if isinstance(item, BaseModel):
            return item.model_dump(mode="json")
        raise TypeError(f"{type(item).__name__} has no canonical form")

    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True, default=plain)


def content_id(value: Any, length: int = 16) -> str:
    """The first ``length`` hexadecimal digits of the SHA-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stream(seed: int, name: str, *counters: int) -> np.random.Generator:
    """An independent generator for one named use of one seed at one point (iteration, view, rank, ...).

    The key of a counter-based generator (Philox, Salmon et al. 2011) is a hash of all of it, so streams are
    independent of each other and of the order in which they are used.
    """
    text = canonical([seed, name, list(counters)]).encode()
    key = np.frombuffer(hashlib.blake2b(text, digest_size=16).digest(), dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def derived_seed(seed: int, name: str, *counters: int) -> int:
    """A 63-bit seed for a library that wants an integer (``torch.manual_seed``), drawn from the named stream."""
    return int(stream(seed, name, *counters).integers(0, 2**63 - 1))
