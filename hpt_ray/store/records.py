"""The records of a stage and of a run: ``stage.json`` and ``run.json``, written after the files that they describe.

Earlier versions wrote fewer fields, and later ones may write more: a missing field has a default that means "unknown",
and an unknown field is ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field

from hpt_ray.core.values import Frozen, Moment
from hpt_ray.spec.study import Study
from hpt_ray.store.screening import Screening

Count = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0)]
Channels = tuple[float, ...]
Futile = Literal["", "few seeds", "few test images"]


class _Open(Frozen):
    model_config = ConfigDict(extra="ignore")


class Sealed(_Open):
    """The record of a folder; ``files`` has the SHA-256 of each file in it, set when the record is written."""

    files: dict[str, str] = Field(default_factory=dict)


AnyRecord = TypeVar("AnyRecord", bound=Sealed)


class StageRecord(Sealed):
    """How a stage was computed. ``stage.json`` also has the stage's fields in the plan.

    Attributes:
        seconds: of a pretraining: its training iterations, over all attempts, those of a trunk that it goes on from
            among them; of other stages: their wall time.
        work_seconds: wall time of the last attempt, and at least what of ``seconds`` is its own.
        images: number of images that it trained on, those of such a trunk among them.
        trained: number of weights of the network that it trained; None: none, or unknown.
        device: a description of the device. versions: of the packages that can change a number.
        workers: number of processes; None: unknown.
        audit: of imported weights: what happened to each key, a ``training.weights.audit.Audit``.
        chosen: of an evaluation: the options that each repeat selected on val.
    """

    seconds: Seconds
    work_seconds: Seconds
    images: Count
    device: str
    versions: dict[str, str]
    trained: Count | None = None
    workers: int | None = None
    audit: dict[str, Any] | None = None
    chosen: tuple[dict[str, Any], ...] = ()


class Shared(_Open):
    """What train and val of a data set have in common with the test images of a target.

    Attributes:
        target: the target's name.
        test: number of its test images.
        copies: number of images left out because its test split contains the same.
        near: number of its test images with near-duplicates among the remaining images.
        images: number of remaining images that are such near-duplicates.
        examples: a few of these pairs, the nearest first: the test image and the other, as PNG files in base64.
    """

    target: str
    test: Annotated[int, Field(gt=0)]
    copies: int
    near: int
    images: int
    examples: tuple[tuple[str, str], ...]


class DataSummary(_Open):
    """A data set in numbers.

    Attributes:
        train, val, test, excluded: numbers of images. mean, std: of each channel, on a scale from 0 to 1.
        found: how the data set was read, one line each.
        shared: what it has in common with each target's test images.
    """

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
    """Numbers of stages: all of the plan, those found in the store, trained, failed and not run."""

    total: Count
    cached: Count
    trained: int  # negative if stages that existed when the run began have been deleted since
    failed: Count
    not_run: Count = 0


class Failure(_Open):
    """A stage without a result, and the labels of the cells that need it."""

    stage: str
    reason: str
    cells: tuple[str, ...]


class ClaimAtLook(_Open):
    """A claim as it was judged at a look, with what tells it from the others of its run.

    Attributes:
        name: the same at every look. target, measure, subject, against, levels, against_levels, place: as in the
            claim.
        rows: those of the look.
        estimate, low, high: the difference with the interval that holds over all looks together, as shares.
        seeds: how many it rests on. level: of the look. p: over all looks; p_corrected: by Holm's steps, too.
        decision: what it says, an ``analysis.claim.Outcome``.
        futile: why more seeds will hardly decide it; "" where they may.
        failed_rows: which of the look's seeds have no result, counted from 0. waits: whether one of them has failed
            for the first time, so that the look decided nothing; what fails again is left out.
    """

    name: str
    target: str
    measure: str
    subject: str
    against: str
    place: str = ""
    levels: dict[str, str] = Field(default_factory=dict)
    against_levels: dict[str, str] = Field(default_factory=dict)
    rows: Count
    estimate: float
    low: float
    high: float
    seeds: Count
    level: float
    p: float
    p_corrected: float
    decision: str
    decided: bool
    futile: Futile = ""
    failed_rows: tuple[Count, ...] = ()
    waits: bool = False

    @property
    def closed(self) -> bool:
        """Whether no more cells are trained for it."""
        return self.decided or bool(self.futile)


class Look(_Open):
    """The claims of a run after so many rows, each a seed with its own base where that is trained."""

    rows: Count
    claims: tuple[ClaimAtLook, ...] = ()


class Looks(_Open):
    """The looks of a run that grows until its claims are decided.

    Attributes:
        most: rows at the last look that there may be. made: those made so far.
        cells: how many it has. fixed_cells: how many it would have with ``most`` rows of every one.
        ended: why it ended; "" while it goes on.
        again: the last look as it was, while it is made again because seeds had failed.
    """

    most: Count
    made: tuple[Look, ...] = ()
    again: Look | None = None
    cells: Count = 0
    fixed_cells: Count = 0
    ended: Literal["", "closed", "rows", "budget"] = ""

    def before(self, rows: int) -> tuple[Look, ...]:
        """The looks after fewer rows."""
        return tuple(look for look in self.made if look.rows < rows)


class Manifest(Sealed):
    """How a run was done, so that it can be read, compared and repeated.

    Attributes:
        command: the command that repeats it.
        started: date and time in ISO 8601. seconds: wall time until its last stage ended.
        cached: number of stages that were finished before it began.
        datasets: by name or path, as the study writes it.
        notes: what a reader of the report should know about how it was run, one line each.
        given_up: the one reason for which the run has no results; None if it has.
        compute_seconds: sum over its stages. weights: what was loaded from each checkpoint, one line each.
        looks: of a run that grows until its claims are decided; None of one whose seeds were fixed.
        screening: of an advice, how its arms were found; None of any other run.
        looked_at: after how many of its seeds other runs, whose looks it does not count, looked at its claims.
        stages, failures: like ``compute_seconds``, None until the run's stages have been collected.
    """

    study: Study
    plan_id: str
    command: str
    versions: dict[str, str]
    hardware: dict[str, str | int | float | None]
    started: Moment
    datasets: dict[str, DataSummary]
    notes: tuple[str, ...]
    cached: Count
    seconds: Seconds = 0.0
    given_up: str | None = None
    compute_seconds: Seconds | None = None
    stages: Counts | None = None
    weights: tuple[str, ...] = ()
    failures: tuple[Failure, ...] | None = None
    looks: Looks | None = None
    screening: Screening | None = None
    looked_at: tuple[Count, ...] = ()

    @property
    def collected(self) -> bool:
        """Whether the run has its tables, and the fields that are computed with them."""
        return None not in (self.compute_seconds, self.stages, self.failures)

    @property
    def unfinished(self) -> bool:
        """Whether stages were left to run when it was collected."""
        return self.stages is not None and self.stages.not_run > 0
