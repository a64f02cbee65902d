from __future__ import annotations

import colorsys
from itertools import product

import numpy as np
import pytest
from scipy.ndimage import sobel
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hpt_ray.core.errors import DataError, UnknownNameError
from hpt_ray.data.dataset import load
from hpt_ray.data.datasets import _drawing
from hpt_ray.data.datasets.synthetic import DOMAINS, dataset


def _drawn(spec: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, H, W, 3] and labels [N]."""
    examples = list(dataset(spec).read().examples)
    return np.stack([np.asarray(example.image) for example in examples]), np.array(
        [example.label for example in examples]
    )


def _hue(images: np.ndarray) -> np.ndarray:
    """The hue of each image in turns: the angle of the mean colour's chroma."""
    red, green, blue = images.astype(float).mean(axis=(1, 2)).T
    return np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue) / (2 * np.pi) % 1


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domain_is_deterministic_balanced_and_all_different(name: str) -> None:
    images, labels = _drawn(f"{name},n=240")
    again, _ = _drawn(f"{name},n=240")
    assert np.array_equal(images, again)
    assert images.shape == (240, _drawing.SIDE, _drawing.SIDE, 3)
    counts = np.bincount(labels, minlength=len(DOMAINS[name].classes))
    assert counts.max() - counts.min() <= 1
    assert len({image.tobytes() for image in images}) == 240
    assert len(set(DOMAINS[name].classes)) == len(DOMAINS[name].classes)


def test_more_images_change_none_and_another_seed_changes_all() -> None:
    few, _ = _drawn("shape,n=100")
    many, _ = _drawn("shape,n=200")
    other, _ = _drawn("shape,n=100,seed=1")
    assert np.array_equal(few, many[:100])
    assert not (few == other).all(axis=(1, 2, 3)).any()


def test_hue_decides_the_colour_classes_and_no_others() -> None:
    images, labels = _drawn("colour,n=400")
    assert (np.rint(_hue(images) * 8).astype(int) % 8 == labels).mean() > 0.9
    images, labels = _drawn("shape,n=400")
    hues = np.exp(2j * np.pi * _hue(images))
    means = np.array([hues[labels == k].mean() for k in range(6)])
    nearest = np.argmax((hues[:, None] * means.conj() / np.abs(means)).real, axis=1)
    assert (nearest == labels).mean() < 0.35


def test_the_colour_function_is_colorsys() -> None:
    values = np.array(list(product(np.linspace(0, 1, 13), (0.0, 0.4, 1.0), (0.0, 0.5, 1.0))))
    expected = [colorsys.hsv_to_rgb(*value) for value in values]
    assert np.allclose(_drawing.colour(*values.T), expected, atol=1e-6)


def test_a_mirrored_orientation_is_of_the_other_class() -> None:
    """Drawn without nuisances, the mirror image of each glyph is the other class's, pixel by pixel."""
    assert [name.split() for name in DOMAINS["orientation"].classes] == [
        [glyph, side] for glyph in ("hook", "flag", "arrow") for side in ("right", "left")
    ]
    x, y = _drawing.grid()
    for glyph in ("hook", "flag", "arrow"):
        shape = _drawing.SHAPES[glyph]
        right, left = shape(x, y), shape(-x, y)
        assert np.allclose(right[:, :, ::-1], left, atol=1e-6)
        assert (((right < 0) & (left < 0)).sum() / ((right < 0) | (left < 0)).sum()) < 0.7


def test_mirroring_turns_predictions_round() -> None:
    """A classifier of the images' edges takes a mirrored image for one of the other class, as often as it is right."""
    images, labels = _drawn("orientation,n=1500")
    grey = images.astype(float).mean(axis=-1)
    slopes = [np.abs(sobel(grey, axis=1)), np.abs(sobel(grey, axis=2))]
    edges = np.stack(slopes, -1).reshape(len(grey), 8, 8, 8, 8, 2).mean(axis=(2, 4))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    classifier.fit(edges[:1200].reshape(1200, -1), labels[:1200])
    truth = labels[1200:]
    as_drawn = classifier.predict(edges[1200:].reshape(300, -1))
    mirrored = classifier.predict(edges[1200:, :, ::-1].reshape(300, -1))
    right = (as_drawn == truth).mean()
    assert right > 0.35  # by chance 0.17
    assert abs((mirrored == (truth ^ 1)).mean() - right) < 0.1
    assert (mirrored == truth).mean() < right / 2


def test_fine_textures_have_the_higher_frequency_whatever_the_pattern() -> None:
    images, labels = _drawn("texture,n=400")
    grey = images.astype(float).mean(axis=-1)
    power = np.abs(np.fft.fft2(grey - grey.mean(axis=(1, 2), keepdims=True))) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64)))
    # The band between the clutter of the light and the noise of the camera.
    band = (frequency > 0.03) & (frequency < 0.3)
    centre = (power * band * frequency).sum(axis=(1, 2)) / (power * band).sum(axis=(1, 2))
    names = np.array([name.rsplit(" ", 1) for name in DOMAINS["texture"].classes])
    for pattern in ("stripes", "checks", "dots", "rings"):
        fine, coarse = (
            np.flatnonzero((names[:, 0] == pattern) & (names[:, 1] == size))[0] for size in ("fine", "coarse")
        )
        threshold = (np.median(centre[labels == fine]) + np.median(centre[labels == coarse])) / 2
        assert (centre[labels == fine] > threshold).mean() > 0.9, pattern
        assert (centre[labels == coarse] < threshold).mean() > 0.9, pattern


def test_objects_palettes_are_warm_and_cool() -> None:
    images, labels = _drawn("objects,n=400")
    warm = np.array([name.endswith("warm") for name in DOMAINS["objects"].classes])[labels]
    red_over_blue = images[:, 16:48, 16:48].astype(float).mean(axis=(1, 2)) @ [1, 0, -1]
    assert np.median(red_over_blue[warm]) > 20
    assert np.median(red_over_blue[~warm]) < -20


def test_base_and_target_are_shifted() -> None:
    """A linear classifier of the simplest statistics (mean, spread, slope of each channel) tells the domains apart."""
    base, target = load("synthetic:objects,n=400", 32), load("synthetic:aerial,n=400", 32)
    images = np.concatenate([base.images, target.images]).astype(float)
    slopes = np.abs(np.diff(images, axis=3)).mean(axis=(2, 3))
    features = np.concatenate([images.mean(axis=(2, 3)), images.std(axis=(2, 3)), slopes], axis=1)
    domain = np.repeat([0, 1], 400)
    accuracy = cross_val_score(make_pipeline(StandardScaler(), LogisticRegression()), features, domain, cv=5).mean()
    assert accuracy > 0.85
    assert (len(base.classes), len(target.classes)) == (40, 12)


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("synthetic:aeriel", UnknownNameError, "Did you mean 'aerial'"),
        ("synthetic:shape,m=3", UnknownNameError, "unknown option of data set 'synthetic' 'm'"),
        ("synthetic:shape,n=many", DataError, "whole numbers"),
        ("synthetic:shape,n=0", DataError, "between 1 and"),
        ("synthetic:shape,fast", DataError, "write key=value"),
        ("synthetic:shape,n=120;synthetic:shape,n=100", DataError, "n is given twice"),
    ],
)
def test_bad_specs(spec: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        load(spec, 32)
