"""Several processes over gloo: what they exchange, and that their number does not show in a stage's numbers."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as mp
from torch import Tensor, nn

from hpt_ray.core.errors import StageError
from hpt_ray.spec.policy import Policy
from hpt_ray.training import views
from hpt_ray.training.backbone import build
from hpt_ray.training.loop import batches, clock, pretrain
from hpt_ray.training.loop.checkpoint import Writer
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.pixels import Sent
from hpt_ray.training.workers import Workers
from tests.support import photographs, tiny

CASES = [*((method, "all") for method in tiny.OPTIONS), ("moco_v2", "bn"), ("moco_v2", "keep"), ("simclr", "keep")]
#: On other pixels than those in the memory map: sent with each step, which a thread prepares, and crops of files.
CASES += [("moco_v2", "all", "sent"), ("moco_v2", "all", "encoded")]
#: Other optimisers, with everything that they are used with.
OPTIMISED: dict[str, dict[str, Any]] = {
    "sgd": {},
    "adamw": {"optimizer": "adamw", "lr": 5e-3, "warmup": 0.2, "clip_grad": 1.0},
    "lars": {"optimizer": "lars", "lr": 0.3, "warmup": 0.2, "clip_grad": 1.0},
}
CASES += [("simclr", "all", "resident", "adamw"), ("simclr", "all", "resident", "lars")]
ITERATIONS = 6
RESUMED_AT = 3
#: float32 in another order of summation, over six iterations. Seen: 5e-7 in losses and 9e-7 elsewhere, 2 or 4 workers.
TOLERANCE = 5e-6
#: BYOL's heads magnify it, normalising over the few images of a group: half a unit in the last place of every initial
#: weight moves a momentum by up to 2e-5. Seen: 3e-6. VICReg's loss, and so its gradient, is weighted 25 times. Seen:
#: 1.4e-5. DINO normalises projections that are small at first: momenta are up to 1,600. Seen: 2.3e-5.
TOLERANCES = {"byol": 5e-5, "vicreg": 5e-5, "dino": 5e-5}


class Kept:
    """Checkpoints in memory; the ``start``ing one, if any, is read."""

    def __init__(self, start: bytes | None = None) -> None:
        self.start, self.written = start, list[bytes]()

    def read(self) -> bytes | None:
        return self.start

    def write(self, data: bytes) -> None:
        self.written.append(data)


def stage(
    workers: Workers,
    method: str = "moco_v2",
    tune: Any = "all",
    pixels: str = "resident",
    optimizer: str = "sgd",
    *,
    iterations: int = ITERATIONS,
) -> Pretrainer:
    """A network with shortcuts, whose gradients do not arrive in the order of its layers.

    It is smooth: at the corner of a ReLU the last bit of an activation decides whether a gradient is there at all, and
    that jump (seen: 2e-4 of one momentum in six iterations) is not what is measured here.
    """
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        if pixels == "sent":
            patch.setattr(views, "pixels_of", lambda data, _: Sent(torch.from_numpy(data.images)))
            patch.setattr(batches, "depth_on", lambda _: 2)
        made = Pretrainer(
            tiny.recipe(method=method, policy=Policy(), weight_decay=0.01, batch=32, group=8, **OPTIMISED[optimizer]),
            build("resnet_small", 0),
            photographs.encoded() if pixels == "encoded" else tiny.dataset(),
            iterations=iterations,
            image_size=tiny.SIZE,
            seed=0,
            tune=tune,
            workers=workers,
        )
    for module in list(made.method.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.SiLU())
    return made


def outcome(trained: Pretrainer) -> dict[str, dict[str, Tensor]]:
    """What must not depend on the number of workers."""
    state = {name.replace("student.module", "student"): value for name, value in trained.method.state_dict().items()}
    return {
        "backbone": tiny.copy_of(trained.backbone.state_dict()),
        "method": tiny.copy_of(state),
        "optimiser": {str(i): value.clone() for i, value in enumerate(trained.optimiser.state())},
        "losses": {str(row["iteration"]): torch.tensor(row["loss"]) for row in trained.curve.rows},
        "feature_std": {str(row["iteration"]): torch.tensor(row["feature_std"]) for row in trained.curve.rows},
    }


def stopped_at_any_moment(workers: Workers) -> dict[str, Any]:
    """A stage that the first worker stops by its clock, between logged points; and the one never interrupted."""
    clock.SECONDS, iterations = 0.05, 203
    whole, first, kept = stage(workers, iterations=iterations), stage(workers, iterations=iterations), Kept()
    whole.run()
    moment = time.monotonic() + random.SystemRandom().uniform(0.05, 0.3)
    first.run(kept, lambda iteration, row: iteration % 2 == 0 or time.monotonic() < moment)
    resumed = stage(workers, iterations=iterations)
    resumed.run(Kept(workers.broadcast_object(kept.written[-1] if workers.rank == 0 else None)))
    return {"stopped": first.iteration, "resumed": outcome(resumed), "whole": outcome(whole)}


def work(rank: int, size: int, meeting: str, folder: Path) -> None:
    """Everything that needs the processes, in one go: to start them takes longest."""
    pretrain.CHECKPOINT_SECONDS = -1.0
    Writer.busy = False  # none is left out because the one before is still being written
    workers = Workers.join(rank, size, meeting)
    made: dict[str, Any] = {"workers": [workers.rank, workers.size, workers.device.type]}
    made["gathered"] = workers.gather(torch.full((2, 3), float(rank)))
    made["any"] = [workers.any(False), workers.any(True), workers.any(rank == size - 1)]
    made["gathered transposed"] = workers.gather((torch.arange(6.0) + 10 * rank).view(2, 3).T)
    made["handed"] = workers.broadcast_object({"from": rank})
    made["agreed"] = workers.broadcast_integers([rank, 2**40 + rank])
    workers.wait()

    for case in CASES:
        whole, kept = stage(workers, *case), Kept()
        whole.run(kept)
        state = workers.broadcast_object(kept.written[RESUMED_AT - 1] if rank == 0 else None)
        resumed = stage(workers, *case)
        resumed.run(Kept(state))
        made[" ".join(case)] = {
            "outcome": outcome(whole),
            "checkpoint": state,
            "checkpoints": len(kept.written),
            "resumed": outcome(resumed),
        }

    alone, kept = stage(Workers()), Kept()
    alone.run(kept)
    joined = stage(workers)
    joined.run(Kept(kept.written[RESUMED_AT - 1]))
    made["from one"] = outcome(joined)

    stopped = stage(workers)
    asked: list[int] = []

    def stop(iteration: int, row: dict[str, float]) -> bool:
        asked.append(iteration)
        return iteration < 2

    stopped.run(report=stop)
    made["stopped"] = [stopped.iteration, asked]

    made["at any moment"] = stopped_at_any_moment(workers)
    poisoned = stage(workers)
    if rank == size - 1:
        with torch.no_grad():
            poisoned.backbone.conv1.weight.fill_(torch.nan)
    try:
        poisoned.run()
    except StageError as error:
        made["error"] = str(error)
    torch.save(made, folder / f"{rank}.pt")
    workers.leave()


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.slow)])
def ranks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each worker saw, of two and (slow) of four. From three on, the order in which they add up matters."""
    folder = tmp_path_factory.mktemp("workers")
    photographs.encoded()  # written once, for all
    mp.spawn(work, (request.param, f"file://{folder}/meeting", folder), nprocs=request.param)
    return [torch.load(folder / f"{rank}.pt") for rank in range(request.param)]


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    made = {}
    for case in CASES:
        trained = stage(Workers(), *case)
        trained.run()
        made[" ".join(case)] = outcome(trained)
    return made


def differences(one: dict[str, dict[str, Tensor]], other: dict[str, dict[str, Tensor]]) -> dict[str, float]:
    assert one.keys() == other.keys()
    return {part: tiny.largest_difference(one[part], other[part]) for part in one}


def test_what_workers_exchange(ranks: list[dict[str, Any]]) -> None:
    size = len(ranks)
    for rank, made in enumerate(ranks):
        assert made["workers"] == [rank, size, "cpu"]
        assert made["any"] == [False, True, True]
        assert torch.equal(made["gathered"], torch.arange(float(size)).repeat_interleave(2)[:, None].expand(-1, 3))
        parts = [(torch.arange(6.0) + 10 * r).view(2, 3).T for r in range(size)]
        assert torch.equal(made["gathered transposed"], torch.cat(parts))
        assert made["handed"] == {"from": 0}
        assert made["agreed"] == [0, 2**40]


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_the_number_of_workers_does_not_show(
    ranks: list[dict[str, Any]], alone: dict[str, Any], case: tuple[str, ...]
) -> None:
    name, tolerance = " ".join(case), TOLERANCES.get(case[0], TOLERANCE)
    for made in ranks:
        found = differences(made[name]["outcome"], alone[name])
        print(len(ranks), name, found)
        assert max(found.values()) < tolerance
    moved = tiny.largest_difference(alone[name]["backbone"], build("resnet_small", 0).state_dict())
    assert moved > 1000 * tolerance  # or the comparison would mean nothing


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_workers_end_with_the_same_bits(ranks: list[dict[str, Any]], case: tuple[str, ...]) -> None:
    first, *others = (made[" ".join(case)]["outcome"] for made in ranks)
    for other in others:
        assert set(differences(first, other).values()) == {0.0}


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_a_resumed_stage_ends_bit_identical(ranks: list[dict[str, Any]], case: tuple[str, ...]) -> None:
    for rank, made in enumerate(ranks):
        found = made[" ".join(case)]
        assert found["checkpoints"] == (ITERATIONS - 1 if rank == 0 else 0)  # the first alone writes
        assert set(differences(found["resumed"], found["outcome"]).values()) == {0.0}


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_one_worker_resumes_what_several_began(
    ranks: list[dict[str, Any]], alone: dict[str, Any], case: tuple[str, ...]
) -> None:
    name = " ".join(case)
    resumed = stage(Workers(), *case)
    resumed.run(Kept(ranks[0][name]["checkpoint"]))
    assert max(differences(outcome(resumed), alone[name]).values()) < TOLERANCES.get(case[0], TOLERANCE)


def test_several_workers_resume_what_one_began(ranks: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    for made in ranks:
        assert max(differences(made["from one"], alone["moco_v2 all"]).values()) < TOLERANCE


def test_the_first_worker_stops_all(ranks: list[dict[str, Any]]) -> None:
    assert [made["stopped"] for made in ranks] == [[2, [1, 2]]] + [[2, []]] * (len(ranks) - 1)


def test_all_stop_at_the_moment_the_first_worker_chooses(ranks: list[dict[str, Any]]) -> None:
    found = [made["at any moment"] for made in ranks]
    (stopped,) = {one["stopped"] for one in found}
    assert stopped % 2 == 1  # of 203 iterations, each second one is logged
    assert 0 < stopped < 203
    for one in found:
        assert set(differences(one["resumed"], one["whole"]).values()) == {0.0}


def test_a_loss_that_is_not_finite_fails_all(ranks: list[dict[str, Any]]) -> None:
    assert {made["error"] for made in ranks} == {"the loss is nan at iteration 1 of 6: lower the learning rate."}
