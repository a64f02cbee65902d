"""An advice in words: two sentences, and what it cost to give it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpt_ray.analysis.advice import Advice
from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import duration, margin_text, points
from hpt_ray.analysis.verdict import Table
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.candidates import Candidate

if TYPE_CHECKING:
    from hpt_ray.store.screening import Screening


def sentences(run: Run, advised: Advice) -> tuple[str, str]:
    """What to do, and what it is worth."""
    unit, gained = run.metric.label, advised.gain
    where = f"{run.study.targets[0]}"
    if gained is None:
        return _as_it_is(advised), f"No finalist has a result on {where} that it could be held against."
    interval = f"90 % interval {points(gained.low)} to {points(gained.high)}"
    basis = f"{interval}, over {gained.seeds} fresh seed{'s' if gained.seeds > 1 else ''}"
    if advised.shown:
        return (
            f"Pretrain on {where}: {described(advised.candidate)} (arm {advised.candidate.arm}).",
            f"It gains {points(gained.estimate)} points of {unit} over using {advised.base.base} as it is ({basis}), "
            f"and takes {_cost(advised)} here.",
        )
    reasons = {
        Outcome.EQUIVALENT: f"which is equivalent within {margin_text(run.margin)}",
        Outcome.WORSE: "which is worse",
        Outcome.UNDECIDED: "which is not enough evidence",
    }
    return (
        _as_it_is(advised),
        f"The best candidate, {described(advised.subject)}, gained {points(gained.estimate)} points of {unit} "
        f"({basis}), {reasons[advised.outcome]}.",
    )


def _as_it_is(advised: Advice) -> str:
    return f"Nothing was shown to be better than using {advised.base.base} as it is."


def described(candidate: Candidate) -> str:
    """A candidate in words: "HPT from cifar10, by moco_v2 under the no_color policy for 90 iterations"."""
    if not candidate.trains:
        return f"{candidate.base} as it is"
    label = Arm.parse(candidate.chain).label
    start = f"{label} from {candidate.base}" if candidate.base else "from scratch"
    method, policy = candidate.ways
    return f"{start}, by {method} under the {policy} policy for {candidate.iterations:,} iterations"


def _cost(advised: Advice) -> str:
    """The time to train what is recommended, once."""
    cost = advised.cost
    base = f", after {duration(cost.base_seconds)} for its base" if cost.base_images else ""
    return f"{duration(cost.seconds)} to train ({cost.images:,} images{base})"


def spent(run: Run, screening: Screening) -> str:
    """What the advice took, and what it had to spend."""
    deciding = run.manifest.compute_seconds or 0.0
    rows = len(run.study.seeds)
    parts = (
        f"{duration(screening.compute_seconds + deciding)} of computing were spent: "
        f"{duration(screening.compute_seconds)} on screening {len(screening.candidates)} candidates, and "
        f"{duration(deciding)} on deciding about {len(screening.finalists)} of them over {rows} fresh seeds"
    )
    wall = duration(screening.seconds + run.manifest.seconds)
    of_budget = f" of a budget of {duration(screening.budget)}" if screening.budget else ""
    ended = " The budget did not pay for another rung of screening." if screening.ended == "budget" else ""
    return f"{parts}. It took {wall}{of_budget}.{ended}"


def screened(screening: Screening, metric: str) -> Table:
    """How far every candidate got, from the best on: its mean on val at each rung."""
    last = {arm: (number, value) for number, rung in enumerate(screening.rungs) for arm, value in rung.values.items()}

    def order(candidate: Candidate) -> tuple[int, float]:
        number, value = last[candidate.arm]
        return -number, -1.0 if value is None else -value

    rows = []
    for candidate in sorted(screening.candidates, key=order):
        values = [rung.values.get(candidate.arm, "") for rung in screening.rungs]
        cells = ["failed" if value is None else value if value == "" else f"{100 * value:.1f}" for value in values]
        rows.append((described(candidate), *map(str, cells)))
    heads = [f"{metric} on val, %, {rung.rows} seed{'s' if rung.rows > 1 else ''}" for rung in screening.rungs]
    return Table(("Candidate", *heads), tuple(rows))
