"""Remove the empty folder that torch's compiler leaves in the temporary folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

#: Where torch's compiler keeps its files. Importing torchvision imports the compiler, which then creates a folder in
#: the temporary folder that all users share, stores its path in this variable and, as nothing is compiled, leaves it
#: empty.
COMPILER = "TORCHINDUCTOR_CACHE_DIR"


@contextlib.contextmanager
def removed() -> Iterator[None]:
    """Remove the folder at the end, if it was created meanwhile and is empty."""
    compiles = COMPILER in os.environ
    try:
        yield
    finally:
        if not compiles and COMPILER in os.environ:
            with contextlib.suppress(OSError):
                os.rmdir(os.environ[COMPILER])  # noqa: PTH106
