from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import from_numpy
from torchvision.transforms import v2

from hpt_ray.core.identity import stream
from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.policy import Policy
from hpt_ray.training.augment.draws import draw
from hpt_ray.training.preview import preview
from tests.support import reference, tiny

POLICIES = {"baseline": Policy(), "crop": tiny.CROP}


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Smooth images, larger than the views."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(60, 190, (30, 3, 5, 5), dtype=np.uint8)
    return tiny.dataset(30, size=20, images=coarse.repeat(4, axis=2).repeat(4, axis=3))


def pixels(row: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    image = Image.open(io.BytesIO(row["png"]))
    assert (image.format, image.mode) == ("PNG", "RGB")
    return np.asarray(image).transpose(2, 0, 1)


def test_rows(data: Dataset) -> None:
    rows = preview(data, POLICIES, 16, examples=5, each=3)
    assert [row["policy"] for row in rows] == ["original"] * 5 + ["baseline"] * 15 + ["crop"] * 15
    examples = {row["example"] for row in rows}
    assert len(examples) == 5
    assert not examples & set(data.splits["test"].tolist())
    assert {pixels(row).shape for row in rows} == {(3, 16, 16)}
    views = {(row["policy"], row["example"], row["view"]) for row in rows}
    assert len(views) == len(rows)


def test_originals_are_cut_as_for_evaluation(data: Dataset) -> None:
    for row in preview(data, {}, 16):
        expected = v2.CenterCrop(16)(from_numpy(data.images[row["example"]]))
        np.testing.assert_array_equal(pixels(row), expected.numpy())


@pytest.mark.parametrize("name", POLICIES)
def test_views_are_those_of_torchvisions_operators(data: Dataset, name: str) -> None:
    rows = [row for row in preview(data, POLICIES, 16, examples=4, each=2) if row["policy"] == name]
    for which in (0, 1):
        mine = [row for row in rows if row["view"] == which]
        images = from_numpy(data.images[[row["example"] for row in mine]])
        drawn = draw(POLICIES[name], stream(0, "augment", 0, which), 4, 20, 20)
        expected = reference.views(images, drawn, POLICIES[name], 16, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)) * 255
        difference = np.abs(np.stack([pixels(row) for row in mine]) - expected.numpy())
        # One grey level for rounding; a clamp between colour operations may add a few in single pixels.
        assert np.median(difference) <= 1
        assert difference.mean() < 1.5


def test_more_images_than_there_are() -> None:
    assert len(preview(tiny.dataset(5), {}, 16, examples=20)) == 4
