"""Which image of a WebDataset sample is read, and which of its files has the label and the group."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hpt_ray.core.errors import DataError
from hpt_ray.data.classes import LONGEST, too_long
from hpt_ray.data.datasets._column_names import may_be_group, may_be_label
from hpt_ray.data.datasets._tar import Sample
from hpt_ray.data.groups import of_cell

Label = int | str | None

#: ``.txt`` holds classes where at most this share of its texts are different, and captions otherwise.
DIFFERENT = 1 / 2
#: No label is larger: the classes up to it are all numbered where they have no names.
MOST = 1_000_000


@dataclass(frozen=True)
class Labels:
    """The labels of samples as they are written: all integers, or all names; None without one.

    ``remark`` says where they are from, and ``lacking`` why there are none: completes "has ...".
    """

    values: list[Label]
    remark: str = ""
    lacking: str = "no labels"


def image_kinds(samples: Sequence[Sample]) -> tuple[list[str], list[str]]:
    """Of each sample, which has at least one image, the kind that is read: the one that most samples have.

    Returns:
        The kinds, and remarks: one where samples have several images.
    """
    counts = Counter(kind for sample in samples for kind in sample.images)
    order = sorted(counts, key=lambda kind: (-counts[kind], kind))
    chosen = [min(sample.images, key=order.index) for sample in samples]
    several = sorted({kind for sample in samples if len(sample.images) > 1 for kind in sample.images})
    if not several:
        return chosen, []
    read = ", ".join(kind for kind in order if kind in chosen)
    return chosen, [f"samples have several images ({', '.join(several)}): {read} is read"]


def labels(samples: Sequence[Sample], where: Callable[[int], str]) -> Labels:
    """The labels of samples: of files called like labels, else of ``.json``, else of ``.txt``.

    Args:
        where: Names a sample in an error, by its place.

    Raises:
        DataError: for a label that cannot be one.
    """
    kinds = sorted({kind for sample in samples for kind in sample.texts})
    named = [kind for kind in kinds if kind == "cls" or may_be_label(kind)]
    if named:
        kind = "cls" if "cls" in named else named[0]
        if len(named) > 1 and kind != "cls":
            return Labels([None] * len(samples), lacking=_doubt(f".{kind}" for kind in named))
        texts = [_text(sample, kind, where(i)) for i, sample in enumerate(samples)]
        return Labels(_checked(texts, where), f"its labels are from .{kind}")
    if "json" in kinds:
        return _of_json(samples, where)
    if "txt" in kinds:
        texts = [_text(sample, "txt", where(i)) for i, sample in enumerate(samples)]
        different, all_texts = len(set(texts) - {""}), sum(map(bool, texts))
        if different > DIFFERENT * all_texts or any("\n" in text or len(text) > LONGEST for text in texts):
            remark = f".txt holds captions ({different:,} different texts of {all_texts:,}) and no labels"
            return Labels([None] * len(samples), remark)
        return Labels(_checked(texts, where), f"its labels are from .txt ({different:,} different texts)")
    return Labels([None] * len(samples))


def _doubt(several: Iterable[str]) -> str:
    return f"several files that may be its labels ({', '.join(several)}) and no .cls; call one so"


def _text(sample: Sample, kind: str, where: str) -> str:
    try:
        return sample.texts.get(kind, b"").decode().strip()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: its .{kind} is no text; write a class name or an integer.") from error


def _of_json(samples: Sequence[Sample], where: Callable[[int], str]) -> Labels:
    objects = [_object(sample, where(i)) for i, sample in enumerate(samples)]
    keys = sorted({key for one in objects for key in one if may_be_label(key)})
    if not keys:
        return Labels([None] * len(samples))
    if len(keys) > 1 and "label" not in keys:
        return Labels([None] * len(samples), lacking=_doubt(f"{key!r} in .json" for key in keys))
    key = "label" if "label" in keys else keys[0]
    texts: list[str] = []
    for i, one in enumerate(objects):
        value = one.get(key)
        if isinstance(value, bool) or not isinstance(value, int | str | None):
            raise DataError(
                f"{where(i)}: {key!r} in its .json is {json.dumps(value)[:40]}; write an integer or a name (several "
                "labels an image are read from an image list or from Parquet)."
            )
        texts.append("" if value is None else str(value).strip())
    return Labels(_checked(texts, where), f"its labels are from {key!r} in .json")


def groups(samples: Sequence[Sample], where: Callable[[int], str]) -> tuple[list[str | None], str]:
    """The group of each sample, None of one that is alone, and the key in ``.json`` that it is from; "" without one.

    Args:
        where: Names a sample in an error, by its place.

    Raises:
        DataError: for several such keys, and for a ``.json`` that cannot be read where others have one.
    """
    objects, unreadable = list[dict[str, object]](), list[DataError]()
    for i, sample in enumerate(samples):
        try:
            objects.append(_object(sample, where(i)))
        except DataError as error:  # where none names a group, nothing of it is needed
            objects.append({})
            unreadable.append(error)
    keys = sorted({key for one in objects for key in one if may_be_group(key)})
    if keys and unreadable:
        raise unreadable[0]
    if len(keys) > 1:
        raise DataError(f"{where(0)}: several keys of .json name groups ({', '.join(map(repr, keys))}); keep one.")
    key = keys[0] if keys else ""
    values = (one.get(key) for one in objects)
    return [of_cell(value) for value in values], key


def _object(sample: Sample, where: str) -> dict[str, object]:
    try:
        content = json.loads(sample.texts.get("json", b"{}"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: its .json cannot be read ({error}); mend or remove it.") from error
    return content if isinstance(content, dict) else {}


def _checked(texts: Sequence[str], where: Callable[[int], str]) -> list[Label]:
    """Labels that are integers where all are, and names otherwise; -1 and an empty text are none."""
    integers = all(text.removeprefix("-").isdecimal() for text in texts if text)
    for i, text in enumerate(texts):
        if len(text) > LONGEST:
            raise DataError(f"{where(i)}: {too_long(text)}.")
        if integers and text and not -1 <= int(text) <= MOST:
            raise DataError(f"{where(i)}: label {text} is out of range; number the classes from 0.")
    if integers:
        return [int(text) if text and int(text) >= 0 else None for text in texts]
    return [text or None for text in texts]
