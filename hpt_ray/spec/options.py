"""Options of methods and probes as they are typed: ``NAME.OPTION=VALUE``, such as ``moco_v2.queue=512``."""

from __future__ import annotations

import math
from collections.abc import Iterable

from hpt_ray.core.errors import StudyError, UnknownNameError

Options = dict[str, float | int]


def parse(texts: Iterable[str], names: Iterable[str]) -> dict[str, Options]:
    """The options by the name of their method or probe.

    Whether it has such an option, and with such a value, it says itself when the study is prepared.

    Args:
        names: of the methods and probes that the study uses; a path may be one.

    Raises:
        StudyError: for what is not written so. UnknownNameError: for a name that the study does not use.
    """
    options: dict[str, Options] = {}
    for text in texts:
        key, _, value = text.rpartition("=")
        name, _, option = key.rpartition(".")
        number = _number(value)
        if not name or not option.isidentifier() or number is None:
            raise StudyError(f"option {text!r}: write NAME.OPTION=NUMBER, such as moco_v2.queue=512.")
        if name not in names:
            raise UnknownNameError("method or probe of this study", name, names)
        options.setdefault(name, {})[option] = number
    return options


def merged(known: dict[str, Options], new: dict[str, Options]) -> dict[str, Options]:
    """Options by name, with new ones in the place of those that they name again."""
    return known | {name: known.get(name, {}) | options for name, options in new.items()}


def _number(text: str) -> float | int | None:
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return None
