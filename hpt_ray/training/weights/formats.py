"""Recognise the format of a checkpoint by its first bytes and its table of contents.

This happens before the file is hashed or loaded, which takes minutes for a large one.
"""

from __future__ import annotations

import json
import os
import pickletools
import zipfile
from pathlib import Path, PurePosixPath
from typing import Literal

from hpt_ray.core.errors import WeightsError
from hpt_ray.core.file_kinds import head_of, kind_of

Format = Literal["torch", "safetensors"]

#: How a file of ``torch.save`` from before it wrote zip archives begins: the pickle of its magic number.
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
#: Of a safetensors file, by its specification.
LONGEST_HEADER = 100_000_000
AGAIN = "fetch or save it again"


def format_of(path: Path, source: str) -> Format:
    """How a checkpoint is to be read.

    Args:
        source: what errors call it.

    Raises:
        WeightsError: for what is no checkpoint, saying what it is; for one that was cut off; and for one larger than
            the memory it would be read into.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "it is no file")  # a pipe or a device may never end
        size = path.stat().st_size
        head = head_of(path)
        form = _format(path, head, size)
    except OSError as error:
        raise WeightsError(
            f"cannot read the checkpoint {source}: {error.strerror or error}. Check the path."
        ) from error
    if isinstance(form, tuple):
        what, remedy = form
        wanted = "a safetensors file" if path.suffix.lower() == ".safetensors" else "a checkpoint"
        raise WeightsError(f"{source} is not {wanted} but {what}: {remedy}.")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory:
        raise WeightsError(
            f"{source} has {size / 1e9:,.0f} GB, more than this machine's memory of {memory / 1e9:,.0f} GB: save the "
            "network's state_dict alone."
        )
    return form


def _format(path: Path, head: bytes, size: int) -> Format | tuple[str, str]:
    """The format; or what a file is instead, and what to do."""
    if not size:
        return "empty", AGAIN
    if head.startswith(b"PK"):
        return _archive(path)
    if head.startswith(LEGACY):
        return "torch"
    if head[:1] == b"\x80" and 2 <= head[1] <= 5:
        return f"{_pickled(head)} that torch.save did not write", "if you trust it, torch.save a state_dict of it"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= LONGEST_HEADER:
        return _safetensors(path, int.from_bytes(head[:8], "little"), size)
    if kind := kind_of(head):
        return kind.what, kind.remedy or "give a network's checkpoint"
    return _text(head)


def _archive(path: Path) -> Format | tuple[str, str]:
    if not zipfile.is_zipfile(path):
        return "the beginning of one, cut off or followed by something else", AGAIN
    try:
        with zipfile.ZipFile(path) as archive:
            names = [PurePosixPath(name) for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "damaged", AGAIN
    parts = {name.name for name in names if len(name.parts) <= 2}
    if "constants.pkl" in parts:
        return "a TorchScript program", "save the network's state_dict instead"
    if "data.pkl" in parts:
        return "torch"
    if names and all(name.suffix == ".npy" for name in names):
        return "an archive of numpy's arrays", "give a network's state_dict"
    inside = f"that holds {names[0]}" if names else "that is empty"
    return f"a zip archive {inside}", "unpack it and give the checkpoint inside"


def _pickled(head: bytes) -> str:
    """What a pickle is of, by the first class that it names; nothing is unpickled."""
    strings, name = list[str](), ""
    try:
        for code, argument, _ in pickletools.genops(head):
            if code.name in ("GLOBAL", "STACK_GLOBAL"):
                name = str(argument).replace(" ", ".") if argument else ".".join(strings[-2:])
                break
            if isinstance(argument, str):
                strings.append(argument)
    except ValueError:  # it goes on after what was read of it
        pass
    if name.startswith("numpy"):
        return f"a pickle of numpy's numbers or arrays ({name})"
    return f"a pickle of {name}" if name else "a pickle"


def _safetensors(path: Path, length: int, size: int) -> Format | tuple[str, str]:
    """Compare the file's size with what its header, of ``length`` bytes after the first eight, says of it."""
    with path.open("rb") as file:
        file.seek(8)
        header = file.read(length)
    try:
        entries = json.loads(header)
        ends = [int(entry["data_offsets"][1]) for name, entry in entries.items() if name != "__metadata__"]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return "damaged or cut off in its header", AGAIN
    told = 8 + length + max(ends, default=0)
    return "safetensors" if told == size else (f"damaged: it has {size:,} bytes and speaks of {told:,}", AGAIN)


def _text(head: bytes) -> tuple[str, str]:
    """What a file of none of the known beginnings is."""
    try:
        text = head[:80].decode("ascii")
    except UnicodeDecodeError:
        return "something else or damaged", "give a file of torch.save or safetensors"
    if all(character.isprintable() or character.isspace() for character in text):
        return f"text ({' '.join(text.split())[:40]})", "give a file of torch.save or safetensors"
    return "something else or damaged", "give a file of torch.save or safetensors"
