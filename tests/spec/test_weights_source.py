"""Every way to name weights, taken apart and written back as it was given."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt_ray.spec.weights_source import WeightSource


@pytest.mark.parametrize(
    ("text", "origin", "name", "place", "published"),
    [
        ("torchvision:resnet50", "torchvision", "resnet50", None, True),
        ("timm:resnet50.a1_in1k", "timm", "resnet50.a1_in1k", None, True),
        ("timm:resnet50#layer1.", "timm", "resnet50", "layer1.", True),
        ("stage:0123abcd", "stage", "0123abcd", None, False),
        ("moco.pth", "file", "moco.pth", None, False),
        ("moco.pth#state_dict/encoder_rgb.", "file", "moco.pth", "state_dict/encoder_rgb.", False),
        ("a#b.pth#ema", "file", "a#b.pth", "ema", False),
        ("https://host/moco.pth", "file", "https://host/moco.pth", None, False),
        ("file:moco.pth", "file", "file:moco.pth", None, False),
        ("torchvision:", "file", "torchvision:", None, False),
    ],
)
def test_a_source_is_taken_apart_and_reads_as_it_was_given(
    text: str, origin: str, name: str, place: str | None, published: bool
) -> None:
    source = WeightSource.parse(text)
    assert (source.origin, source.name, source.place, source.published) == (origin, name, place, published)
    assert str(source) == text
    assert source.address == text.removesuffix(f"#{place}")


def test_a_file_that_is_there_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("timm:resnet50", "run#3.pth"):
        (tmp_path / name).touch()
        assert (WeightSource.parse(name).origin, WeightSource.parse(name).place) == ("file", None)
    assert WeightSource.parse("run#3.pth#ema").place == "ema"
