"""Files that are given for checkpoints: which are, and what is said of the others before they are hashed or read."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from hpt_ray.core.errors import WeightsError
from hpt_ray.execute.prepare import prepare
from hpt_ray.planning import stage
from hpt_ray.spec.study import Weights
from hpt_ray.spec.weights_source import WeightSource
from hpt_ray.store.store import Store
from hpt_ray.training.weights import checkpoints, formats
from hpt_ray.training.weights.formats import format_of
from tests.support import small

STATE = {"conv1.weight": torch.rand(4, 3, 3, 3), "bn1.bias": torch.rand(4)}


class Config(dict[str, Any]):
    """A class of the training script, as some save their settings."""


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)


def torch_bytes(content: Any, *, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("moco.pth"))
    return buffer.getvalue()


def arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


def array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


SAFE, TORCH = safetensors.torch.save(STATE), torch_bytes(STATE)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
#: what a file holds -> what is said of it
NO_CHECKPOINTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not a checkpoint but empty: fetch"),
    "LFS": (LFS, "a Git LFS pointer, which stands for the file: run git lfs pull"),
    "annex": (b"/annex/objects/SHA256E-s102--0a.pth\n", "a git-annex pointer"),
    "a page": (b"\n<!DOCTYPE html><html><title>Virus scan</title></html>", "a web page"),
    "a page, marked": (b"\xef\xbb\xbf<HTML lang=en>", "a web page"),
    "XML": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an answer in XML"),
    "JSON": (b'{"error": "Not Found"}', 'text ({"error": "Not Found"})'),
    "text": (b"404: Not Found", "text (404: Not Found)"),
    "zeros": (bytes(5000), "begins with zeros"),
    "torch, cut off": (TORCH[: len(TORCH) // 2], "the beginning of one, cut off"),
    "torch, with a hole after it": (TORCH + bytes(100_000), "cut off or followed by something else"),
    "safetensors, cut off": (SAFE[:-1], f"damaged: it has {len(SAFE) - 1:,} bytes and speaks of {len(SAFE):,}"),
    "safetensors, longer": (SAFE + b"\0", "damaged: it has"),
    "safetensors, cut off in its header": (SAFE[:30], "damaged or cut off in its header"),
    "safetensors, nested": (struct.pack("<Q", 200_000) + b'{"a":' * 40_000, "damaged or cut off in its header"),
    "a zipped checkpoint": (zipped(moco__pth=TORCH), "a zip archive that holds moco.pth: unpack it"),
    "an empty zip": (zipped(), "a zip archive that is empty"),
    "a TorchScript program": (zipped(**{"m/constants__pkl": b"", "m/data__pkl": b""}), "a TorchScript program"),
    "npz": (arrays(), "an archive of numpy's arrays"),
    "npy": (array(), "an array of numpy"),
    "a pickled scalar of numpy": (pickle.dumps(np.float64(0.5)), "a pickle of numpy's numbers or arrays"),
    "a pickled array of numpy": (pickle.dumps({"w": np.zeros(9)}, protocol=2), "a pickle of numpy's numbers or arrays"),
    "a pickled object": (pickle.dumps(Config(a=1)), f"a pickle of {__name__}.Config that torch.save did not write"),
    "a pickled dict": (pickle.dumps({"a": 1}), "a pickle that torch.save did not write"),
    "tar": (tarred(), "a tar archive: unpack it"),
    "gzip": (b"\x1f\x8b\x08" + bytes(99), "compressed by gzip: unpack it"),
    "Keras": (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(99), "an image"),
    "anything": (bytes(range(128, 256)), "something else or damaged"),
}


@pytest.mark.parametrize("case", NO_CHECKPOINTS)
def test_what_is_no_checkpoint_is_said_to_be_what_it_is(tmp_path: Path, case: str) -> None:
    data, says = NO_CHECKPOINTS[case]
    (tmp_path / "moco.pth").write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        checkpoints.read(WeightSource.parse(str(tmp_path / "moco.pth")))
    assert str(caught.value).startswith(f"{tmp_path}/moco.pth is not a checkpoint but ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            lambda: {"state_dict": STATE, "best": np.float64(0.5)},
            "more than tensors: numbers or arrays of numpy (numpy.",
        ),
        (lambda: {"state_dict": STATE, "losses": np.zeros(3)}, "more than tensors: numbers or arrays of numpy (numpy."),
        (lambda: {"state_dict": STATE, "cfg": Config(a=1)}, f"more than tensors: Python objects ({__name__}.Config)"),
        (lambda: {"state_dict": STATE, "out": Path("a")}, "more than tensors: Python objects (pathlib."),
        (Network, "more than tensors: a whole module ("),
        (lambda: nn.Linear(2, 2), "a whole module (torch.nn.modules.linear.Linear), not its state_dict alone"),
        (lambda: np.float64(0.5), "no tensors but numbers or arrays of numpy (numpy."),
        (lambda: {"w": np.zeros(3)}, "no tensors but numbers or arrays of numpy (numpy."),
        (lambda: Config(a=1), f"no tensors but Python objects ({__name__}.Config), which were not read: give a file"),
    ],
)
def test_what_would_have_to_be_run_is_named(tmp_path: Path, content: Callable[[], Any], says: str) -> None:
    (tmp_path / "moco.pth").write_bytes(torch_bytes(content()))
    with pytest.raises(WeightsError) as caught:
        checkpoints.read(WeightSource.parse(str(tmp_path / "moco.pth")))
    assert says in str(caught.value)
    assert "Namespace" not in str(caught.value)


def test_of_older_files_the_first_object_is_named(tmp_path: Path) -> None:
    content = {"args": argparse.Namespace(lr=1), "cfg": Config(a=1), "state_dict": STATE}
    (tmp_path / "moco.pth").write_bytes(torch_bytes(content, legacy=True))
    with pytest.raises(WeightsError, match=rf"more than tensors: Python objects \({__name__}\.Config\)"):
        checkpoints.read(WeightSource.parse(str(tmp_path / "moco.pth")))


@pytest.mark.parametrize("name", ["moco.pth", "moco.safetensors", "checkpoint", "pytorch_model.bin"])
@pytest.mark.parametrize("data", [SAFE, TORCH, torch_bytes(STATE, legacy=True)], ids=["safe", "torch", "legacy"])
def test_a_checkpoint_is_known_by_what_it_holds_and_not_by_its_name(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    read = checkpoints.read(WeightSource.parse(str(tmp_path / name)))
    assert all(torch.equal(read[key], value) for key, value in STATE.items())


@pytest.mark.parametrize("start", [b"", TORCH, SAFE, b"text"], ids=["zeros", "torch", "safetensors", "text"])
def test_a_sparse_file_of_200_gb_is_refused_before_it_is_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    path = tmp_path / "moco.pth"
    path.write_bytes(start)
    os.truncate(path, 200 * 10**9)  # takes no room: nothing is written

    def hashed(_: Path) -> str:
        raise AssertionError("all of it would be read")

    monkeypatch.setattr(stage, "file_hash", hashed)
    study = small.study(arms=("base",), recipes={**small.study().recipes, "base": Weights(source=str(path))})
    with pytest.raises(WeightsError, match=r"moco\.pth is not a checkpoint but"):
        prepare(study, Store(tmp_path / "store", create=False))


def test_a_checkpoint_larger_than_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "moco.pth").write_bytes(TORCH)
    assert format_of(tmp_path / "moco.pth", "moco.pth") == "torch"
    monkeypatch.setattr(formats.os, "sysconf", lambda name: 10)
    with pytest.raises(WeightsError, match=r"moco\.pth has 0 GB, more than this machine's memory of 0 GB"):
        format_of(tmp_path / "moco.pth", "moco.pth")
