"""What a stage and a run say of themselves: ``stage.json`` and ``run.json``, written last beside the files they seal.

Earlier versions wrote fewer fields, later ones may write more: what is not known has a default that says so, and what
nobody reads is passed over.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, Field

from hpt_ray.core.values import Frozen
from hpt_ray.spec.study import Study

Count = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0)]
Channels = tuple[float, float, float]


class _Open(Frozen):
    model_config = ConfigDict(extra="ignore")


class Sealed(_Open):
    """A record of a folder; ``files`` has the checksum of each file in it, set when the folder is sealed."""

    files: dict[str, str] = Field(default_factory=dict)


AnyRecord = TypeVar("AnyRecord", bound=Sealed)


class StageRecord(Sealed):
    """How a stage was done. What it was, its fields in the plan, stands beside this in ``stage.json``.

    Attributes:
        seconds: of a pretraining those of its iterations, over all interruptions; else all that the stage took.
        work_seconds: all that was spent on the stage since it was last begun, and at least ``seconds``.
        images: that it trained on.
        audit: of given weights, what became of each key, as ``training.weights.audit.Audit`` has it.
        chosen: of an evaluation, what each repeat chose on val.
    """

    seconds: Seconds
    work_seconds: Seconds
    images: Count
    device: str
    versions: dict[str, str]
    workers: int | None = None
    audit: dict[str, Any] | None = None
    chosen: tuple[dict[str, Any], ...] = ()


class Shared(_Open):
    """What train and val of a data set have in common with the test images of a target.

    Attributes:
        target: The target's name.
        test: How many test images it has.
        copies: Images left out because its test split holds the same.
        near: How many of its test images have near-duplicates among the images that are left.
        images: How many images that are.
        examples: A few of these pairs, the nearest first: the test image and the other, as PNG files in base64.
    """

    target: str
    test: Annotated[int, Field(gt=0)]
    copies: int
    near: int
    images: int
    examples: tuple[tuple[str, str], ...]


class DataSummary(_Open):
    """A data set in numbers: images by split, classes, channels, how it was read, what the targets' tests hold."""

    name: str
    train: Count
    val: Count
    test: Count
    excluded: Count
    classes: tuple[str, ...]
    mean: Channels
    std: Channels
    fingerprint: str
    found: tuple[str, ...] = ()
    shared: tuple[Shared, ...] = ()


class Counts(_Open):
    """How many stages came from where, or did not come."""

    total: Count
    cached: Count
    trained: int  # fewer than none where stages that were there when the run began are not any more
    failed: Count
    not_run: Count = 0


class Failure(_Open):
    """A stage that a run lacks, and the labels of the cells that need it."""

    stage: str
    reason: str
    cells: tuple[str, ...]


def _moment(text: str) -> str:
    datetime.datetime.fromisoformat(text)
    return text


class Manifest(Sealed):
    """What a run says of itself.

    Attributes:
        started: in ISO 8601. seconds: until its last stage ended. cached: stages that were there when it began.
        datasets: by name or path, as the study has it.
        notes: what a reader of the report should know of how it was run.
        given_up: the one reason for which nothing can be said.
        compute_seconds: of work in stages. weights: what was taken over of each checkpoint, a line each.
        stages, failures: with ``compute_seconds`` None until the run's stages have been collected.
    """

    study: Study
    plan_id: str
    command: str
    versions: dict[str, str]
    hardware: dict[str, str | int | float | None]
    started: Annotated[str, AfterValidator(_moment)]
    datasets: dict[str, DataSummary]
    notes: tuple[str, ...]
    cached: Count
    seconds: Seconds = 0.0
    given_up: str | None = None
    compute_seconds: Seconds | None = None
    stages: Counts | None = None
    weights: tuple[str, ...] = ()
    failures: tuple[Failure, ...] | None = None

    @property
    def collected(self) -> bool:
        """Whether the run has its tables, and with them what follows from its stages."""
        return None not in (self.compute_seconds, self.stages, self.failures)
