"""Does HPT help where labels are few: fine-tuned with a handful of labels and with all, against its alternatives?

Who is better, and whether that changes, are two questions: Holm's correction is for the claims of each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.claim import Claim, compare, compare_changes
from hpt_ray.analysis.claim_words import EXPLORATORY
from hpt_ray.analysis.findings import Comparisons, Question
from hpt_ray.analysis.measures.run import HPT, Run
from hpt_ray.analysis.measures.text_format import level_name, spoken
from hpt_ray.analysis.phrases import CHANGE_WITH_LABELS
from hpt_ray.analysis.settling import by_place, settle, settle_each
from hpt_ray.analysis.verdict import Table, Verdict, claim_tiles, metric_cell, metric_tiles

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
    counts = []
    for evaluation in run.study.evaluations:
        if evaluation.probe == PROBE and not evaluation.data:
            given = int(evaluation.options.get("labels", 0))
            number = given or run.manifest.datasets[target].train
            counts.append(Labels(number, not given, evaluation.name))
    return tuple(sorted(counts))


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target: HPT against the others with the fewest labels and the most, and the change."""
    counts = label_counts(run, target)
    ends = tuple(dict.fromkeys([*counts[:1], *counts[-1:]]))
    others = run.alternatives
    differences = {(end, other): _compare(run, target, other, end) for end in ends for other in others}
    compared = settle_each(run, target, differences, "differences by number of labels")
    by_end = by_place(compared)
    changes = [_change(run, target, others[0], *ends)] if others and len(ends) > 1 else []
    changed = settle(run, target, changes, "change with the number of labels", exploratory=True)
    claims = (*compared.values(), *changed)
    details = {"few": ends[0].text, "many": ends[1].text, "other": spoken(run.arms[others[0]])} if changes else {}
    return Verdict(
        target=target,
        findings=(
            *(Comparisons(own, f"with {end.text}") for end, own in by_end.items()),
            *(Question(claim, CHANGE_WITH_LABELS, details) for claim in changed),
        ),
        nothing="the study lacks fine-tuning, HPT, or what HPT is held against",
        claims=claims,
        tiles=(
            *(
                tile
                for end in ends[:1]
                for tile in metric_tiles(
                    run, target, HPT, run.standard_level(HPT), f"with {end.text}", evaluation=end.evaluation
                )
            ),
            *claim_tiles((claim, f", {end.text}") for end, own in by_end.items() for claim in own),
        ),
        table=_table(run, target, counts),
        caveats=caveats(run, target, claims),
    )


def _compare(run: Run, target: str, other: str, end: Labels) -> Claim:
    mine, at = run.standard_level(HPT), run.standard_level(other)
    return compare(run, target, HPT, other, mine, at=at, evaluation=end.evaluation, place=f"With {end.text}")


def _change(run: Run, target: str, other: str, few: Labels, many: Labels) -> Claim:
    """HPT minus the other arm with few labels, minus the same with many."""
    leads = []
    for end in (few, many):
        mine = run.scores(target, HPT, run.standard_level(HPT), end.evaluation)
        leads.append(mine - run.scores(target, other, run.standard_level(other), end.evaluation))
    sides = f"HPT minus {run.arms[other].lower()}, {few.text}", many.text
    # An evaluation without any result has no examples either.
    change = leads[0] - leads[1] if leads[0].shape == leads[1].shape else np.empty((0, 0))
    return compare_changes(
        run,
        "change with labels",
        sides,
        change,
        lacking="no seed with results for all four",
        evaluation=f"{few.evaluation} minus {many.evaluation}",
    )


def _table(run: Run, target: str, counts: tuple[Labels, ...]) -> Table:
    """Per arm its accuracy with each number of labels, and in the study's other evaluations."""
    columns = {count.evaluation: count.text.capitalize() for count in counts}
    names = [evaluation.name for evaluation in run.study.evaluations if evaluation.name not in columns]
    columns |= {name: f"{level_name(name).capitalize()} ({EXPLORATORY})" for name in names}
    rows = tuple(
        (label, *(metric_cell(run, target, arm, run.standard_level(arm), name) for name in columns))
        for arm, label in run.arms.items()
    )
    return Table(("Arm", *columns.values()), rows)
