from __future__ import annotations

from hpt_ray.execute import events
from hpt_ray.execute.events import Event, Progress
from tests.support import small


def told(kind: str, unit: str = "u", **more: object) -> Event:
    return Event.model_validate({"kind": kind, "unit": unit, "label": f"label of {unit}", **more})


def test_progress_adds_up_what_the_units_tell():
    progress = Progress(stages_of={"a": ("a", "evaluation of a")})
    for event in (
        told("started", "a"),
        told("progress", "a", images=60, loss=2.0),
        told("started", "b"),
        told("progress", "a", images=40, loss=1.5),
        told("finished", "a"),
        told("failed", "b", reason="out of memory"),
        told("failed", "c", reason="needs b"),
    ):
        progress.update(event)
    assert (progress.done, progress.trained, progress.running) == (2, 100, {})
    assert progress.failed == {"b": "out of memory", "c": "needs b"}


def test_what_runs_is_known_by_its_last_event():
    progress = Progress()
    progress.update(told("started"))
    assert progress.running["u"].loss is None
    progress.update(told("progress", images=10, loss=0.5))
    assert progress.running["u"].loss == 0.5


def test_totals_are_those_of_the_units():
    plan = small.plan()
    units = plan.units()
    progress = Progress()
    progress.expect(iter(units))
    # The base trains 3 iterations of 16 images; from scratch, HPT and HPT-BN 2 iterations at each of 2 policies.
    assert (progress.total, progress.images) == (len(plan.stages), 16 * (3 + 3 * 2 * 2))


def test_rate_and_time_left_follow_the_clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(events.time, "monotonic", lambda: now[0])
    progress = Progress(images=1000)
    assert (progress.rate, progress.seconds_left) == (0.0, None)
    progress.update(told("started"))
    now[0] += 10
    progress.update(told("progress", images=200, loss=1.0))
    assert progress.rate == 20.0
    assert progress.seconds_left == 40.0
    progress.update(told("progress", images=900, loss=1.0))  # a unit that was started again trains some images twice
    assert progress.seconds_left == 0.0


def test_a_cell_is_done_once_all_its_evaluations_are():
    plan = small.plan()
    units = plan.units()
    progress = Progress(finished={cell.evaluations[0] for cell in plan.cells})  # found in the store
    progress.begin(plan, units)
    assert progress.cells_done == 0
    for number, unit in enumerate(units, 1):
        progress.update(told("finished", unit.id))
        ready = {stage.id for each in units[:number] for stage in each.stages}
        assert progress.cells_done == sum(ready.issuperset(cell.evaluations) for cell in plan.cells)
    assert progress.cells_done == len(plan.cells) and progress.done == len(plan.stages)
