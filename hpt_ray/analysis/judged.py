"""What a table of anyone's results says: every arm against a baseline, judged as a study's arms are.

What a claim is about follows from what the table has. With a score for each test example it is about other seeds and
test images, or of one seed about these very weights and other test images; with one value a run, about other seeds and
this very test set. Nothing can be concluded from one value of each arm.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hpt_ray.analysis.across import COLUMNS, AcrossTargets, Comparison, cells, of_claims, predicate
from hpt_ray.analysis.claim import Claim, needed_seeds, of_scores
from hpt_ray.analysis.claim_words import EXPLORATORY, needed
from hpt_ray.analysis.findings import Comparisons
from hpt_ray.analysis.measures.failures import Failed
from hpt_ray.analysis.measures.long_table import LongTable
from hpt_ray.analysis.measures.robustness import mean
from hpt_ray.analysis.measures.text_format import SHARES, level_name, listed, percent
from hpt_ray.analysis.quantities import Cell, Change, Share
from hpt_ray.analysis.settling import settle_once
from hpt_ray.analysis.stats import student
from hpt_ray.analysis.stats.bootstrap import Interval, replicate
from hpt_ray.analysis.verdict import Caveat, Table, Verdict, claim_tiles

#: Key figures of a page: of more arms than these the table has the numbers.
TILES = 5
TEST_SAMPLE = (
    "Each run has one value, so the luck of the test sample is in no interval: a claim is about this very test set. "
    "Taken for one about new test images, it would be wrong in 12 to 37 % of comparisons in which nothing differs. "
    "Scores of single test examples would tell (--example)."
)
UNPAIRED = "arms are compared as independent samples, whose difference is less certain than that of pairs"
ONE_SEED = "One seed: intervals account for the test sample alone, not for the luck of a training run."
TWO_SEEDS = (
    "Two seeds are too few: one difference between them is all that is known of the luck of a training run (Student's "
    "quantile is 12.7; of three seeds it is 4.3)."
)
ALIKE = "the difference is the same in all runs, which shows nothing of luck"
ONE_VALUE = "one value of each: only several seeds, or the scores of single test examples, show what luck does"


@dataclass(frozen=True)
class Judged:
    """A table, the verdict on each of its targets, and what these say together (None of one target)."""

    table: LongTable
    verdicts: tuple[Verdict, ...]
    across: AcrossTargets | None


def judge_table(table: LongTable) -> Judged:
    """Every arm of a table against its baseline, on each target and across targets."""
    others = [arm for arm in table.arms if arm != table.baseline]
    claims = {
        target: settle_once([_compare(table, target, arm) for arm in others], "differences") for target in table.targets
    }
    verdicts = tuple(_verdict(table, target, own) for target, own in claims.items())
    if len(table.targets) < 2:
        return Judged(table, verdicts, None)
    comparisons = tuple(
        _comparison(table, arm, {target: claims[target][place] for target in table.targets})
        for place, arm in enumerate(others)
    )
    said = ", and ".join(f"{comparison.subject} is {predicate(comparison)}" for comparison in comparisons)
    rows = tuple((comparison.subject, *cells(comparison)) for comparison in comparisons)
    return Judged(
        table,
        verdicts,
        AcrossTargets(
            f"Across {len(table.targets)} targets ({EXPLORATORY}: Holm's correction), {said}.",
            comparisons,
            Table((f"Against {table.baseline}", *COLUMNS), rows),
        ),
    )


def _compare(table: LongTable, target: str, arm: str) -> Claim:
    """The claim, still to be settled, on an arm against the baseline at the first level."""
    mine, others = table.values(target, arm), table.values(target, table.baseline)
    have = _have(mine), _have(others)
    shared, either = have[0] & have[1], have[0] | have[1]
    apart = _apart(table, target, arm)
    left_out = int(either.sum() - shared.sum())
    levels = {table.level_of: table.levels[0]} if any(table.levels) else {}
    sides = arm, table.baseline
    if table.by_example and not apart:
        claim = of_scores(table.better(mine, others), table.margin, measure=table.metric, sides=sides, most=table.most)
    else:
        if apart:
            claim = _unpaired(table, mine[have[0]], others[have[1]])
        else:
            claim = _paired(table, mine[shared], others[shared])
        claim = replace(claim, subject=arm, against=table.baseline)
    return replace(
        claim,
        lacking="" if claim.difference else _lacking(table, sides, have),
        levels=levels,
        against_levels=levels,
        failed=Failed(left_out, int(either.sum())) if claim.difference and left_out and not apart else None,
        unit=table.unit,
    )


def _have(values: np.ndarray) -> np.ndarray:
    """Which seeds have scores [seeds, examples]."""
    complete: np.ndarray = ~np.isnan(values).any(axis=1) & bool(values.shape[1])
    return complete


def _apart(table: LongTable, target: str, arm: str) -> bool:
    """Whether an arm and the baseline share no seeds that they could be paired by."""
    have = [_have(table.values(target, each)) for each in (arm, table.baseline)]
    return not table.paired or int((have[0] & have[1]).sum()) < 2 <= min(int(rows.sum()) for rows in have)


def _paired(table: LongTable, mine: np.ndarray, others: np.ndarray) -> Claim:
    """On one value a seed, the seeds being shared: Student's interval of their differences."""
    values = table.better(mine, others)
    difference = student.mean(values[:, 0], table.most)
    need = functools.partial(needed_seeds, values, table.margin) if difference else None
    return replace(_claim(table, difference), need=need)


def _unpaired(table: LongTable, mine: np.ndarray, others: np.ndarray) -> Claim:
    """On seeds that are not shared: Welch's interval or, on the same test examples, the bootstrap's of both means."""
    sign = 1 if table.higher else -1
    if not table.by_example:
        return _claim(table, student.difference(sign * mine[:, 0], sign * others[:, 0], table.most))
    rows = len(mine) + len(others)
    values = np.full((2, rows, mine.shape[1]), np.nan)
    values[0, : len(mine)], values[1, len(mine) :] = sign * mine, sign * others
    means = replicate(values, most=table.most)
    return _claim(table, means.interval(lambda each: each[..., 0] - each[..., 1], [0, 1]))


def _claim(table: LongTable, difference: Interval | None) -> Claim:
    return Claim(table.metric, "", "", difference, table.metric, "", margin=table.margin)


def _lacking(table: LongTable, sides: tuple[str, str], have: Sequence[np.ndarray]) -> str:
    """Why two arms have no difference."""
    empty = [arm for arm, rows in zip(sides, have, strict=True) if not rows.any()]
    if empty and table.by_example and not any(rows.any() for rows in have):
        return "no test example that all runs have"
    if empty:
        return f"no result for {listed(empty)}"
    return ALIKE if min(int(rows.sum()) for rows in have) > 1 else ONE_VALUE


def _comparison(table: LongTable, arm: str, claims: Mapping[str, Claim]) -> Comparison:
    """An arm against the baseline on every target."""
    scores = {
        target: table.better(table.values(target, arm), table.values(target, table.baseline))
        for target, claim in claims.items()
        if claim.difference is not None
    }
    return of_claims(claims, scores if table.paired else None, table.most)


def _verdict(table: LongTable, target: str, claims: tuple[Claim, ...]) -> Verdict:
    compared = any(claim.difference for claim in claims)
    level = level_name(table.levels[0])
    place = f"at the {level} {level_name(table.level_of)}," if any(table.levels) else ""
    return Verdict(
        target=target,
        findings=(Comparisons(claims, place),) if claims else (),
        nothing="the table has no other arm here",
        claims=claims,
        tiles=tuple(claim_tiles((claim, "") for claim in claims)[:TILES]),
        table=_table(table, target, claims),
        caveats=tuple(Caveat(kind, text) for kind, text in _caveats(table, target, claims)),
        held=about(table, target) if compared else "",
    )


def about(table: LongTable, target: str) -> str:
    """What the claims on a target are about: over which seeds and test examples they are."""
    values = [table.values(target, arm) for arm in table.arms]
    seeds = max(int((~np.isnan(each).any(axis=1)).sum()) for each in values)
    if not table.by_example:
        return f"{_counted(seeds, table.by)} and for this very test set"
    what = f"{len(table.scores[target].examples):,} test examples"
    return f"{_counted(seeds, table.by)} and {what}" if seeds > 1 else f"for these very weights over {what}"


def _counted(number: int, noun: str) -> str:
    return f"for one {noun}" if number == 1 else f"over {number} {noun}s"


def _table(table: LongTable, target: str, claims: Sequence[Claim]) -> Table:
    """Per arm its value, how many runs it has, and the difference from the baseline."""
    by_arm = {claim.subject: claim for claim in claims}
    rows = []
    for arm in table.arms:
        values, claim = table.values(target, arm), by_arm.get(arm)
        runs = int((~np.isnan(values).any(axis=1)).sum()) if values.size else 0
        change = Change(claim.difference, claim.outcome, unit=table.unit) if claim and claim.difference else None
        rows.append((arm, _value(table, values), str(runs), change))
    heading = f"{table.metric[0].upper()}{table.metric[1:]}"
    minus = f"{'Minus' if table.higher else 'Improvement on'} {table.baseline}{table.unit.of_change and ', points'}"
    return Table(("Arm", heading, f"{table.by.capitalize()}s", minus), tuple(rows))


def _value(table: LongTable, values: np.ndarray) -> Cell:
    """The value of an arm with its interval, or of a single run of which there is none, alone."""
    if table.by_example:
        shares = table.unit == SHARES
        found = mean(values, signed=not shares, most=1.0 if shares else float(np.nanmax(np.abs(values), initial=1.0)))
        return Share(found, table.unit) if found else None
    own = values[:, 0][~np.isnan(values[:, 0])] if values.size else values
    found = student.mean(own)
    if found is None:
        return percent(float(own.mean()), table.unit) if len(own) else None
    if table.unit == SHARES:
        found = replace(found, low=max(0.0, found.low), high=min(1.0, found.high))
    return Share(found, table.unit)


def _caveats(table: LongTable, target: str, claims: Sequence[Claim]) -> list[tuple[str, str]]:
    """What qualifies the claims on a target: by kind, a sentence."""
    judged = [claim for claim in claims if claim.difference]
    notes = [("needed", text) for claim in claims if (text := needed(claim))]
    if judged and not table.by_example:
        notes.append(("test sample", TEST_SAMPLE))
    if judged and not table.paired:
        notes.append(
            ("pairing", f"No column names the seed: the rows of an arm are taken as its runs, and {UNPAIRED}.")
        )
    elif apart := [claim.subject for claim in judged if _apart(table, target, claim.subject)]:
        notes.append(
            ("pairing", f"The {table.by}s of {listed(apart)} and {table.baseline} are not the same, and {UNPAIRED}.")
        )
    if lost := table.scores[target].left_out:
        notes.append(("missing", f"{lost:,} test examples that not every run has are left out."))
    if not table.higher:
        notes.append(("direction", f"Lower {table.metric} is better: a positive difference is an improvement."))
    if judged and not table.margin:
        notes.append(("margin", "Without --margin, a difference without weight, nothing is found to be equivalent."))
    seeds = min((claim.difference.seeds for claim in judged if claim.difference), default=0)
    if judged and table.by_example and seeds == 1:
        notes.append(("seeds", ONE_SEED))
    if judged and seeds == 2:
        notes.append(("seeds", TWO_SEEDS))
    return notes
