"""Stages that share a trunk: bit-identical whether branched from it, resumed, or run alone, with one curve."""

from __future__ import annotations

from typing import Any

import pytest

from hpt_ray.spec.recipe import Recipe
from hpt_ray.training.loop.curve import logged
from hpt_ray.training.loop.monitor import shared_checks
from hpt_ray.training.loop.pretrain import Pretrainer
from tests.support import tiny

pytestmark = pytest.mark.usefixtures("one_thread")
ITERATIONS, TRUNK = 10, 8


class Kept:
    """A state in memory to begin with; checkpoints that are written are kept."""

    def __init__(self, start: bytes | None = None) -> None:
        self.start, self.written = start, list[bytes]()

    def read(self) -> bytes | None:
        return self.start

    def write(self, data: bytes) -> None:
        self.written.append(data)


def stage(iterations: int, schedule: str = "wsd", method: str = "moco_v2", backbone: int = 0, **recipe: Any) -> Any:
    made = tiny.recipe(method=method, batch=32, group=8, schedule=schedule, **{"warmup": 2.0} | recipe)
    return Pretrainer(
        made, tiny.backbone(backbone), tiny.dataset(), iterations=iterations, image_size=tiny.SIZE, seed=0
    )


def trunk(length: int, start: bytes | None = None, **given: Any) -> bytes:
    """The end of a trunk, from its first iteration or from a shorter one's end."""
    trained = stage(length, "constant", backbone=3 if start else 0, **given)
    trained.run(Kept(start))
    assert trained.end is not None
    end: bytes = trained.end
    return end


def rows(trained: Any) -> list[dict[str, float]]:
    return [{name: row[name] for name in row if name != "images_per_second"} for row in trained.curve.table]


def assert_equal(one: Any, other: Any) -> None:
    assert tiny.largest_difference(one.method.state_dict(), other.method.state_dict()) == 0
    assert tiny.largest_difference(one.backbone.state_dict(), other.backbone.state_dict()) == 0
    assert rows(one) == rows(other)


@pytest.mark.parametrize("method", tiny.OPTIONS)
def test_a_branch_is_bit_identical_to_the_stage_alone(method: str) -> None:
    alone = stage(ITERATIONS, method=method)
    alone.run()
    branch = stage(ITERATIONS, method=method, backbone=3)
    branch.run(Kept(trunk(TRUNK, trunk(5, trunk(3, method=method), method=method), method=method)))
    assert_equal(branch, alone)
    start = stage(TRUNK, method=method)
    assert tiny.largest_difference(alone.backbone.state_dict(), start.backbone.state_dict()) > 1e-4


@pytest.mark.parametrize("optimizer", ["adamw", "lars"])
def test_the_moments_of_every_optimiser_go_along(optimizer: str) -> None:
    alone, branch = (stage(ITERATIONS, backbone=place, optimizer=optimizer) for place in (0, 3))
    alone.run()
    branch.run(Kept(trunk(TRUNK, optimizer=optimizer)))
    assert_equal(branch, alone)


def test_a_branch_and_a_trunk_that_were_interrupted_end_bit_identical() -> None:
    alone, first, kept = stage(ITERATIONS), stage(TRUNK, "constant"), Kept()
    alone.run()
    first.run(kept, lambda iteration, row: iteration < 5)
    assert (first.iteration, first.end) == (5, None)
    resumed = stage(TRUNK, "constant", backbone=3)
    resumed.run(Kept(kept.written[-1]))
    branch, branched = stage(ITERATIONS), Kept(resumed.end)
    branch.run(branched, lambda iteration, row: iteration < 9)
    last = stage(ITERATIONS, backbone=3)
    last.run(Kept(branched.written[-1]))
    assert_equal(last, alone)
    assert last.curve.seconds > last.curve.seconds_before > 0


def test_a_curve_does_not_show_where_trunks_ended() -> None:
    """Its points and the monitor's are those of a trunk of any length, until the cooldown."""
    long = Recipe(schedule="constant", batch=256)
    points, checks = logged(long, 50_000), shared_checks(long, 50_000)
    assert points[:65] == list(range(65))
    assert len(points) < 500
    assert checks == {0, *(1 << power for power in range(5, 16))}
    for length in (1, 99, 4096, 33_333):
        assert set(logged(long, length)) == {point for point in points if point <= length} | {length}
        assert shared_checks(long, length) == {check for check in checks if check <= length}
    wsd = Recipe(schedule="wsd", batch=256)
    assert [point for point in logged(wsd, 5_000) if point <= 4_000] == [point for point in points if point <= 4_000]
    assert 20 < sum(point > 4_000 for point in logged(wsd, 5_000)) < 30
    assert logged(wsd, 5_000)[-1] == 5_000
    assert shared_checks(wsd, 5_000) == shared_checks(long, 4_000) | {5_000}
    assert checks <= set(points)
    assert logged(Recipe(), 270) == [*range(0, 270, 2), 270]


def test_what_a_method_anneals_stands_still_in_a_trunk() -> None:
    seen = []
    for schedule, iterations in (("cosine", 10), ("wsd", 10), ("constant", 8)):
        batch = stage(iterations, schedule).batches.batch(3)
        seen.append((batch.trunk, batch.iterations))
    assert seen == [(0, 10), (8, 10), (8, 8)]
