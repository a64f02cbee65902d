"""The online monitor: what it measures, on which images, and that nothing of a stage shows that it did."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy
import torch
import torch.multiprocessing as mp
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from hpt_ray.analysis.measures import health
from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.scales import SCALES
from hpt_ray.store import schema as results
from hpt_ray.store.tables import run_schema, to_frame, to_table
from hpt_ray.training.backbone import build
from hpt_ray.training.features import extract
from hpt_ray.training.loop import monitor, pretrain
from hpt_ray.training.loop.curve import Curve, logged
from hpt_ray.training.loop.monitor import Monitor, effective_rank
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.normalisation import statistics
from hpt_ray.training.workers import Workers
from tests.support import tiny
from tests.support.labelled import coloured

CPU = torch.device("cpu")


def made(data: Dataset, seed: int = 0, workers: Workers | None = None, **given: Any) -> Monitor:
    settings: dict[str, Any] = {"logged": range(91), "batch": 64, "image_size": tiny.SIZE} | given
    return Monitor(data, settings.pop("logged"), seed=seed, workers=workers or Workers(), **settings)


def trainer(data: Dataset, iterations: int = 6, **given: Any) -> Pretrainer:
    settings: dict[str, Any] = {"backbone": tiny.backbone(), "recipe": tiny.recipe(iterations=iterations)} | given
    return Pretrainer(
        settings.pop("recipe"),
        settings.pop("backbone"),
        data,
        iterations=iterations,
        image_size=tiny.SIZE,
        seed=0,
        **settings,
    )


# The effective rank


def spectrum(values: list[float], n: int = 40, d: int = 12) -> np.ndarray[Any, Any]:
    """Features [n, d] with these singular values once centred, far from the origin."""
    rng = np.random.default_rng(0)
    left = np.linalg.qr(np.column_stack([np.ones(n), rng.normal(size=(n, len(values)))]))[0][:, 1:]  # sums to 0
    right = np.linalg.qr(rng.normal(size=(d, len(values))))[0]
    return (left * values @ right.T + rng.normal(size=d)).astype(np.float32)


@pytest.mark.parametrize("rank", [1, 2, 5, 12])
def test_equal_singular_values_are_counted(rank: int) -> None:
    assert effective_rank(spectrum([3.0] * rank)) == pytest.approx(rank, rel=1e-4)


def test_the_effective_rank_is_the_entropy_of_the_spectrum() -> None:
    values = [8.0, 4.0, 2.0, 1.0, 0.1]
    assert effective_rank(spectrum(values)) == pytest.approx(np.exp(scipy.stats.entropy(values)), rel=1e-4)
    features = np.random.default_rng(1).normal(size=(30, 50)).astype(np.float32) + 3
    values = scipy.linalg.svdvals(features - features.mean(axis=0, dtype=np.float64))
    assert effective_rank(features) == pytest.approx(np.exp(scipy.stats.entropy(values)), rel=1e-6)
    assert effective_rank(features) < 29  # n - 1


def test_features_that_are_all_equal_have_none() -> None:
    rng = np.random.default_rng(0)
    point = np.tile(rng.uniform(0, 5, 128), (100, 1))
    assert effective_rank(point.astype(np.float32)) == 0
    assert effective_rank(np.zeros((100, 128), np.float32)) == 0
    # Rounding is no variation, though it has no direction of its own; a variation of a thousandth is one.
    assert effective_rank((point * (1 + 1e-7 * rng.normal(size=point.shape))).astype(np.float32)) == 0
    assert effective_rank((point + 0.001 * rng.normal(size=(100, 1))).astype(np.float32)) == pytest.approx(1, abs=0.1)


# What it measures, and of what


def test_knn_is_scikit_learns_on_the_features_of_a_probe() -> None:
    data = coloured(600, strength=6)
    found = made(data)
    measured = found.check(tiny.backbone())
    chosen = dataclasses.replace(data, splits={"train": found.train, "val": found.queries})
    splits = extract(tiny.backbone().eval(), chosen, tiny.SIZE, CPU)
    model = KNeighborsClassifier(20, weights=lambda far: np.exp((1 - far) / 0.07), metric="cosine", algorithm="brute")
    model.fit(splits["train"].features, splits["train"].labels)
    assert measured["knn"] == pytest.approx(model.score(splits["val"].features, splits["val"].labels), abs=0.02)
    assert 0.25 < measured["knn"] < 1  # better than chance, so that it says something
    assert measured["effective_rank"] == effective_rank(splits["val"].features)
    assert measured["n"] == len(found.queries) == 120


def test_its_images_are_labelled_ones_of_train_and_val_and_stratified() -> None:
    labels = np.where(np.arange(3000) % 11 == 0, -1, np.arange(3000) // 5 % 3)
    data = tiny.dataset(3000, labels=labels)
    found = made(data, seed=1)
    for images, split in ((found.train, "train"), (found.queries, "val")):
        assert set(images.tolist()) <= set(data.splits[split].tolist())
        counts = np.bincount(labels[images])  # fails on -1
        assert counts.max() - counts.min() <= 1
    again, other = made(data, seed=1), made(data, seed=2)
    assert (again.train == found.train).all() and (again.queries == found.queries).all()
    assert len(np.intersect1d(other.queries, found.queries)) < 0.5 * len(found.queries)


def test_arms_and_fractions_of_a_seed_are_checked_on_the_same_images() -> None:
    data = tiny.dataset(300)
    one = trainer(data)
    other = trainer(data, backbone=tiny.backbone(3), tune="bn", recipe=tiny.recipe(fraction=0.1, lr=0.3))
    assert (one.monitor.train == other.monitor.train).all()
    assert (one.monitor.queries == other.monitor.queries).all()


@pytest.mark.parametrize("case", ["no labels", "no labelled val", "one class"])
def test_without_classes_to_tell_apart_the_rank_alone_is_measured(case: str) -> None:
    labels = {"no labels": np.full(300, -1), "no labelled val": np.arange(300) % 2, "one class": np.zeros(300)}[case]
    data = tiny.dataset(300)
    if case == "no labelled val":
        labels[data.splits["val"]] = -1
    found = made(dataclasses.replace(data, labels=labels.astype(np.int64)))
    measured = found.check(tiny.backbone())
    assert set(measured) == {"effective_rank", "n"}
    assert 1 < measured["effective_rank"] < 16
    assert measured["n"] == len(found.queries)
    assert set(found.queries.tolist()) <= set(data.pretraining().tolist())


def test_features_that_are_not_finite_are_not_measured() -> None:
    backbone = tiny.backbone()
    with torch.no_grad():
        backbone.conv2.weight[0] = torch.inf
    assert made(coloured(600, strength=6)).check(backbone) == {}


class Second(Workers):
    """The first of two workers; the other one's tensors are the own ones plus 1."""

    def gather(self, tensor: Tensor) -> Tensor:
        return torch.cat([tensor, tensor + 1])


def test_the_statistics_are_the_mean_of_the_workers() -> None:
    data, backbone, mean = coloured(600, strength=6), tiny.backbone(), tiny.backbone()
    for tensor in statistics(mean):
        tensor.add_(0.5)
    expected = made(data).check(mean)
    assert made(data, workers=Second(0, 2)).check(backbone) == expected
    assert expected != made(data).check(backbone)
    assert made(data, workers=Second(1, 2)).check(backbone) == {}


def worker(rank: int, size: int, meeting: str, folder: Path) -> None:
    """Without the corners of a ReLU, where the last bit of an activation decides whether a gradient is there at all."""
    torch.set_num_threads(1)
    workers = Workers.join(rank, size, meeting) if size > 1 else Workers()
    backbone = tiny.backbone()
    backbone.relu = backbone.relu2 = nn.SiLU()
    torch.save(
        trainer(coloured(600, strength=6), backbone=backbone, workers=workers).run().table, folder / f"{size}-{rank}.pt"
    )
    workers.leave()


@pytest.mark.slow
def test_the_number_of_workers_does_not_show(tmp_path: Path) -> None:
    worker(0, 1, "", tmp_path)
    mp.spawn(worker, (2, f"file://{tmp_path}/meeting", tmp_path), nprocs=2)
    alone, together = (torch.load(tmp_path / name) for name in ("1-0.pt", "2-0.pt"))
    for name in ("effective_rank", "knn", "n"):
        ours, theirs = ({row["iteration"]: row[name] for row in table if name in row} for table in (alone, together))
        assert ours.keys() == {0, 6}
        assert ours == pytest.approx(theirs, rel=1e-4)


# When, and how much


@pytest.mark.parametrize(("iterations", "batch"), [(1, 16), (90, 64), (500, 64), (1200, 64), (5000, 256), (10**5, 256)])
def test_the_effort_follows_from_the_budget(iterations: int, batch: int) -> None:
    points = logged(tiny.recipe(), iterations)
    found = made(tiny.dataset(6000, size=1), logged=points, batch=batch)
    assert {0, iterations} <= found.at <= set(points)
    assert 2 <= len(found.at) <= 10
    assert np.diff(sorted(found.at)).max() <= 2 * np.diff(sorted(found.at)).min()
    assert 50 <= len(found.train) == len(found.queries) <= 500
    looked_at = len(found.at) * (len(found.train) + len(found.queries))
    assert looked_at <= max(monitor.SHARE * iterations * batch, 2 * 2 * 50)


def test_at_the_quick_scale_it_sees_start_and_end_and_of_its_base_ten_points() -> None:
    quick, data = SCALES["quick"], tiny.dataset(6000, size=1)
    found = made(data, logged=range(quick.target.iterations + 1), batch=quick.target.batch)
    assert (sorted(found.at), len(found.queries)) == ([0, 40], 57)
    found = made(data, logged=range(0, quick.base.iterations + 1, 12), batch=quick.base.batch)
    assert (len(found.at), len(found.queries)) == (10, 172)


def test_a_small_data_set_gives_all_it_has() -> None:
    found = made(tiny.dataset(60))
    assert (len(found.train), len(found.queries)) == (36, 12)
    assert set(found.check(tiny.backbone())) == {"knn", "effective_rank", "n"}


def test_the_curve_has_the_measures_where_they_were_taken() -> None:
    curve = trainer(tiny.dataset()).run()
    rows = [{**row, "phase": "all", "stage": "x"} for row in curve.table]
    table = to_table(rows, results.CURVES).to_pylist()
    assert [row["iteration"] for row in table] == [0, 1, 2, 3, 4, 5, 6]
    assert [row["knn"] is not None for row in table] == [True] + 5 * [False] + [True]
    assert [row["loss"] is not None for row in table] == [False] + 6 * [True]
    assert [row["n"] for row in table] == [12] + 5 * [None] + [12]
    assert table[0]["effective_rank"] != table[6]["effective_rank"]


def test_the_last_check_is_of_what_the_stage_keeps() -> None:
    data, backbone = coloured(600, strength=6), tiny.backbone()
    trained = trainer(data, backbone=backbone)
    before = made(data, logged=range(7), batch=16).check(backbone)
    curve = trained.run()
    assert curve.start == before
    after = trained.monitor.check(backbone)
    assert {name: curve.rows[-1][name] for name in after} == after


# That nothing shows


def test_a_check_changes_nothing() -> None:
    trained = trainer(coloured(600, strength=6))
    trained.step()
    trained.backbone.bn1.eval()  # not the mode of the whole
    before, modes = tiny.copy_of(trained.method.state_dict()), [m.training for m in trained.method.modules()]
    torch.manual_seed(3)
    np.random.seed(3)
    expected = torch.rand(4), np.random.rand(4)
    torch.manual_seed(3)
    np.random.seed(3)
    trained.monitor.check(trained.backbone)
    assert torch.equal(torch.rand(4), expected[0])
    assert (np.random.rand(4) == expected[1]).all()
    assert tiny.largest_difference(tiny.copy_of(trained.method.state_dict()), before) == 0
    assert [m.training for m in trained.method.modules()] == modes
    assert all(p.grad is None for p in trained.method.parameters())
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("network", ["tiny", "resnet_small"])
def test_weights_are_bit_identical_without_it(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ends, losses = [], []
    checks: list[int] = []
    for monitored in (True, False):
        if not monitored:
            monkeypatch.setattr(Monitor, "check", lambda self, backbone: checks.append(1) or {})
        backbone = tiny.backbone() if network == "tiny" else build(network, 0)
        trained = trainer(coloured(600, strength=6), backbone=backbone)
        curve = trained.run()
        ends.append(tiny.copy_of(trained.method.state_dict()))
        losses.append([row["loss"] for row in curve.rows])
    assert len(checks) == 2
    assert tiny.largest_difference(*ends) == 0
    assert losses[0] == losses[1]


def test_its_time_is_no_training_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that an iteration moves by a second and a check by a thousand."""
    now = [0.0]
    clock = types.SimpleNamespace(perf_counter=lambda: now[0], monotonic=lambda: 0.0)
    step, check = Pretrainer.step, Monitor.check

    def slow(seconds: float, call: Any) -> Any:
        def called(*arguments: Any) -> Any:
            now[0] += seconds
            return call(*arguments)

        return called

    monkeypatch.setattr(pretrain, "time", clock)
    monkeypatch.setattr(Pretrainer, "step", slow(1, step))
    monkeypatch.setattr(Monitor, "check", slow(1000, check))
    trained = trainer(tiny.dataset(200), iterations=30)
    trained.monitor.at = frozenset({0, 10, 20, 30})
    curve = trained.run()
    assert now[0] == 30 + 4 * 1000
    assert curve.seconds == 30
    assert {row["images_per_second"] for row in curve.rows} == {16.0}


# What it is for


COLLAPSING = """
import torch
import torch.nn.functional as F
from torch import nn
from hpt_ray.spec.policy import Frozen
from hpt_ray.training.method import Method, Projected

class Collapsing(Method):
    # Two views attract each other, and nothing keeps images apart: no negatives, no predictor, no stop-gradient.
    class Options(Frozen):
        pass
    def __init__(self, backbone, options, seed, classes):
        super().__init__(backbone, options, seed, classes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.student = Projected(backbone, nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 8)))
    def step(self, batch, workers):
        one, other = (F.normalize(self.student(torch.cat(batch.view(which))), dim=1) for which in (0, 1))
        loss = -(one * other).sum(dim=1).mean()
        loss.backward()
        self.latest = one.detach()
        return loss.detach()
    def feature_std(self):
        return self.latest.std(dim=0).mean()

method = Collapsing
"""


def notes(curve: Curve) -> list[str]:
    axes = {"study": "x", "target": "tiny", "arm": "target", "seed": 0}
    rows = [{**row, **axes, "phase": "target", "stage": "a"} for row in curve.table]
    return health.notes(to_frame(to_table(rows, run_schema(results.CURVES, []))))


def test_a_run_that_collapses_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    (tmp_path / "collapsing.py").write_text(COLLAPSING)
    given = {"method": str(tmp_path / "collapsing.py"), "options": {}, "lr": 1.0}
    data = coloured(600, strength=6)
    collapsed = trainer(data, 60, recipe=tiny.recipe().model_copy(update=given)).run()
    healthy = trainer(data, 60).run()
    (said,) = [note for note in notes(collapsed) if "collapse" in note]
    assert said.startswith("From scratch: collapse in 1 of 1 runs: the projections' standard deviation is down to 0.0")
    assert not [note for note in notes(healthy) if "collapse" in note]
