"""Views of images that stay encoded: torchvision's crops of the originals, the same bits however they are decoded."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from hpt_ray.core.errors import DataError
from hpt_ray.data.dataset import Dataset, load
from hpt_ray.data.encoded import Encoded
from hpt_ray.spec.policy import HorizontalFlip, Policy, RandomResizedCrop
from hpt_ray.training.backbone import build
from hpt_ray.training.cropped import Cropped, crop
from hpt_ray.training.loop import batches
from hpt_ray.training.loop.batches import Batches
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.method import find
from hpt_ray.training.pixels import View
from hpt_ray.training.preview import preview
from hpt_ray.training.probe import Subject
from hpt_ray.training.probes import sgd
from hpt_ray.training.views import Views
from hpt_ray.training.workers import Workers
from tests.support import photographs, reference, tiny
from tests.support.fake_gpu import GPU, fake_gpu

CPU = torch.device("cpu")
CROP = Policy(crop=RandomResizedCrop(scale=(0.05, 1.0)), flip=HorizontalFlip()).without(
    "color_jitter", "grayscale", "blur"
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return photographs.encoded()


def full(data: Dataset, index: int) -> torch.Tensor:
    assert data.encoded is not None
    return torch.from_numpy(data.encoded.full(index))


@pytest.mark.parametrize("size", [16, 64, 224])
def test_a_crop_is_torchvisions_of_the_original(data: Dataset, size: int) -> None:
    """Smaller and larger than the box, in float32: nothing is rounded to eight bits."""
    indices, views = np.arange(12), Views(data, CROP, size, CPU, normalised=False)
    draws = views.draw(np.random.default_rng(0), indices)
    assert 0 < draws.flip.sum() < 12
    rendered = views.render(views.prepare([View(indices, draws)]).opened(), 0)
    for row, index in enumerate(indices):
        image = full(data, index)
        assert draws.top[row] + draws.height[row] <= image.shape[1] == data.sizes[index, 0]
        assert draws.left[row] + draws.width[row] <= image.shape[2] == data.sizes[index, 1]
        box = [int(getattr(draws, side)[row]) for side in ("top", "left", "height", "width")]
        expected = functional.resized_crop(image.float() / 255, *box, [size, size], antialias=True)
        expected = expected.flip(2) if draws.flip[row] else expected
        torch.testing.assert_close(rendered[row], expected, rtol=0, atol=3e-5)
        torch.testing.assert_close(crop(image, draws, row, size), expected, rtol=0, atol=3e-5)


def test_whole_views_are_those_of_the_reference_but_for_its_clamps(data: Dataset) -> None:
    indices, views = np.arange(32), Views(data, Policy(), 32, CPU)
    draws = views.draw(np.random.default_rng(1), indices)
    rendered = views.render(views.prepare([View(indices, draws)]).opened(), 0)
    assert rendered.is_contiguous(memory_format=torch.channels_last)
    expected = torch.cat(
        [
            reference.views(full(data, index)[None], draws[row : row + 1], Policy(), 32, data.mean, data.std)
            for row, index in enumerate(indices)
        ]
    )
    difference = (rendered - expected).abs() * torch.tensor(data.std).view(1, 3, 1, 1)
    assert difference.mean() < 0.003  # as of resident images
    assert difference.flatten(1).amax(1).quantile(0.25) < 2e-4  # what no operation of the reference clamps is equal


def trained(data: Dataset, method: str = "moco_v2", stop: int | None = None) -> dict[str, torch.Tensor]:
    def new() -> Pretrainer:
        recipe = tiny.recipe(method=method, policy=Policy())
        return Pretrainer(recipe, tiny.backbone(), data, iterations=6, image_size=tiny.SIZE, seed=1)

    stage = new()
    if stop is not None:
        stage.run(report=lambda iteration, _: iteration < stop)
        state, stage = stage.state(), new()
        stage.restore(state)
    stage.run()
    assert stage.iteration == 6
    return tiny.copy_of(stage.method.state_dict())


@pytest.mark.parametrize(("threads", "ahead"), [(1, 2), (3, 0), (3, 2)])
def test_a_stage_has_the_same_bits_with_any_number_of_threads(
    data: Dataset, threads: int, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: 1)
        alone = trained(data)
    monkeypatch.setattr(batches, "depth_on", lambda _: ahead)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert tiny.largest_difference(trained(data), alone) == 0


@pytest.mark.parametrize("method", tiny.OPTIONS)
def test_a_stopped_stage_ends_bit_identical(data: Dataset, method: str) -> None:
    assert tiny.largest_difference(trained(data, method, stop=3), trained(data, method)) == 0


def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Filled with the images that are decoded at full resolution."""
    indices, whole = list[int](), Encoded.full

    def spying(self: Encoded, index: int) -> Any:
        indices.append(index)
        return whole(self, index)

    monkeypatch.setattr(Encoded, "full", spying)
    return indices


@pytest.mark.parametrize("method", tiny.OPTIONS)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_worker_decodes_the_images_of_its_groups_once(
    data: Dataset, method: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, kind = decoded(monkeypatch), find(method)
    given = {"iterations": 6, "image_size": tiny.SIZE, "seed": 0, "precision": "float32"}
    for rank in range(size):
        seen.clear()
        stage = Batches(tiny.recipe(method=method), data, kind, workers=Workers(rank, size), **given)
        batch = stage.batch(2)
        own = np.arange(16).reshape(size, -1)[rank]
        wanted = {"batch": own, "shuffled": batch.shuffled.numpy()[own]}
        places = np.unique(np.concatenate([wanted[order] for order in kind.views]))
        assert sorted(seen) == sorted(stage.indices_of(2)[places].tolist())


def test_of_an_image_that_is_twice_in_a_batch_each_row_has_its_own_crop(data: Dataset) -> None:
    views, indices = Views(data, CROP, 16, CPU, normalised=False), np.array([7, 3, 7, 7])
    drawn = [View(indices, views.draw(np.random.default_rng(seed), indices)) for seed in (0, 1)]
    parcel = views.prepare(drawn)
    for which, view in enumerate(drawn):
        rendered = views.render(parcel.opened(), which)
        for row, index in enumerate(indices):
            assert torch.equal(rendered[row], crop(full(data, index), view.draws, row, 16))


@pytest.mark.parametrize("method", tiny.OPTIONS)
def test_a_step_on_a_gpu_makes_one_copy_and_waits_for_nothing(
    data: Dataset, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_gpu(monkeypatch) as gpu:
        recipe, workers = tiny.recipe(method=method, policy=Policy()), Workers(device=GPU)
        stage = Pretrainer(
            recipe, build("resnet_small", 0), data, iterations=6, image_size=tiny.SIZE, seed=0, workers=workers
        )
        stage.step()
        gpu.copies.clear(), gpu.unpinned.clear()
        stage.step()
        assert (len(gpu.copies), gpu.unpinned, gpu.synchronisations) == (1, [], [])


def test_probes_and_previews_see_crops_of_the_originals(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = decoded(monkeypatch)
    (answer,) = sgd.probe(Subject(tiny.backbone(), data, tiny.SIZE, CPU), lr=0.1, iterations=3, batch=8, repeats=1)
    assert len(answer.test) == len(data.evaluation()["test"])
    assert len(seen) == 3 * 8
    seen.clear()
    assert len(preview(data, {"baseline": Policy()}, 16, examples=2, each=2)) == 2 + 2 * 2
    assert len(seen) == 2 * 2


def test_a_file_that_is_gone_ends_the_stage_in_one_line(tmp_path: Path) -> None:
    photographs.write(tmp_path / "photographs", 40)
    data = load(str(tmp_path / "photographs"), tiny.SIZE, pixels="encoded")
    stage = Pretrainer(tiny.recipe(), tiny.backbone(), data, iterations=3, image_size=tiny.SIZE, seed=0)
    shutil.rmtree(tmp_path / "photographs" / "a")
    with pytest.raises(DataError, match=r"^[^\n]*photographs[^\n]*$"):
        stage.run()


def test_decoding_threads_start_no_threads_of_their_own(data: Dataset) -> None:
    assert data.encoded is not None
    torch.set_num_threads(2)
    threads = Cropped(data.encoded, 16)._threads
    assert {future.result() for future in [threads.submit(torch.get_num_threads) for _ in range(8)]} == {1}
    assert torch.get_num_threads() == 2


def test_extents_are_those_of_the_images(data: Dataset) -> None:
    assert data.encoded is not None
    indices = np.array([4, 0, 4])
    heights, widths = Cropped(data.encoded, 16).extents(indices)
    assert [(h, w) for h, w in zip(heights, widths, strict=True)] == [full(data, i).shape[1:] for i in indices]
    assert len({*map(tuple, data.sizes.tolist())}) > 20
    assert dataclasses.replace(data).encoded is data.encoded
