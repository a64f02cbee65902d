"""Where pixels are says nothing about the numbers, and device memory for images is bounded."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch

from hpt_ray.spec.policy import Policy
from hpt_ray.training import pixels, views
from hpt_ray.training.loop import batches
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.pixels import Sent, Stored, pixels_of
from hpt_ray.training.probe import Subject
from hpt_ray.training.probes import _training, finetune, sgd
from tests.support import tiny
from tests.support.fake_gpu import GPU, fake_gpu

CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def sent_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU without room for the images: they are sent with each step, which a thread prepares."""
    monkeypatch.setattr(views, "pixels_of", lambda data, _: Sent(torch.from_numpy(data.images)))
    for module in (batches, _training):
        monkeypatch.setattr(module, "depth_on", lambda _: 2)


def trained(method: str, stop: int | None = None) -> dict[str, torch.Tensor]:
    def new() -> Pretrainer:
        recipe = tiny.recipe(method=method, policy=Policy())
        return Pretrainer(recipe, tiny.backbone(), tiny.dataset(size=24), iterations=6, image_size=tiny.SIZE, seed=1)

    stage = new()
    if stop is not None:
        stage.run(report=lambda iteration, _: iteration < stop)
        assert stage.iteration == stop
        state, stage = stage.state(), new()
        stage.restore(state)
    stage.run()
    return tiny.copy_of(stage.method.state_dict())


@pytest.mark.parametrize("method", tiny.OPTIONS)
def test_a_stage_has_the_same_bits_in_both_tiers_and_resumed(method: str, request: pytest.FixtureRequest) -> None:
    mapped = trained(method)
    request.getfixturevalue("sent_ahead")
    for stop in (None, 3):
        assert tiny.largest_difference(trained(method, stop), mapped) == 0


@pytest.mark.parametrize("probe", [sgd, finetune])
def test_a_probe_has_the_same_bits_in_both_tiers(probe: object, request: pytest.FixtureRequest) -> None:
    def answers() -> list[np.ndarray]:
        subject = Subject(tiny.backbone(), tiny.dataset(size=24), tiny.SIZE, CPU)
        (answer,) = probe.probe(subject, lr=0.1, iterations=8, batch=8, repeats=1)
        return [answer.val, answer.test]

    mapped = answers()
    request.getfixturevalue("sent_ahead")
    np.testing.assert_array_equal(answers(), mapped)


def test_an_image_of_both_views_is_sent_once() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 4, 4), dtype=np.uint8)
    sent, drawn = Sent(torch.from_numpy(images)), views.Views(tiny.dataset(), Policy(), 4, CPU)
    wanted = [np.array([5, 2, 5]), np.array([8, 2])]
    contents = sent.contents([pixels.View(one, drawn.draw(np.random.default_rng(0), one)) for one in wanted])
    assert contents["images"].shape == (3, 3, 4, 4)
    arrays = views.Parcel(contents, CPU, None).opened()
    for which, one in enumerate(wanted):
        np.testing.assert_array_equal(sent.images(arrays, which).numpy(), images[one])


def test_on_a_cpu_images_are_the_mapped_ones_and_warn_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    images = np.zeros((60, 3, 16, 16), np.uint8)
    images.flags.writeable = False
    found = pixels_of(tiny.dataset(images=images), CPU)
    assert isinstance(found, Stored)
    assert found.stored.data_ptr() == images.ctypes.data
    assert not recwarn.list


def test_images_are_resident_where_they_take_at_most_the_share_of_what_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = tiny.dataset()
    for memory, kind in ((int(data.images.nbytes / 0.6) + 2, Stored), (int(data.images.nbytes / 0.6) - 2, Sent)):
        with monkeypatch.context() as patch, fake_gpu(patch, memory) as gpu:
            found = pixels_of(data, GPU)
            assert type(found) is kind
            assert found.stored.device.type == ("cuda" if kind is Stored else "cpu")
            assert len(gpu.copies) == (kind is Stored)


def test_images_are_sent_where_another_process_has_taken_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with fake_gpu(monkeypatch):
        data = tiny.dataset()
        with monkeypatch.context() as patch:
            patch.setattr(torch.Tensor, "to", full)
            assert isinstance(pixels_of(data, GPU), Sent)
        assert isinstance(pixels_of(data, GPU), Stored)


def test_copies_that_nothing_uses_are_gone_before_others_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_gpu(monkeypatch):
        one, two = tiny.dataset(), tiny.dataset(seed=1)
        stage = {"images": pixels_of(one, GPU).stored}
        stage["stage"] = stage  # as a stage refers to itself, so that it is not freed at once
        copy = weakref.ref(stage["images"])
        pixels._kept.clear()
        del stage
        pixels_of(two, GPU)
        assert copy() is None


def test_resident_images_are_kept_for_the_next_stage_until_others_need_the_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two, three = (tiny.dataset(seed=seed) for seed in range(3))
    each = one.images.nbytes

    with fake_gpu(monkeypatch):
        free = 4 * each  # with what is kept, room for two
        monkeypatch.setattr(pixels, "free_memory", lambda _: free - sum(kept.nbytes for kept in pixels._kept.values()))

        def resident() -> list[str]:
            return [fingerprint for fingerprint, _ in pixels._kept]

        first = pixels_of(one, GPU)
        assert pixels_of(one, GPU).stored is first.stored
        pixels_of(two, GPU)
        pixels_of(one, GPU)
        assert resident() == [two.fingerprint, one.fingerprint]
        pixels_of(three, GPU)
        assert resident() == [one.fingerprint, three.fingerprint]  # the one that was not asked for longest has gone
        assert isinstance(pixels_of(tiny.dataset(200), GPU), Sent)
        assert resident() == [one.fingerprint, three.fingerprint]
