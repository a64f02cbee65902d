"""What qualifies a verdict, whatever the study: forgetting, collapse, one seed, holes, and power."""

from __future__ import annotations

from collections.abc import Sequence

from hpt_ray.analysis.claim import Claim, Outcome
from hpt_ray.analysis.claim_words import needed
from hpt_ray.analysis.few_seeds import few_seeds
from hpt_ray.analysis.measures import colour, health, robustness, views
from hpt_ray.analysis.measures.holes import Hole, holes
from hpt_ray.analysis.measures.robustness import mean
from hpt_ray.analysis.measures.run import DIRECT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import change_interval, level_name, listed, margin_text, points
from hpt_ray.analysis.scope import scope
from hpt_ray.analysis.verdict import Caveat
from hpt_ray.spec.study import Weights


def caveats(run: Run, target: str, claims: Sequence[Claim]) -> tuple[Caveat, ...]:
    """What qualifies the claims on a target."""
    curves = run.curves[run.curves["target"] == target]
    parts, data = views.every(run), run.manifest.datasets[target]
    # Of several comparisons of the same two by one measure the first says it: they take about the same.
    undecided = [claim for claim in reversed(claims) if claim.needed]
    settling = {(claim.measure, claim.subject, claim.against): needed(claim) for claim in undecided}
    by_kind = {
        "base": _random(views.one_factor(run), target),
        "forgetting": [note for part in parts for note in _forgetting(part, target, views.within(part, run))],
        "training": health.notes(curves),
        "colour": colour.notes(run.study, {data.name: len(data.mean)}),
        "needed": list(settling.values()),
        "margin": _margin(run, claims),
        "exploratory": _exploratory(run, claims),
        "seeds": _fewest_seeds(run, claims),
        "looks": _looked_at(run),
        "missing": _missing(run, parts, target),
    }
    return tuple(Caveat(kind, text) for kind, texts in by_kind.items() for text in texts)


def _exploratory(run: Run, claims: Sequence[Claim]) -> list[str]:
    """What is shown beside the claims that answer the study's question, and is not corrected together with them."""
    claims = [claim for claim in claims if claim.difference is not None]
    first = list(dict.fromkeys(claim.family for claim in claims if not claim.exploratory))
    claimed = {name for claim in claims for name in claim.evaluation.split(" minus ")}
    shown = [item.name for item in run.study.evaluations if item.name not in claimed and not item.data]
    apart = "the claims that are marked so (Holm's correction is within each family of claims, and not over all)"
    parts = [
        *([apart] if any(claim.exploratory for claim in claims) else []),
        *(
            [f"what is shown of the evaluation by {listed(shown)}, on which nothing is claimed"]
            if claims and shown
            else []
        ),
    ]
    beside = f", beside the claims on {listed(first)}" if first else ""
    return [f"Exploratory{beside}: {listed(parts)}."] if parts else []


def _margin(run: Run, claims: Sequence[Claim]) -> list[str]:
    """Where the test images cannot show that two arms are equivalent: the smallest margin that they could show."""
    undecided = [claim for claim in claims if claim.outcome is Outcome.UNDECIDED and claim.floor is not None]
    floors = [claim.floor for claim in undecided if claim.floor is not None and claim.floor > run.margin]
    if not floors:
        return []
    ends = dict.fromkeys(points(floor, signed=False) for floor in (min(floors), max(floors)))
    return [
        f"Equivalence within {margin_text(run.margin)} is out of reach of these test images, whatever the number of "
        f"seeds: they leave {' to '.join(ends)} points open to either side (--set margin= sets a larger margin)."
    ]


def _fewest_seeds(run: Run, claims: Sequence[Claim]) -> list[str]:
    """Where claims rest on one seed or two: those of the study, or what failures and a search leave of them."""
    planned = scope(run.study).seeds
    incomplete = [claim.failed for claim in claims if claim.failed and claim.difference]
    fewest = min((failed.total - failed.number for failed in incomplete), default=planned)
    return few_seeds(fewest, "pretraining run", "" if fewest == planned else " in some comparisons")


def _looked_at(run: Run) -> list[str]:
    """Where other runs have looked at fewer of the seeds, which these intervals do not count."""
    if not run.manifest.looked_at:
        return []
    rows = listed([str(rows) for rows in run.manifest.looked_at])
    if run.manifest.looks is not None:
        return [
            f"Looked at before, by other runs, after {rows} of the seeds that there may be: the intervals here "
            "count the looks of this run alone, and several runs find a difference more often than one (choose "
            "--max-seeds before the first look)."
        ]
    return [
        f"Looked at before, after {rows} of these seeds: intervals and decisions here are those of a single look, and "
        "seeds that are added until a difference shows find one more often than they say (--until-decided counts "
        "every look)."
    ]


def _missing(run: Run, parts: Sequence[Run], target: str) -> list[str]:
    named = [_hole(part, hole) + views.within(part, run) for part in parts for hole in holes(part, target)]
    if not named:
        return []
    shown = listed(named if len(named) <= 4 else [*named[:3], f"{len(named) - 3} more"])
    return [f"Missing: {shown}. Estimates use the cells that finished."]


def _random(run: Run, target: str) -> list[str]:
    """Whether a base that was given is better than random features: weights loaded under a wrong name are not.

    By kNN where the study has it, since nothing is trained there that could make up for poor features.
    """
    if not isinstance(run.study.recipes.get(DIRECT), Weights):
        return []
    evaluation = "knn" if "knn" in [item.name for item in run.study.evaluations] else run.evaluation
    if DIRECT not in run.arms or SCRATCH not in run.arms:
        return []
    base = run.scores(target, DIRECT, run.baseline, evaluation)
    random = run.scores(target, SCRATCH, run.baseline, evaluation, step0=True)
    lead = mean(base - random)
    if lead is None or lead.low > 0:
        return []
    return [
        f"The base is not shown to be better than random features ({evaluation}: {change_interval(lead)} points): "
        "check its weights."
    ]


def _forgetting(run: Run, target: str, at: str) -> list[str]:
    notes = []
    for arm, label in run.arms.items():
        levels = run.levels_of(arm)
        gains = {level: robustness.gain(run, target, arm, level) for level in levels}
        worse = {level: gain for level, gain in gains.items() if gain is not None and gain.high < 0}
        if worse:
            level, gain = min(worse.items(), key=lambda item: item[1].estimate)
            where = f" at {listed([level_name(level) for level in worse])}" if run.varies(arm) else ""
            largest = f"{change_interval(gain)} points" + (f" at {level_name(level)}" if len(worse) > 1 else "")
            notes.append(f"Forgetting: {label} ends below its step-0 value{where}{at} ({largest}).")
    return notes


def _hole(run: Run, hole: Hole) -> str:
    name = f"{run.arms[hole.arm]} at {level_name(hole.level)}" if hole.level else run.arms[hole.arm]
    if len(hole.seeds) == len(run.study.seeds):
        return name
    return f"{name} (seed{'s' if len(hole.seeds) > 1 else ''} {listed([str(seed) for seed in hole.seeds])})"
