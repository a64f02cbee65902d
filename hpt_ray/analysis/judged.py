"""What a table of anyone's results says: every arm against a baseline, judged as a study's arms are.

What a claim is about follows from what the table has. With a score for each test example it is about other seeds and
test images, or of one seed about these very weights and other test images; with one value a run, about other seeds and
this very test set. Nothing follows from one value of each arm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hpt_ray.analysis.across import COLUMNS, AcrossTargets, Comparison, cells, of_claims, predicate
from hpt_ray.analysis.claim import Claim
from hpt_ray.analysis.claim_words import EXPLORATORY
from hpt_ray.analysis.findings import Comparisons, Question
from hpt_ray.analysis.measures.long_table import LongTable
from hpt_ray.analysis.measures.robustness import difference_over_levels
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.robustness_questions import questions
from hpt_ray.analysis.settling import settle_once
from hpt_ray.analysis.table_claims import compare_arms
from hpt_ray.analysis.table_notes import MOST, about, arms_table, notes
from hpt_ray.analysis.verdict import Table, Verdict, claim_tiles

#: Key figures of a page: of more arms than these the table has the numbers.
TILES = 5


@dataclass(frozen=True)
class Judged:
    """A table, the verdict on each of its targets, and what these say together (None of one target)."""

    table: LongTable
    verdicts: tuple[Verdict, ...]
    across: AcrossTargets | None


def judge_table(table: LongTable) -> Judged:
    """Every arm of a table against its baseline, on each target and across targets."""
    others = [arm for arm in table.arms if arm != table.baseline]
    judged = {target: _verdict(table, target, others) for target in table.targets}
    verdicts = tuple(judged.values())
    if len(table.targets) < 2:
        return Judged(table, verdicts, None)
    comparisons = tuple(
        _comparison(table, arm, {target: _of(verdict, arm) for target, verdict in judged.items()}) for arm in others
    )
    predicates = ", and ".join(f"{comparison.subject} is {predicate(comparison)}" for comparison in comparisons)
    if len(comparisons) > MOST:
        predicates = f"{len(comparisons)} arms are held against {table.baseline}, each in a row of the table"
    rows = tuple((comparison.subject, *cells(comparison)) for comparison in comparisons)
    return Judged(
        table,
        verdicts,
        AcrossTargets(
            f"Across {len(table.targets)} targets ({EXPLORATORY}: Holm's correction), {predicates}.",
            comparisons,
            Table((f"Against {table.baseline}", *COLUMNS), rows),
        ),
    )


def _comparison(table: LongTable, arm: str, claims: Mapping[str, Claim]) -> Comparison:
    """An arm against the baseline on every target."""
    scores = {
        target: table.better(table.values(target, arm), table.values(target, table.baseline))
        for target, claim in claims.items()
        if claim.difference is not None
    }
    return of_claims(claims, scores if table.paired else None, table.most)


def _of(verdict: Verdict, arm: str) -> Claim:
    """The claim of a verdict on the metric of an arm."""
    (comparisons,) = (finding for finding in verdict.findings if isinstance(finding, Comparisons))
    return next(claim for claim in comparisons.claims if claim.subject == arm)


def _verdict(table: LongTable, target: str, others: Sequence[str]) -> Verdict:
    level_questions = [question for arm in others for question in _questions(table, target, arm)]
    family = "robustness, and differences at the baseline" if level_questions else "differences"
    compared = [compare_arms(table, target, arm) for arm in others]
    claims = settle_once([*(question.claim for question in level_questions), *compared], family)
    differences = claims[len(level_questions) :]
    level = level_name(table.levels[0])
    place = f"at the {level} {level_name(table.level_of)}," if any(table.levels) else ""
    return Verdict(
        target=target,
        findings=(
            *(replace(question, claim=claim) for question, claim in zip(level_questions, claims, strict=False)),
            Comparisons(differences, place),
        ),
        nothing="",
        claims=claims,
        tiles=tuple(claim_tiles((claim, "") for claim in differences)[:TILES]),
        table=arms_table(table, target, differences),
        caveats=notes(table, target, differences),
        held=about(table, target) if any(claim.difference for claim in claims) else "",
    )


def _questions(table: LongTable, target: str, arm: str) -> list[Question]:
    """Whether an arm depends less on the level than the baseline does; none where either has one level."""
    if not table.can_vary or not all(table.varies(target, each) for each in (arm, table.baseline)):
        return []
    mine, others = (table.by_level(target, each) for each in (arm, table.baseline))
    return questions(
        difference_over_levels(mine, others),
        (arm, table.baseline),
        level_name(table.level_of),
        "no level in common",
        metric=table.metric,
        evaluation="",
        margin=table.margin,
    )
