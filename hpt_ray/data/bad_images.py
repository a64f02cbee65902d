"""The error about images that cannot be used: it names a few, and a file in the cache lists all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hpt_ray.core.errors import DataError
from hpt_ray.data import cache

#: At most this many are named in the message.
NAMED = 10


def refused(bad: Mapping[int, tuple[str, str]], count: int, listing: Path) -> DataError:
    """The error: what is wrong with the first, how many there are, the names of a few, and where all are listed.

    Args:
        bad: By the number of the image: what names it, and why it cannot be used.
        count: How many images there are in all.
        listing: The file to write.
    """
    (_, first), *others = [bad[index] for index in sorted(bad)]
    if not others:
        return DataError(first)
    reasons = [" ".join(bad[index][1].split()) for index in sorted(bad)]
    cache.write_atomically(listing, "".join(f"{reason}\n" for reason in reasons).encode(errors="surrogateescape"))
    named = ", ".join(where for where, _ in others[:NAMED])
    rest = f" and {len(others) - NAMED:,} more" if len(others) > NAMED else ""
    return DataError(
        f"{first} Of {count:,} images {len(bad):,} cannot be used; the others: {named}{rest}. All are listed in "
        f"{listing}; what could be decoded is kept."
    )
