"""A run in this process that is interrupted between two of its units."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from hpt_ray.execute.backends import inline
from hpt_ray.planning.plan import Unit


@contextlib.contextmanager
def interrupted_after(units: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ctrl-C in place of the unit after so many, which must come up to the caller."""
    whole, left = inline.run_unit, units

    def interrupted(unit: Unit, *arguments: Any) -> None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        whole(unit, *arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(inline, "run_unit", interrupted)
        yield
