"""Where the encoded bytes of an image stand: in a file of their own, or in a part of one such as a tar."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hpt_ray.core.errors import DataError


@dataclass(frozen=True)
class Place:
    """A part of a file.

    Attributes:
        file: Its path.
        offset, size: In bytes; a size of -1 means up to the end.
    """

    file: Path
    offset: int = 0
    size: int = -1

    def read(self, where: str) -> bytes:
        """The bytes.

        Args:
            where: Names the image in an error.

        Raises:
            DataError: for a file that cannot be read, or is shorter than it was.
        """
        try:
            with self.file.open("rb", buffering=0) as file:
                file.seek(self.offset)
                content = file.readall() if self.size < 0 else file.read(self.size)
        except OSError as error:
            raise DataError(f"{where} cannot be read: {error.strerror}. Mend or remove it.") from error
        if content is None or len(content) < self.size:
            raise changed(where)
        return content


def changed(what: str) -> DataError:
    """The error for an image, or a data set, whose bytes are no longer those that were looked at first."""
    return DataError(f"{what} has changed since the data was looked at: run the command again.")
