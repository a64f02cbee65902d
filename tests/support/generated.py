"""Generated bad input: what it is asked of, and how every case must end."""

from __future__ import annotations

import contextlib
import io
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hpt_ray.cli import main as cli
from hpt_ray.core import registry
from hpt_ray.core.errors import LONGEST, StudyError
from hpt_ray.execute.prepare import Prepared, prepare, with_precision
from hpt_ray.spec.parameters import make, parameters
from hpt_ray.store.store import Store
from hpt_ray.training.backbone import build
from hpt_ray.training.weights.checkpoints import to_bytes

#: What the cases of each test ended in.
ENDED: Counter[tuple[str, str]] = Counter()

BASE, TARGET = "synthetic:objects,n=80", "synthetic:shape,n=80"
#: A study that is planned in milliseconds, and that each case departs from.
TINY: dict[str, Any] = {
    "base": BASE,
    "target": TARGET,
    "seeds": "1",
    "iterations": "2",
    "base_iterations": "2",
    "batch": "4",
    "group": "2",
    "image_size": "16",
}


def generated(count: int, *strategies: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A test of a few generated cases and, marked slow, its twin of many: ``count``. Always the same ones."""

    def twins(test: Callable[..., None]) -> Callable[..., None]:
        few, many = (
            settings(max_examples=number, derandomize=True, suppress_health_check=list(HealthCheck))(
                given(*strategies)(test)
            )
            for number in (count // 12, count)
        )
        test.__globals__[f"{test.__name__}_at_length"] = pytest.mark.slow(many)
        return few

    return twins


@contextlib.contextmanager
def workplace(place: Path) -> Iterator[Path]:
    """Work in a folder with a good data set, a good checkpoint and a file in the way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for number in range(20):
            Path("good", "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
            Path("good", "ab"[number % 2], f"{number}.png").write_bytes(image(number))
        Path("good.safetensors").write_bytes(to_bytes(build("resnet_small", 0)))
        Path("file").write_text("in the way")
        yield place


@cache
def image(seed: int) -> bytes:
    """A small image, no two alike."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def content(folder: str) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in Path(folder).rglob("*")}


def ends_well(test: str, ask: Callable[[], object]) -> None:
    """Ask for something: it is there, or one line says why it cannot be; there is no store, as before."""
    try:
        ask()
    except StudyError as error:
        one_line(str(error))
        ENDED[test, "refused"] += 1
    else:
        ENDED[test, "valid"] += 1
    assert not Path("store").exists()


def one_line(text: str) -> None:
    assert text.strip()
    assert text.splitlines() == [text]
    assert "Traceback" not in text
    assert len(text) <= LONGEST + len("error:  ... ")


def plan(study: str, values: dict[str, Any]) -> Prepared:
    return prepare(with_precision(make(study, values), "inline"), Store("store", create=False))


def tiny(study: str, **changes: Any) -> dict[str, Any]:
    """Settings of a study of ours at the smallest scale."""
    known = {parameter.name for parameter in parameters(registry.load("studies", study))}
    return {name: value for name, value in TINY.items() if name in known} | changes


def exits_well(test: str, *words: str, store: str = "store", writes: bool = False) -> None:
    """A command ends with exit code 0, or with 2 and one line; the store is as it was, unless it was written to."""
    before = content(store)
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace"))
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["hpt-study", *words])
        with pytest.raises(SystemExit) as caught:
            cli.main()
    said = [stream.buffer.getvalue().decode() for stream in (out, err) if not stream.flush()]
    assert caught.value.code in (0, 2)
    assert "Traceback" not in said[0] + said[1]
    usage = "Usage: " in said[0] + said[1] or "─ Error ─" in said[1]  # typer's own answers
    if caught.value.code == 2 and not usage:
        assert said[1].startswith("error: ")
        one_line(said[1].removesuffix("\n"))
    assert content(store) == before or (writes and caught.value.code == 0)
    ENDED[test, "refused" if caught.value.code else "valid"] += 1


#: Any value of JSON and Python.
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=6,
)
