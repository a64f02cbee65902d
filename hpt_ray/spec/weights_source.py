"""How a user names weights: a file, ``torchvision:NAME``, ``timm:NAME`` or ``stage:ID``, and a place in it after ``#``.

``moco.pth#state_dict/encoder_rgb.`` is the network whose tensors' names begin with that, in a file that holds several.
"""

from __future__ import annotations

from hpt_ray.core.paths import path_of


def split(source: str) -> tuple[str, str | None]:
    """A source without its place, and the place; None where none is given. A file whose name has a ``#`` comes first.

    Raises:
        StudyError: for a path that cannot be looked at.
    """
    if "#" not in source or path_of(source).exists():
        return source, None
    name, _, place = source.rpartition("#")
    return name, place
