"""What stages and runs that were never run say of themselves."""

from __future__ import annotations

from typing import Any

from hpt_ray.spec.study import Study
from hpt_ray.store.records import Manifest, StageRecord
from tests.support import small


def stage_record(**changes: Any) -> StageRecord:
    """Of a stage that took a second and a half."""
    given: dict[str, Any] = {"seconds": 1.5, "work_seconds": 1.5, "images": 0, "device": "cpu", "versions": {}}
    return StageRecord(**given | changes)


def manifest(study: Study | None = None, **changes: Any) -> Manifest:
    """Of a run that has been collected, of a study on data sets of no name."""
    study = study or small.study()
    given: dict[str, Any] = {
        "plan_id": "3f9a1c02bd77",
        "command": f"hpt-study run {study.name}",
        "versions": {"hpt_ray": "0.1.0", "python": "3.12.3", "torch": "2.9.1"},
        "hardware": {"cpu": "2 cores", "accelerator": "none"},
        "started": "2026-01-15T09:30:00+00:00",
        "seconds": 203.4,
        "cached": 0,
        "compute_seconds": 361.0,
        "stages": {"total": 60, "cached": 0, "trained": 60, "failed": 0},
        "datasets": {},
        "failures": (),
        "notes": (),
    }
    return Manifest(study=study, **given | changes)


def data_summary(name: str, **changes: Any) -> dict[str, Any]:
    """Of a data set of 1,980 images in three classes."""
    given = {"name": name, "classes": ["forest", "field", "river"], "fingerprint": "a1b2c3d4", "excluded": 0}
    given |= {"train": 1400, "val": 280, "test": 300, "mean": [0.4] * 3, "std": [0.2] * 3}
    return given | changes
