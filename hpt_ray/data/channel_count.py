"""How many channels the images of a data set have: as many in each, since one network sees all of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from hpt_ray.core.channels import RGB, Channels
from hpt_ray.core.errors import DataError
from hpt_ray.data.decode import pixels
from hpt_ray.data.records import Source

#: Images that are tried until one can be decoded: all bad ones are named once the whole data set is.
TRIED = 64


@dataclass(frozen=True)
class ChannelCount:
    """The channels that are read of every image of a data set.

    Attributes:
        channels: Which are read.
        count: How many they are.
        counted_in: Names the image in which they were counted, if they were.
    """

    channels: Channels = RGB
    count: int = RGB
    counted_in: str = ""

    def check(self, count: int, where: str) -> None:
        """Refuse an image that has another number. Raises DataError."""
        if count != self.count:
            channels = f"{count} channel{'s' if count > 1 else ''}"
            raise DataError(
                f"{where} has {channels} and {self.counted_in} has {self.count}, and channels=all needs as many in "
                "every image: remove what differs, or name bands that all of them have, such as channels=1,2,3."
            )


def counted(source: Source, channels: Channels) -> ChannelCount:
    """How many channels are read of a data set; only for all that its images have, one of them is decoded.

    Raises:
        DataError: for a source that cannot be read, or whose first images cannot be decoded.
    """
    if channels != "all":
        return ChannelCount(channels, len(channels) if isinstance(channels, tuple) else RGB)
    first_error = None
    for example in islice(source.read().examples, TRIED):
        try:
            return ChannelCount(channels, len(pixels(example, 1, channels=channels).pixels), example.where)
        except DataError as error:
            first_error = first_error or error
    raise first_error or DataError(f"{source.name} has no images; check the path.")


def of_other_data(source: Source, channels: Channels) -> Channels:
    """What is read of a data set that is no target, for the channels that are asked for.

    The numbers of bands are those of the targets' files, and a data set of bands is taken to be of the same kind.
    Photographs, in colour or grey, have no bands: they are read as in every other study, whose bases then serve this
    one, too.

    Raises:
        DataError: as ``counted``.
    """
    if channels == RGB:
        return RGB
    return RGB if counted(source, "all").count in (1, RGB) else channels
