from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_sample_images
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from hpt_ray.spec.policy import ColorJitter, GaussianBlur, Grayscale, HorizontalFlip, Policy, RandomResizedCrop
from hpt_ray.training.augment import augment, color
from hpt_ray.training.augment.draws import BRIGHTNESS, CONTRAST, HUE, SATURATION, Draws, draw
from tests.support import reference

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
PLAIN = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
CROP_ONLY = Policy().without("color_jitter", "grayscale", "blur", "flip")


def photographs(n: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Windows of scikit-learn's two photographs: real colours, edges and saturated pixels. uint8 [n, 3, H, W]."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        photograph = load_sample_images().images[i % 2]
        top, left = rng.integers(photograph.shape[0] - height), rng.integers(photograph.shape[1] - width)
        made.append(photograph[top : top + height, left : left + width])
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).contiguous()


def identity(n: int, height: int, width: int, **changed: Any) -> Draws:
    """Draws that do nothing, but for ``changed`` (one value for all rows, or an array)."""
    zeros, ones = np.zeros(n), np.ones(n)
    nothing = {
        "top": zeros.astype(int),
        "left": zeros.astype(int),
        "height": np.full(n, height),
        "width": np.full(n, width),
        "flip": zeros.astype(bool),
        "brightness": ones,
        "contrast": ones,
        "saturation": ones,
        "hue": zeros,
        "order": np.tile(np.arange(4), (n, 1)),
        "gray": zeros.astype(bool),
        "sigma": zeros,
    }
    return Draws(**{**nothing, **{name: np.broadcast_to(value, (n,)).copy() for name, value in changed.items()}})


def both(images: Tensor, draws: Draws, policy: Policy, size: int) -> tuple[Tensor, Tensor]:
    return (
        augment.views(images, draws, policy, size, MEAN, STD),
        reference.views(images, draws, policy, size, MEAN, STD),
    )


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(32, 32, 32), (64, 64, 32), (20, 24, 32), (48, 90, 32), (256, 256, 224), (40, 30, 17)],
)
def test_crop_and_flip_are_torchvisions(height: int, width: int, size: int) -> None:
    policy = CROP_ONLY.replace(crop=RandomResizedCrop(scale=(0.05, 1.0)), flip=HorizontalFlip())
    images = photographs(8, height, width)
    draws = draw(policy, np.random.default_rng(0), 8, height, width)
    assert draws.flip.any()
    assert not draws.flip.all()
    views = augment.views(images, draws, policy, size, *PLAIN)
    for i, image in enumerate(images):
        box = [int(side[i]) for side in (draws.top, draws.left, draws.height, draws.width)]
        expected = functional.resized_crop(image.float() / 255, *box, [size, size], antialias=True)
        expected = expected.flip(2) if draws.flip[i] else expected
        torch.testing.assert_close(views[i], expected, rtol=0, atol=3e-5)  # float32 positions up to 256 pixels


@pytest.mark.parametrize("channels", [1, 2, 5, 13])
def test_each_of_other_channels_is_to_torchvision_an_image_of_its_own(channels: int) -> None:
    """Brightness and contrast as of grey; hue, saturation and grayscale are left out; crop, blur and flip as ever."""
    jitter = ColorJitter(brightness=0.2, contrast=0.2, saturation=0.8, hue=0.4)
    policy = Policy(color_jitter=jitter, grayscale=Grayscale(p=1)).without_colour()
    rng = np.random.default_rng(channels)
    images = torch.from_numpy(rng.integers(70, 160, (12, channels, 24, 40), dtype=np.uint8))  # nothing leaves [0, 1]
    draws = draw(policy, rng, 12, 24, 40)
    assert not draws.gray.any() and not draws.hue.any() and (draws.saturation == 1).all()
    assert (draws.contrast != 1).any() and (draws.brightness != 1).any() and (draws.sigma > 0).any()
    mean, std = rng.random(channels), 0.1 + rng.random(channels)
    views = augment.views(images, draws, policy, 16, mean.tolist(), std.tolist())
    for channel in range(channels):
        one = slice(channel, channel + 1)
        expected = reference.views(images[:, one], draws, policy, 16, mean[one].tolist(), std[one].tolist())
        torch.testing.assert_close(views[:, one], expected, rtol=0, atol=1e-5 / std[channel])


def test_without_colour_draws_nothing_else_differently() -> None:
    policy = Policy()
    usual, left = (draw(each, np.random.default_rng(0), 50, 32, 32) for each in (policy, policy.without_colour()))
    for field in fields(Draws):
        same = np.array_equal(getattr(usual, field.name), getattr(left, field.name))
        assert same is (field.name not in ("saturation", "hue", "gray"))
    only_hue = Policy(color_jitter=ColorJitter(brightness=0, contrast=0))
    assert only_hue.without_colour().color_jitter is None


@pytest.mark.parametrize(("size", "expected_width"), [(32, 3), (8, 3), (64, 7), (224, 23)])
def test_blur_is_torchvisions(size: int, expected_width: int) -> None:
    policy = CROP_ONLY.replace(blur=GaussianBlur())
    assert policy.blur is not None
    assert augment.kernel_width(policy.blur, size) == expected_width
    images = photographs(4, size, size)
    sigma = np.array([0.0, 0.1, 0.7, 2.0])
    views = augment.views(images, identity(4, size, size, sigma=sigma), policy, size, *PLAIN)
    for view, image, s in zip(views, images.float() / 255, sigma.tolist(), strict=True):
        expected = functional.gaussian_blur(image, [expected_width] * 2, [s, s]) if s else image
        torch.testing.assert_close(view, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "factors", "operator"),
    [
        ("brightness", [0.6, 0.9, 1.0, 1.4], functional.adjust_brightness),
        ("contrast", [0.6, 0.9, 1.0, 1.4], functional.adjust_contrast),
        ("saturation", [0.0, 0.6, 1.0, 1.4], functional.adjust_saturation),
        ("hue", [-0.5, -0.1, 0.05, 0.4], functional.adjust_hue),
        ("gray", [True] * 4, lambda image, _: functional.rgb_to_grayscale(image, 3)),
    ],
)
def test_each_colour_operation_is_torchvisions(name: str, factors: list[float], operator: Any) -> None:
    images = photographs(4, 32, 32)
    draws = identity(4, 32, 32, **{name: np.array(factors)})
    views = augment.views(images, draws, Policy(), 32, *PLAIN)
    for view, image, factor in zip(views, images.float() / 255, factors, strict=True):
        torch.testing.assert_close(view, operator(image, factor), rtol=0, atol=1e-5)


def test_colour_operations_in_every_order_where_nothing_clamps() -> None:
    orders = np.array([order for order in np.ndindex(4, 4, 4, 4) if sorted(order) == [0, 1, 2, 3]])
    n = len(orders)
    images = photographs(n, 32, 32) // 4 + 64  # between 1/4 and 1/2, so that no factor reaches 0 or 1
    rng = np.random.default_rng(0)
    factors = {name: rng.uniform(0.7, 1.3, n) for name in ("brightness", "contrast", "saturation")}
    draws = replace(identity(n, 32, 32, **factors, hue=rng.uniform(-0.4, 0.4, n)), order=orders)
    torch.testing.assert_close(*both(images, draws, Policy(), 32), rtol=0, atol=5e-4)
    draws = replace(draws, gray=np.ones(n, bool), sigma=np.full(n, 0.8))
    torch.testing.assert_close(*both(images, draws, Policy(), 32), rtol=0, atol=5e-4)


def test_hue_on_extreme_colours() -> None:
    levels = torch.tensor([0.0, 0.25, 0.5, 1.0])
    colours = torch.cartesian_prod(levels, levels, levels).T  # [3, 64]: greys, primaries, ties of every kind
    for turns in (-0.5, -1 / 3, -0.2, 0.0, 0.1, 1 / 6, 0.5):
        shift = torch.from_numpy(color.distances(np.array([turns]))).float()
        shifted = color.shift_hue(colours[None], shift)[0]
        torch.testing.assert_close(shifted, functional.adjust_hue(colours[:, None], turns)[:, 0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("hue", [0.1, 0.4, 0.0])
@pytest.mark.parametrize(("height", "width", "size"), [(32, 32, 32), (60, 90, 48)])
def test_whole_views_differ_by_the_clamps_between_operations_alone(
    hue: float, height: int, width: int, size: int
) -> None:
    policy = Policy(color_jitter=ColorJitter(hue=hue))
    images = photographs(64, height, width)
    draws = draw(policy, np.random.default_rng(1), 64, height, width)
    views = augment.views(images, draws, policy, size, *PLAIN)
    expected = reference.views(images, draws, policy, size, *PLAIN)
    difference = (views - expected).abs()
    assert difference.mean() < 0.003  # of a range of 1; the two photographs have many saturated pixels
    # what no operation of the reference clamps is equal
    assert difference.flatten(1).amax(1).quantile(0.25) < 2e-4


def test_a_grey_image_stays_grey() -> None:
    images = photographs(8, 32, 32)[:, :1].expand(8, 3, 32, 32).contiguous()
    draws = draw(Policy(), np.random.default_rng(0), 8, 32, 32)
    views = augment.views(images, draws, Policy(), 32, *PLAIN)
    assert (views.amax(1) - views.amin(1)).max() < 2e-4  # the weights of luminance sum to 0.9999


def test_layout_type_and_range() -> None:
    images = photographs(5, 40, 32)
    draws = draw(Policy(), np.random.default_rng(0), 5, 40, 32)
    for dtype in (torch.float32, torch.bfloat16):
        views = augment.views(images, draws, Policy(), 32, MEAN, STD, dtype=dtype)
        assert views.shape == (5, 3, 32, 32)
        assert views.dtype == dtype
        assert views.is_contiguous(memory_format=torch.channels_last)
    full = augment.views(images, draws, Policy(), 32, MEAN, STD)
    torch.testing.assert_close(full, views.float(), rtol=2**-8, atol=0)
    back = full * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]
    assert back.min() > -1e-5
    assert back.max() < 1 + 1e-5
    assert augment.views(images[:0], draws[:0], Policy(), 32, MEAN, STD).shape == (0, 3, 32, 32)


def test_the_same_bits_again_and_in_any_company() -> None:
    images = photographs(70, 32, 32)
    draws = draw(Policy(), np.random.default_rng(0), 70, 32, 32)
    views = augment.views(images, draws, Policy(), 32, MEAN, STD)
    assert torch.equal(views, augment.views(images, draws, Policy(), 32, MEAN, STD))
    for chosen in (np.array([3]), np.array([69, 5, 34]), np.arange(40)):
        some = augment.views(images[chosen], draws[chosen], Policy(), 32, MEAN, STD)
        torch.testing.assert_close(some, views[chosen], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 96)])
def test_boxes_have_torchvisions_distribution(height: int, width: int) -> None:
    n, crop = 3000, RandomResizedCrop()
    draws = draw(Policy(), np.random.default_rng(0), n, height, width)
    torch.manual_seed(0)
    transform, image = v2.RandomResizedCrop(32, crop.scale, crop.ratio), torch.zeros(3, height, width)
    theirs = [transform.make_params([image]) for _ in range(n)]
    for name in ("top", "left", "height", "width"):
        assert stats.ks_2samp(getattr(draws, name), [box[name] for box in theirs]).pvalue > 1e-3
    ratio = np.log(draws.width / draws.height), [np.log(box["width"] / box["height"]) for box in theirs]
    assert stats.ks_2samp(*ratio).pvalue > 1e-3


@pytest.mark.parametrize(("height", "width"), [(8, 200), (200, 8)])
def test_an_image_too_narrow_for_any_box_is_cut_as_torchvision_cuts_it(height: int, width: int) -> None:
    policy = Policy(crop=RandomResizedCrop(scale=(0.9, 1.0)))
    draws = draw(policy, np.random.default_rng(0), 20, height, width)
    box = v2.RandomResizedCrop(32, policy.crop.scale, policy.crop.ratio).make_params([torch.zeros(3, height, width)])
    for name in ("top", "left", "height", "width"):
        assert (getattr(draws, name) == box[name]).all()


def test_images_of_other_sizes_have_the_draws_of_their_own() -> None:
    """Every row is drawn as if all images had its image's size: the numbers are common, the boxes are its own."""
    crop = RandomResizedCrop(scale=(0.05, 1.0))  # of the narrow ones, no box fits in ten tries now and then
    policy, rng = Policy(crop=crop), np.random.default_rng
    sizes = np.array([(32, 48), (300, 200), (8, 200), (200, 8), (1, 1)])[np.arange(100) % 5]
    mixed = draw(policy, rng(3), 100, sizes[:, 0], sizes[:, 1])
    for height, width in np.unique(sizes, axis=0):
        rows = (sizes == (height, width)).all(axis=1)
        alike = draw(policy, rng(3), 100, int(height), int(width))[rows]
        for field in fields(Draws):
            assert np.array_equal(getattr(mixed[rows], field.name), getattr(alike, field.name)), field.name
    assert (mixed.top + mixed.height <= sizes[:, 0]).all() and (mixed.left + mixed.width <= sizes[:, 1]).all()


def test_colour_and_blur_have_the_policys_distribution() -> None:
    n, policy = 20000, Policy()
    draws = draw(policy, np.random.default_rng(0), n, 32, 32)
    jittered = draws.brightness != 1
    assert stats.binomtest(int(jittered.sum()), n, 0.8).pvalue > 1e-3
    for name in ("brightness", "contrast", "saturation"):
        assert (getattr(draws, name)[~jittered] == 1).all()
        assert stats.kstest(getattr(draws, name)[jittered], stats.uniform(0.6, 0.8).cdf).pvalue > 1e-3
    assert (draws.hue[~jittered] == 0).all()
    assert stats.kstest(draws.hue[jittered], stats.uniform(-0.1, 0.2).cdf).pvalue > 1e-3
    assert stats.binomtest(int(draws.gray.sum()), n, 0.2).pvalue > 1e-3
    assert stats.binomtest(int(draws.flip.sum()), n, 0.5).pvalue > 1e-3
    blurred = draws.sigma > 0
    assert stats.binomtest(int(blurred.sum()), n, 0.5).pvalue > 1e-3
    assert stats.kstest(draws.sigma[blurred], stats.uniform(0.1, 1.9).cdf).pvalue > 1e-3
    assert (np.sort(draws.order, axis=1) == [BRIGHTNESS, CONTRAST, SATURATION, HUE]).all()
    _, counts = np.unique(draws.order, axis=0, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


OWN = {
    "color_jitter": {"brightness", "contrast", "saturation", "hue"},
    "grayscale": {"gray"},
    "blur": {"sigma"},
    "flip": {"flip"},
}


@pytest.mark.parametrize("operator", OWN)
def test_leaving_an_operator_out_changes_no_draw_of_another(operator: str) -> None:
    full = draw(Policy(), np.random.default_rng(3), 50, 32, 48)
    less = draw(Policy().without(operator), np.random.default_rng(3), 50, 32, 48)
    for field in fields(Draws):
        same = np.array_equal(getattr(full, field.name), getattr(less, field.name))
        assert same == (field.name not in OWN[operator]), field.name


def test_fewer_images_have_the_first_rows_and_an_index_chooses_rows() -> None:
    many = draw(Policy(), np.random.default_rng(3), 50, 32, 32)
    few = draw(Policy(), np.random.default_rng(3), 7, 32, 32)
    assert len(few) == 7
    for chosen in (slice(7), np.arange(7), np.arange(50) < 7):
        for field in fields(Draws):
            assert np.array_equal(getattr(many[chosen], field.name), getattr(few, field.name))


def test_a_policy_without_hue_or_contrast_is_equal_where_nothing_clamps() -> None:
    jitter = ColorJitter(brightness=1.0, contrast=0.0, saturation=0.0, hue=0.0, p=1.0)
    policy = Policy(color_jitter=jitter, grayscale=Grayscale(p=0.5))
    images = photographs(16, 32, 32) // 2
    draws = draw(policy, np.random.default_rng(0), 16, 32, 32)
    torch.testing.assert_close(*both(images, draws, policy, 32), rtol=0, atol=1e-4)


def test_views_are_float32_inside_an_autocast_too() -> None:
    images = torch.randint(0, 256, (8, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    draws = draw(Policy(), np.random.default_rng(0), 8, 40, 40)
    results = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            results.append(augment.views(images, draws, Policy(), 32, (0.5,) * 3, (0.25,) * 3))
    assert torch.equal(*results)
