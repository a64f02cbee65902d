from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from hpt_ray.core.errors import DataError, StageError, StudyError
from hpt_ray.core.identity import stream
from hpt_ray.core.metrics import accuracy
from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.policy import ColorJitter, Policy, RandomResizedCrop
from hpt_ray.spec.schedule import learning_rate
from hpt_ray.spec.study import Pretraining
from hpt_ray.training.augment import augment
from hpt_ray.training.augment.draws import draw
from hpt_ray.training.backbone import build
from hpt_ray.training.device import native_precision
from hpt_ray.training.loop import clock, pretrain
from hpt_ray.training.loop.checkpoint import Writer
from hpt_ray.training.loop.curve import Curve
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.probe import Subject
from hpt_ray.training.probes import knn, linear
from hpt_ray.training.workers import Workers
from tests.support import spies, tiny

ITERATIONS = 6


@pytest.fixture(scope="module")
def data() -> Dataset:
    return tiny.dataset()


pytestmark = pytest.mark.usefixtures("one_thread")


def pretrainer(data: Dataset, recipe: Pretraining | None = None, **changed: Any) -> Pretrainer:
    recipe = recipe or tiny.recipe()
    given = {"iterations": recipe.iterations, "image_size": tiny.SIZE, "seed": 0, "backbone": tiny.backbone()} | changed
    return Pretrainer(recipe, given.pop("backbone"), data, **given)


def everything(trained: Pretrainer) -> dict[str, Tensor]:
    """Weights of both networks, statistics, queue, pointer and the optimiser's momenta."""
    momenta = trained.optimiser.state()
    return tiny.copy_of(trained.method.state_dict()) | {
        f"momentum of {i}": momentum.clone() for i, momentum in enumerate(momenta) if momentum is not None
    }


def timeless(curve: Curve) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "images_per_second"} for row in curve.table]


class Kept:
    """Checkpoints in memory."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def read(self) -> bytes | None:
        return self.written[-1] if self.written else None

    def write(self, data: bytes) -> None:
        self.written.append(data)


def test_a_stage_equals_a_plain_loop(data: Dataset) -> None:
    """The order of images, views, groups, loss, optimiser, schedule and running statistics together."""
    recipe = tiny.recipe(weight_decay=0.01, options={"queue": 32, "dim": 8, "key_momentum": 0.9})
    ours = pretrainer(data, recipe)
    query, key, queue = copy.deepcopy(ours.method.student), copy.deepcopy(ours.method.key), ours.method.queue.clone()
    query.backbone._forward_pre_hooks.clear()  # the copy of what sets the momentum of groups
    norms = [layer for layer in query.modules() if isinstance(layer, nn.BatchNorm2d)]
    running = [(layer.running_mean.clone(), layer.running_var.clone()) for layer in norms]
    for layer in norms:
        layer.momentum = 1.0  # what it keeps is then what it saw last
    optimiser = torch.optim.SGD(query.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, ITERATIONS)
    pool = np.sort(np.concatenate([data.splits["train"], data.splits["val"]]))
    losses = []
    for iteration in range(ITERATIONS):
        epoch, place = divmod(iteration, len(pool) // 16)
        chosen = pool[stream(0, "order", epoch).permutation(len(pool))[16 * place :][:16]]
        images = torch.from_numpy(data.images[chosen])
        drawn = [draw(recipe.policy, stream(0, "augment", iteration, view), 16, 16, 16) for view in (0, 1)]
        one, other = (augment.views(images, d, recipe.policy, 16, data.mean, data.std) for d in drawn)
        for mine, theirs in zip(key.parameters(), query.parameters(), strict=True):
            mine.data.mul_(0.9).add_(theirs.data, alpha=0.1)
        order = torch.from_numpy(stream(0, "shuffle", iteration).permutation(16))
        with torch.no_grad():
            keys = torch.empty(16, 8)
            for group in order.split(4):
                keys[group] = F.normalize(key(other[group]), dim=1)
        queries, seen = [], []
        for images_of_group in one.split(4):
            queries.append(F.normalize(query(images_of_group), dim=1))
            seen.append([(layer.running_mean.clone(), layer.running_var.clone()) for layer in norms])
        running = [
            tuple(0.9 * old + 0.1 * torch.stack([s[i][j] for s in seen]).mean(dim=0) for j, old in enumerate(pair))
            for i, pair in enumerate(running)
        ]
        q = torch.cat(queries)
        logits = torch.cat([(q * keys).sum(dim=1, keepdim=True), q @ queue.T], dim=1) / 0.2
        loss = F.cross_entropy(logits, torch.zeros(16, dtype=torch.long))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        queue = torch.cat([queue[16:], keys])  # oldest first
        losses.append(loss.item())

    curve = ours.run()
    assert [row["loss"] for row in curve.rows] == pytest.approx(losses, abs=1e-5)
    for name, parameter in query.named_parameters():
        torch.testing.assert_close(ours.method.student.get_parameter(name), parameter, atol=1e-5, rtol=1e-4)
    for mine, (mean, var) in zip(
        (layer for layer in ours.backbone.modules() if isinstance(layer, nn.BatchNorm2d)), running, strict=True
    ):
        torch.testing.assert_close(mine.running_mean, mean, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(mine.running_var, var, atol=1e-5, rtol=1e-4)
        assert int(mine.num_batches_tracked) == ITERATIONS
    torch.testing.assert_close(ours.method.queue, queue, atol=1e-5, rtol=0)  # six batches: the pointer is at 0 again


def test_the_curve(data: Dataset) -> None:
    iterations = 210
    curve = pretrainer(data, iterations=iterations).run()
    assert [row["iteration"] for row in curve.rows] == list(range(2, iterations + 1, 2))
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, iterations)
    rates = []
    for _ in range(iterations):
        rates.append(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
    assert [row["lr"] for row in curve.rows] == pytest.approx(rates[1::2], abs=1e-9)
    assert all(row["images_per_second"] > 0 and 0 < row["feature_std"] < 1 for row in curve.rows)
    assert curve.seconds > 0


@pytest.mark.parametrize("iterations", [1, 7, 50])
def test_the_schedule_is_torchs(iterations: int) -> None:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, iterations)
    for iteration in range(iterations):
        rate = learning_rate(tiny.recipe(), iteration, iterations)
        assert rate == pytest.approx(schedule.get_last_lr()[0], abs=1e-12)
        optimiser.step()
        schedule.step()
    assert learning_rate(tiny.recipe(), iterations, iterations) == pytest.approx(0, abs=1e-15)


# What is seen, in which order, and how


def telling(n: int) -> Dataset:
    """Images that hold their own index in the first pixel."""
    images = np.random.default_rng(0).integers(0, 256, (n, 3, tiny.SIZE, tiny.SIZE), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(n)
    return tiny.dataset(n, images=images)


def test_a_test_image_is_never_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    data = telling(60)  # 48 to pretrain on: three batches an epoch, and none left out
    seen = spies.corners(monkeypatch)
    pretrainer(data).run()
    assert {image for group in seen for image in group} == {*data.splits["train"], *data.splits["val"]}


def test_an_epoch_sees_each_image_once_for_each_view(monkeypatch: pytest.MonkeyPatch) -> None:
    data = telling(70)  # 56 to pretrain on: three batches an epoch, and 8 left out
    seen = spies.corners(monkeypatch)
    trained = pretrainer(data)
    epochs = []
    for _ in range(2):
        seen.clear()
        for _ in range(3):
            trained.step()
        images, counts = np.unique(np.concatenate(seen), return_counts=True)
        assert len(images) == 48
        assert set(counts) == {2}
        epochs.append(np.concatenate(seen).tolist())
    assert epochs[0] != epochs[1]


def test_both_views_are_of_the_same_images_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, drawn = spies.corners(monkeypatch), spies.draws(monkeypatch)
    pretrainer(telling(60)).step()
    keys, queries = np.split(np.concatenate(seen), 2)
    assert sorted(keys) == sorted(queries)
    boxes = np.concatenate([[d.top, d.left, d.height, d.width] for d in drawn], axis=1).T.tolist()
    assert len({tuple(box) for box in boxes[:16]} & {tuple(box) for box in boxes[16:]}) < 4


@pytest.mark.parametrize("fraction", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("other", ["policy", "weights", "bn", "budget"])
def test_arms_of_a_seed_are_paired(monkeypatch: pytest.MonkeyPatch, other: str, fraction: float) -> None:
    """The same images in the same order with the same crops, whatever else an arm does."""
    seen, drawn = spies.corners(monkeypatch), spies.draws(monkeypatch)
    changed: dict[str, dict[str, Any]] = {
        "policy": {"recipe": tiny.recipe(policy=Policy(), fraction=fraction)},
        "weights": {"backbone": tiny.backbone(5)},
        "bn": {"tune": "bn"},
        "budget": {"iterations": 50},
    }
    runs = []
    for more in ({}, changed[other]):
        seen.clear()
        drawn.clear()
        trained = pretrainer(telling(60), **({"recipe": tiny.recipe(fraction=fraction)} | more))
        for _ in range(4):
            trained.step()
        boxes = np.concatenate([[d.top, d.left, d.height, d.width, d.flip] for d in drawn], axis=1)
        runs.append((np.concatenate(seen).tolist(), boxes))
    assert runs[0][0] == runs[1][0]
    np.testing.assert_array_equal(runs[0][1], runs[1][1])


def test_another_seed_sees_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = spies.corners(monkeypatch)
    for seed in (0, 1):
        pretrainer(telling(60), seed=seed).step()
    assert seen[: len(seen) // 2] != seen[len(seen) // 2 :]


def test_a_fraction_is_all_that_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    data = telling(100)  # 80 to pretrain on; of 40, two batches an epoch
    seen = spies.corners(monkeypatch)
    pretrainer(data, tiny.recipe(fraction=0.5), seed=3, iterations=40).run()
    assert {image for group in seen for image in group} == set(data.pretraining(0.5, 3).tolist())


# HPT-BN


@pytest.mark.parametrize("name", ["tiny", "resnet_small"])
@pytest.mark.parametrize("tune", ["bn", "all"])
def test_hpt_bn_changes_norms_alone(data: Dataset, tune: str, name: str) -> None:
    backbone = tiny.backbone() if name == "tiny" else build(name, 0)
    norms = {n for n, layer in backbone.named_modules() if isinstance(layer, nn.BatchNorm2d)}
    before = tiny.copy_of(backbone.state_dict())
    trained = pretrainer(data, backbone=backbone, tune=tune, iterations=3, recipe=tiny.recipe(weight_decay=0.1))
    head = tiny.copy_of(trained.method.student.head.state_dict())
    trained.run()
    assert trained.backbone is backbone
    for key, value in backbone.state_dict().items():
        if key.rpartition(".")[0] in norms:
            assert not torch.equal(value, before[key]), key
        else:  # weight decay too must leave a convolution bit-identical
            assert torch.equal(value, before[key]) is (tune == "bn"), key
    for key, value in trained.method.student.head.state_dict().items():
        assert not torch.equal(value, head[key])


def test_hpt_bn_without_a_norm_is_refused(data: Dataset) -> None:
    with pytest.raises(StudyError, match="HPT-BN needs normalisation layers"):
        pretrainer(data, backbone=tiny.backbone(norm=tiny.NoNorm), tune="bn")


# Interruption


@pytest.fixture(scope="module")
def whole(data: Dataset) -> Pretrainer:
    """Never interrupted; with colour operations, so that all draws are in it."""
    torch.set_num_threads(1)
    trained = pretrainer(data, tiny.recipe(policy=Policy()))
    trained.run()
    return trained


def assert_identical(trained: Pretrainer, whole: Pretrainer) -> None:
    assert tiny.largest_difference(everything(trained), everything(whole)) == 0
    assert timeless(trained.curve) == timeless(whole.curve)
    assert trained.iteration == whole.iteration


@pytest.mark.parametrize("tune", ["all", "bn"])
@pytest.mark.parametrize("stop", range(1, ITERATIONS))
def test_a_stopped_stage_ends_bit_identical(data: Dataset, whole: Pretrainer, stop: int, tune: Any) -> None:
    recipe = tiny.recipe(policy=Policy())
    first = pretrainer(data, recipe, tune=tune)
    first.run(report=lambda iteration, row: iteration < stop)
    assert first.iteration == stop
    # The second one starts from other weights, which the state must replace.
    second = pretrainer(data, recipe, backbone=tiny.backbone(9), tune=tune)
    second.restore(first.state())
    second.run()
    if tune == "bn":
        whole = pretrainer(data, recipe, tune=tune)
        whole.run()
    assert_identical(second, whole)


def test_a_stage_stopped_between_logged_points_ends_bit_identical(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "SECONDS", 0.0)
    whole, kept, asked, stop = pretrainer(data, iterations=210), Kept(), list[int](), 7
    whole.run()

    def report(iteration: int, row: dict[str, float]) -> bool:
        asked.append(iteration)
        assert row.get("iteration", 0) == iteration // 2 * 2  # the latest one logged
        return iteration < stop

    first = pretrainer(data, iterations=210)
    first.run(kept, report)
    assert (first.iteration, asked) == (stop, [*range(1, stop + 1)])
    assert len(kept.written) == 1
    second = pretrainer(data, iterations=210, backbone=tiny.backbone(9))
    second.run(kept)
    assert_identical(second, whole)


@pytest.mark.parametrize("at", [1, 2, 5])
def test_a_killed_stage_resumes_from_its_checkpoint(
    data: Dataset, whole: Pretrainer, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(Writer, "busy", False)  # none is left out because the one before is still being written
    kept = Kept()

    class KilledError(Exception):
        pass

    def killing(iteration: int, row: dict[str, float]) -> bool:
        if iteration == at:
            raise KilledError
        return True

    with pytest.raises(KilledError):
        pretrainer(data, tiny.recipe(policy=Policy())).run(kept, killing)
    assert len(kept.written) == at - 1
    second = pretrainer(data, tiny.recipe(policy=Policy()))
    second.run(kept)
    assert_identical(second, whole)
    assert len(kept.written) == ITERATIONS - 1  # none of the finished stage, whose weights are kept instead


def test_checkpoints_change_nothing_and_are_written_by_time(
    data: Dataset, whole: Pretrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()
    trained = pretrainer(data, tiny.recipe(policy=Policy()))
    trained.run(kept)
    assert kept.written == []  # not a minute has passed
    monkeypatch.setattr(pretrain, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(Writer, "busy", False)  # none is left out because the one before is still being written
    trained = pretrainer(data, tiny.recipe(policy=Policy()))
    trained.run(kept)
    assert len(kept.written) == ITERATIONS - 1
    assert_identical(trained, whole)


# What cannot be trained


def test_a_loss_that_is_not_finite_names_the_iteration(data: Dataset) -> None:
    trained = pretrainer(data)
    reported: list[int] = []

    def poison(iteration: int, row: dict[str, float]) -> bool:
        reported.append(iteration)
        if iteration == 2:
            with torch.no_grad():
                trained.backbone.conv1.weight[0, 0, 0, 0] = math.nan
        return True

    with pytest.raises(StageError, match="the loss is nan at iteration 3 of 6: lower the learning rate"):
        trained.run(report=poison)
    assert reported == [1, 2]


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"recipe": {"batch": 64}}, DataError, "has 48 images to pretrain on, fewer than a batch of 64"),
        ({"recipe": {"options": {"queue": 40}}}, StudyError, "queue of 40 is not a multiple of the batch of 16"),
        ({"recipe": {"options": {"quue": 32}}}, StudyError, "no option 'quue'"),
        ({"recipe": {"method": "moco_v3"}}, StudyError, "Did you mean 'moco_v2'"),
        ({"workers": Workers(0, 3)}, StudyError, "4 normalisation groups cannot be shared equally by 3 workers"),
    ],
)
def test_what_does_not_fit_is_refused(
    data: Dataset, changed: dict[str, Any], error: type[Exception], says: str
) -> None:
    recipe = tiny.recipe().model_copy(update=changed.get("recipe", {}))
    with pytest.raises(error, match=says):
        pretrainer(data, **(changed | {"recipe": recipe}))


# Precision


def test_auto_is_one_of_the_two() -> None:
    assert native_precision(torch.device("cpu")) in ("bfloat16", "float32")


def test_bfloat16_is_close_to_float32_and_keeps_float32_weights(data: Dataset) -> None:
    recipe = tiny.recipe(policy=Policy())
    trained = {p: pretrainer(data, recipe, precision=p) for p in ("float32", "bfloat16")}
    losses = {precision: float(one.step()) for precision, one in trained.items()}
    assert losses["bfloat16"] != losses["float32"]  # it did compute in another precision
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
    for name, tensor in trained["bfloat16"].method.state_dict().items():
        assert tensor.dtype in (torch.float32, torch.int64), name


# That it learns


def hues(n: int) -> Dataset:
    """The class is one of four hues, on the colour circle; the luminance is clouds, ten times as strong."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, n)
    angle = 2 * np.pi * (labels + rng.uniform(-0.3, 0.3, n)) / 4
    circle = np.array([1, -1, 0]) / 2**0.5, np.array([1, 1, -2]) / 6**0.5
    hue = np.cos(angle)[:, None] * circle[0] + np.sin(angle)[:, None] * circle[1]
    clouds = gaussian_filter(rng.normal(size=(n, 16, 16)), (0, 2, 2), mode="wrap")
    clouds *= rng.uniform(30, 60, (n, 1, 1)) / clouds.std(axis=(1, 2), keepdims=True)
    clouds += rng.uniform(70, 180, (n, 1, 1))
    images = clouds[:, None] * (1 + 0.1 * hue[:, :, None, None])
    return tiny.dataset(n, images=images.clip(0, 255).astype(np.uint8), labels=labels)


@pytest.mark.parametrize(
    ("hue", "learned"), [(0.0, True), pytest.param(0.5, False, marks=pytest.mark.slow)], ids=["kept", "destroyed"]
)
def test_it_learns_what_the_augmentation_keeps(hue: float, learned: bool) -> None:
    """Hue tells the images apart in all of their views, and so their classes, unless the views have it at random."""
    data, backbone = hues(640), build("resnet_small", 0)
    jitter = ColorJitter(saturation=0, hue=hue, p=1)
    policy = Policy(crop=RandomResizedCrop(scale=(0.3, 1)), color_jitter=jitter, grayscale=None, blur=None)
    options = {"queue": 256, "dim": 64, "key_momentum": 0.99}
    recipe = tiny.recipe(iterations=100, batch=64, group=32, lr=0.03, options=options, policy=policy)

    def scores() -> list[float]:
        subject = Subject(backbone, data, tiny.SIZE, torch.device("cpu"))
        wanted = data.labels[subject.labelled["test"]]
        return [accuracy.metric.value(probe(subject)[0].test, wanted) for probe in (knn.probe, linear.probe)]

    before = scores()
    pretrainer(data, recipe, backbone=backbone).run()
    gain = np.subtract(scores(), before)
    assert (gain > 0.2).all() if learned else (gain < 0.1).all()
