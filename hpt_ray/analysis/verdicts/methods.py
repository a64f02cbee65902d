"""Does the finding, HPT against its alternatives, depend on the method of pretraining?

Under each method HPT is compared with the others; then each two methods are compared in that difference (the
interaction of arm and method). These are two questions, and Holm's correction is for the claims of each.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from hpt_ray.analysis.caveats import remarks
from hpt_ray.analysis.measures import robustness
from hpt_ray.analysis.measures.robustness import CHANGES_APART, mean
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import brackets, change_interval, level_name, listed, points, share_interval
from hpt_ray.analysis.measures.views import target_text
from hpt_ray.analysis.stats.comparisons import MARGIN
from hpt_ray.analysis.verdict import (
    Claim,
    Outcome,
    Table,
    Tile,
    Verdict,
    compare,
    few_images,
    margin_text,
    settle,
    spoken,
)


@dataclass(frozen=True)
class Finding:
    """HPT against one other arm on a target: the claim under each method, and the change between each two methods.

    ``other`` is the other arm's chain. ``changes`` hold the difference under the first method of a pair minus that
    under the second.
    """

    other: str
    under: dict[str, Claim]
    changes: dict[tuple[str, str], Claim]


def findings(run: Run, target: str) -> tuple[Finding, ...]:
    """HPT against from scratch and direct transfer, those that the study has."""
    others = [arm for arm in (SCRATCH, DIRECT) if arm in run.arms and HPT in run.arms]
    asked = {(other, level): _compare(run, target, other, level) for other in others for level in run.levels}
    changes = {
        (other, pair): _change(run, target, other, pair)
        for other in others
        for pair in itertools.combinations(run.levels, 2)
    }
    judged = dict(zip(asked, settle([*asked.values()]), strict=True))
    compared = dict(zip(changes, settle([*changes.values()]), strict=True))
    return tuple(
        Finding(
            other=other,
            under={level: judged[other, level] for level in run.levels},
            changes={pair: claim for (arm, pair), claim in compared.items() if arm == other},
        )
        for other in others
    )


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target."""
    found = findings(run, target)
    said = [_said(run, finding) for finding in found]
    if not said:
        said = ["nothing was compared: the study lacks HPT or what it is held against"]
    claims = tuple(claim for finding in found for claim in (*finding.under.values(), *finding.changes.values()))
    return Verdict(
        target=target,
        sentence=f"On {target_text(run, target)}, {'; '.join(said)}.",
        claims=claims,
        tiles=tuple(_tiles(found)),
        table=_table(run, target, found),
        notes=remarks(run, target, claims),
    )


def _compare(run: Run, target: str, other: str, level: str) -> Claim:
    claim = compare(run, target, HPT, other, level)
    needed = claim.needed and f"Under {level_name(level)}: {claim.needed[0].lower()}{claim.needed[1:]}"
    return replace(claim, needed=needed)


def _change(run: Run, target: str, other: str, pair: tuple[str, str]) -> Claim:
    first, second = (run.correct(target, HPT, level) - run.correct(target, other, level) for level in pair)
    subject, against = (f"HPT minus {run.arms[other].lower()}, {level_name(level)}" for level in pair)
    lacking = "no seed with results under both methods"
    return Claim(
        "change with the method",
        subject,
        against,
        mean(first - second, most=CHANGES_APART),
        lacking=lacking,
        needed=few_images(f"{subject}, and {against}", first - second, CHANGES_APART),
    )


def _said(run: Run, finding: Finding) -> str:
    """The difference under each method, and whether it depends on the method, as predicates."""
    name = spoken(run.arms[finding.other])
    words = {
        Outcome.BETTER: ("better", "than"),
        Outcome.WORSE: ("worse", "than"),
        Outcome.EQUIVALENT: (f"equivalent within {margin_text(MARGIN)}", "to"),
        Outcome.UNDECIDED: ("not shown to differ", "from"),
    }
    by_outcome = {
        outcome: [
            f"{level_name(level)} ({change_interval(claim.difference)})"
            for level, claim in finding.under.items()
            if claim.outcome is outcome and claim.difference is not None
        ]
        for outcome in words
    }
    parts: list[str] = []
    for outcome, under in by_outcome.items():
        if under:
            word, joined = words[outcome]
            everywhere = f"all {len(under)} methods: " if len(under) == len(finding.under) > 1 else ""
            parts.append(f"{word}{'' if parts else f' {joined} {name}'} under {everywhere}{listed(under)}")
    lost = [level_name(level) for level, claim in finding.under.items() if claim.difference is None]
    if lost:
        parts.append(f"not comparable{'' if parts else f' with {name}'} under {listed(lost)}")
    opposed = bool(by_outcome[Outcome.BETTER] and by_outcome[Outcome.WORSE])
    said = [f"HPT is {', '.join(parts)}", *(["so the direction depends on the method"] if opposed else [])]
    return ", ".join([*said, *_dependence(finding)])


def _dependence(finding: Finding) -> list[str]:
    """Whether the size of the difference depends on the method."""
    claims = {pair: claim for pair, claim in finding.changes.items() if claim.difference is not None}
    if not claims:
        return []
    larger = {Outcome.BETTER: "larger", Outcome.WORSE: "smaller"}
    parts = [
        f"{larger[claim.outcome]} under {level_name(first)} than under {level_name(second)} "
        f"({change_interval(claim.difference)})"
        for (first, second), claim in claims.items()
        if claim.outcome in larger and claim.difference is not None
    ]
    if parts:
        return [f"and the difference is {listed(parts)}"]
    if all(claim.outcome is Outcome.EQUIVALENT for claim in claims.values()):
        return [f"and the difference is the same under all of them within {margin_text(MARGIN)}"]
    return ["and there is not enough evidence that the difference depends on the method"]


def _tiles(found: tuple[Finding, ...]) -> list[Tile]:
    """The first comparison under each method."""
    return [
        Tile(
            f"HPT vs {claim.against.lower()}, {level_name(level)}",
            points(claim.difference.estimate),
            brackets(claim.difference),
            f"points: {claim.outcome}",
        )
        for finding in found[:1]
        for level, claim in finding.under.items()
        if claim.difference is not None
    ]


def _table(run: Run, target: str, found: tuple[Finding, ...]) -> Table:
    """Per arm its accuracy under each method, and below them HPT's differences."""
    rows = []
    for arm, label in run.arms.items():
        accuracies = [robustness.accuracy(run, target, arm, level) for level in run.levels]
        rows.append((label, *(share_interval(part) if part else "–" for part in accuracies)))
    for finding in found:
        differences = [claim.difference for claim in finding.under.values()]
        name = f"HPT minus {run.arms[finding.other].lower()}, points"
        rows.append((name, *(change_interval(part) if part else "–" for part in differences)))
    return Table(("Arm", *(level_name(level) for level in run.levels)), tuple(rows))
