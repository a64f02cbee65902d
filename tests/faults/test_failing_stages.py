"""One stage fails: it is recorded with its reason, what does not need it finishes, the report shows a hole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hpt_ray
from tests.support import faulty
from tests.support.deadly import Fault
from tests.support.processes import bench, tables

#: What a stage that fails says of itself, and how its worker ended where it could not say anything.
REASONS = {
    Fault.DIVERGE: "the loss is nan at iteration",
    Fault.MEMORY: "allocate",
    Fault.KILL: "its worker died 3 times while it ran",
}


def assert_hole(store: Path, reference: Path, reason: str) -> None:
    """The rows without base pretraining are those of the reference; the others have no value but the reason."""

    def whole(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        # Before base pretraining began there were random features.
        return [row for row in rows if row["arm"] == "target" or (row["arm"] == "base" and row["iteration"] == 0)]

    mine, theirs = tables(store)["results"], tables(reference)["results"]
    assert whole(mine) == whole(theirs)
    lost = [row for row in mine if row not in whole(mine)]
    assert {(row["status"], row["value"]) for row in lost} == {("failed", None)}
    assert any(reason in row["reason"] for row in lost), lost[0]["reason"]
    (report,) = store.glob("runs/*/report.html")
    assert reason in report.read_text()


@pytest.mark.parametrize("fault", [Fault.DIVERGE, Fault.MEMORY])
def test_in_this_process(fault, tmp_path, reference):
    result = hpt_ray.run(faulty.study(fault=fault), store=tmp_path, runner="inline")
    assert any(REASONS[fault] in reason for reason in result.failures.values())
    assert_hole(tmp_path, reference, REASONS[fault])


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", list(Fault))
def test_on_ray(fault, tmp_path, reference):
    with bench(tmp_path) as runs:
        process = runs.start("--set", f"fault={fault.value}")
        said = process.communicate(timeout=240)[0]
        assert process.returncode == 1, said
        assert "Traceback" not in said, said
        assert_hole(tmp_path, reference, REASONS[fault])
        runs.assert_nothing_left()
