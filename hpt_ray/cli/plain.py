"""A console that never interprets what it prints, goes on if a disk is full, and gives a log a copy."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.control import Control
from rich.text import Text

from hpt_ray.core.text import visible


class Plain(Console):
    """A console that never interprets markup, since most strings contain names from outside."""

    lost: OSError | None = None  # the first error of output that could not be written
    copy: Callable[[str], None] | None = None  # takes what is printed as plain text

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does; a study goes on if its output cannot be written, to a full disk or a closed pipe."""
        if self.copy and not all(isinstance(each, Control) for each in objects):  # a live panel moves the cursor
            self.copy(_as_text(*objects, **options))
        try:
            super().print(*objects, **options)
        except OSError as error:
            self.lost = self.lost or error

    def private(self, *objects: Any) -> None:
        """Print what a log must not have, such as a token."""
        copy, self.copy = self.copy, None
        try:
            self.print(*objects)
        finally:
            self.copy = copy

    @contextlib.contextmanager
    def silent(self, wanted: bool) -> Iterator[None]:
        """Print nothing meanwhile, if that is wanted; a log still has its copy."""
        self.quiet = wanted
        try:
            yield
        finally:
            self.quiet = False

    def on_broken_pipe(self) -> None:
        """Note the broken pipe, where rich would end the program with a code of failure."""
        self.lost = self.lost or BrokenPipeError()


#: How names from outside are printed: as they are. Lines that are not for a terminal have this width.
AS_IT_IS: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}
WIDTH = 110


def _as_text(*objects: Any, **options: Any) -> str:
    """What would be printed, without colours."""
    text = io.StringIO()
    Plain(**AS_IT_IS, width=WIDTH, file=text, color_system=None).print(*objects, **options)
    return text.getvalue()
