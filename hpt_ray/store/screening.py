"""What the manifest of an advice records of its screening. Later versions may write more, which is ignored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from hpt_ray.core.values import Frozen
from hpt_ray.spec.candidates import Candidate

Count = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0)]


class _Known(Frozen):
    model_config = ConfigDict(extra="ignore")


class Rung(_Known):
    """The candidates of an advice on so many rows: the mean on val by arm, None of one that failed."""

    rows: Count
    values: dict[str, float | None]


class Screening(_Known):
    """How the candidates of an advice were screened, before the run decided about the best of them.

    Attributes:
        candidates: all that were tried. rungs: in their order.
        finalists: the arms that the run decides about, the best on val first. base: the best of the bases as they are.
        ended: why there were no more rungs: there was nothing more to drop, or the budget did not pay for one.
        command: the one that repeats it. budget: seconds of wall time for all of the advice; None: without end.
        seconds: wall time of the rungs. compute_seconds, images: sums over their stages.
        row_images: those that all candidates train on in one row.
    """

    candidates: tuple[Candidate, ...]
    rungs: tuple[Rung, ...]
    finalists: tuple[str, ...]
    base: str
    ended: Literal["settled", "budget"]
    command: str
    budget: Seconds | None = None
    seconds: Seconds
    compute_seconds: Seconds
    images: Count
    row_images: Count
