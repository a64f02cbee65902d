"""Does HPT help where labels are few: fine-tuned with a handful of labels and with all, against its alternatives?"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from hpt_ray.analysis.caveats import remarks
from hpt_ray.analysis.measures import robustness
from hpt_ray.analysis.measures.robustness import CHANGES_APART, mean
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import brackets, change_interval, level_name, percent, points, share_interval
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

#: The probe (``training/probes``) whose evaluations differ in their number of labels.
PROBE = "finetune"


class Labels(NamedTuple):
    """One fine-tuning evaluation of a study: how many labelled training images it has on a target, and its name."""

    number: int
    everything: bool
    evaluation: str

    @property
    def text(self) -> str:
        return f"all {self.number:,} labels" if self.everything else f"{self.number:,} labels"


def label_counts(run: Run, target: str) -> tuple[Labels, ...]:
    """The fine-tuning evaluations, fewest labels first. Without a number of labels, all training images have one."""
    found = []
    for evaluation in run.study.evaluations:
        if evaluation.probe == PROBE:
            given = int(evaluation.options.get("labels", 0))
            number = given or run.manifest.datasets[target].train
            found.append(Labels(number, not given, evaluation.name))
    return tuple(sorted(found))


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target: HPT against the others with the fewest labels and the most, and the change."""
    counts = label_counts(run, target)
    ends = tuple(dict.fromkeys([*counts[:1], *counts[-1:]]))
    others = [arm for arm in (SCRATCH, DIRECT) if arm in run.arms and HPT in run.arms]
    asked = {(end, other): _compare(run, target, other, end) for end in ends for other in others}
    changes = [_change(run, target, others[0], *ends)] if others and len(ends) > 1 else []
    # Who is better, and whether that changes: two questions, and Holm's correction is for the claims of each.
    claims = settle([*asked.values()]) + settle(changes)
    settled = dict(zip(asked, claims, strict=False))
    said = [_said(end, [settled[end, other] for other in others]) for end in ends if others]
    said += [_change_text(claims[-1], run.arms[others[0]], *ends) for _ in changes]
    if not said:
        said = ["nothing was compared: the study lacks fine-tuning, HPT, or what HPT is held against"]
    return Verdict(
        target=target,
        sentence=f"On {target_text(run, target)}, {'; '.join(said)}.",
        claims=claims,
        tiles=tuple(_tiles(run, target, ends[0], settled)) if ends else (),
        table=_table(run, target, counts),
        notes=remarks(run, target, claims),
    )


def _compare(run: Run, target: str, other: str, end: Labels) -> Claim:
    levels = run.standard_level(HPT), run.standard_level(other)
    claim = compare(run, target, HPT, other, levels[0], at=levels[1], evaluation=end.evaluation)
    needed = claim.needed and f"With {end.text}: {claim.needed[0].lower()}{claim.needed[1:]}"
    return replace(claim, needed=needed)


def _change(run: Run, target: str, other: str, few: Labels, many: Labels) -> Claim:
    """HPT minus the other arm with few labels, minus the same with many."""
    leads = []
    for end in (few, many):
        mine = run.correct(target, HPT, run.standard_level(HPT), end.evaluation)
        leads.append(mine - run.correct(target, other, run.standard_level(other), end.evaluation))
    labels = f"HPT minus {run.arms[other].lower()}, {few.text}", many.text
    # An evaluation without any result has no examples either.
    if leads[0].shape != leads[1].shape:
        return Claim("change with labels", *labels, None, lacking="no seed with results for all four")
    change = leads[0] - leads[1]
    return Claim(
        "change with labels",
        *labels,
        mean(change, most=CHANGES_APART),
        lacking="no seed with results for all four",
        needed=few_images(f"{labels[0]} and {labels[1]}", change, CHANGES_APART),
    )


def _said(end: Labels, claims: list[Claim]) -> str:
    return f"with {end.text} HPT is {' and '.join(claim.text for claim in claims)}"


def _change_text(claim: Claim, other: str, few: Labels, many: Labels) -> str:
    name = spoken(other)
    if claim.difference is None:
        return f"whether its difference from {name} depends on the number of labels cannot be said ({claim.lacking})"
    numbers = f"{change_interval(claim.difference)} points"
    return {
        Outcome.BETTER: f"against {name} it does better with {few.text} than with {many.text} ({numbers})",
        Outcome.WORSE: f"against {name} it does worse with {few.text} than with {many.text} ({numbers})",
        Outcome.EQUIVALENT: f"its difference from {name} is equal with both within {margin_text(MARGIN)} ({numbers})",
        Outcome.UNDECIDED: f"there is not enough evidence that its difference from {name} depends on the number of "
        f"labels ({numbers})",
    }[claim.outcome]


def _tiles(run: Run, target: str, few: Labels, asked: dict[tuple[Labels, str], Claim]) -> list[Tile]:
    """HPT's accuracy with the fewest labels, and its differences from the others at the fewest and the most."""
    found = []
    accuracy = robustness.accuracy(run, target, HPT, run.standard_level(HPT), evaluation=few.evaluation)
    if accuracy is not None:
        title, interval = f"HPT, {run.metric.label}", brackets(accuracy, signed=False)
        found.append(Tile(title, percent(accuracy.estimate), interval, f"with {few.text}"))
    for (end, other), claim in asked.items():
        if claim.difference is not None:
            title = f"HPT vs {run.arms[other].lower()}, {end.text}"
            value, remark = points(claim.difference.estimate), f"points: {claim.outcome}"
            found.append(Tile(title, value, brackets(claim.difference), remark))
    return found


def _table(run: Run, target: str, counts: tuple[Labels, ...]) -> Table:
    """Per arm its accuracy with each number of labels, and in the study's other evaluations."""
    columns = {count.evaluation: count.text.capitalize() for count in counts}
    columns |= {
        evaluation.name: level_name(evaluation.name).capitalize()
        for evaluation in run.study.evaluations
        if evaluation.name not in columns
    }
    rows = []
    for arm, label in run.arms.items():
        level = run.standard_level(arm)
        found = [robustness.accuracy(run, target, arm, level, evaluation=evaluation) for evaluation in columns]
        rows.append((label, *(share_interval(part) if part else "–" for part in found)))
    return Table(("Arm", *columns.values()), tuple(rows))
