"""What is shown with the claims on a table: over what they are, each arm's own value, and what qualifies them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hpt_ray.analysis.claim import Claim
from hpt_ray.analysis.claim_words import needed
from hpt_ray.analysis.few_seeds import few_seeds
from hpt_ray.analysis.measures.long_table import LongTable
from hpt_ray.analysis.measures.robustness import mean, over_levels
from hpt_ray.analysis.measures.text_format import SHARES, level_name, listed, percent
from hpt_ray.analysis.quantities import Cell, Change, Share
from hpt_ray.analysis.stats import student
from hpt_ray.analysis.table_claims import ONE_VALUE, apart
from hpt_ray.analysis.verdict import Caveat, Table

TEST_SAMPLE = (
    "Each run has one value, so the luck of the test sample is in no interval: a claim is about this very test set. "
    "Taken for one about new test images, it would be wrong in 12 to 37 % of comparisons in which nothing differs. "
    "Scores of single test examples would tell (--example)."
)
#: Comparisons that are told one by one; of more arms than these, tables and verdict.json have all.
MOST = 4
DOMAINS = (
    "A claim is about other data sets, as if these were a random sample of them; the luck of seeds and test images is "
    "in the intervals as far as it makes data sets differ."
)
FOLDS = (
    "Folds of a cross-validation share most of their training images, so intervals over them are too narrow (Nadeau "
    "and Bengio 2003)."
)
ONLY = (
    "One value shows nothing of luck: several seeds would, or the scores of single test examples (--example), or "
    "several data sets as the unit (--unit)."
)
LEVELS = (
    "Arms are compared at the first level alone: how much they depend on the level is seen in shares of single test "
    "examples (--example)."
)
UNPAIRED = "arms are compared as independent samples, whose difference is less certain than that of pairs"


def about(table: LongTable, target: str) -> str:
    """What the claims on a target are about: over which seeds and test examples they are."""
    values = [table.values(target, arm) for arm in table.arms]
    seeds = max(int((~np.isnan(each).any(axis=1)).sum()) for each in values)
    if table.over_targets:
        return _counted(seeds, table.by)
    if not table.by_example:
        return f"{_counted(seeds, table.by)} and for this very test set"
    what = f"{len(table.scores[target].examples):,} test examples"
    return f"{_counted(seeds, table.by)} and {what}" if seeds > 1 else f"for these very weights over {what}"


def _counted(number: int, noun: str) -> str:
    return f"for one {noun}" if number == 1 else f"over {number} {noun}s"


def arms_table(table: LongTable, target: str, claims: Sequence[Claim]) -> Table:
    """Per arm its value, how many runs it has, and the difference from the baseline."""
    by_arm = {claim.subject: claim for claim in claims}
    rows: list[tuple[Cell, ...]] = []
    for arm in table.arms:
        values, claim = table.values(target, arm), by_arm.get(arm)
        change = Change(claim.difference, claim.outcome, unit=table.unit) if claim and claim.difference else None
        rows.append((arm, _value(table, values), str(table.runs(target, arm)), change, *_variation(table, target, arm)))
    heading = f"{table.metric[0].upper()}{table.metric[1:]}"
    minus = f"{'Minus' if table.higher else 'Improvement on'} {table.baseline}{table.unit.of_change and ', points'}"
    if any(table.levels):
        heading = f"{heading} at {level_name(table.levels[0])}"
    more = ("Varies by, points", "Worst change, points", "at") if table.can_vary else ()
    return Table(("Arm", heading, f"{table.by.capitalize()}s", minus, *more), tuple(rows))


def _variation(table: LongTable, target: str, arm: str) -> tuple[Cell, ...]:
    """How much an arm varies over the levels, and its worst change from the first one."""
    if not table.can_vary:
        return ()
    values = table.by_level(target, arm) if table.varies(target, arm) else {}
    if len(values) < 2:
        return (None, None, None)
    variation = over_levels(values, table.levels)
    deviation = Change(variation.deviation, signed=False) if variation.deviation else None
    return (deviation, Change(variation.worst), level_name(variation.worst_level))


def _value(table: LongTable, values: np.ndarray) -> Cell:
    """The value of an arm with its interval, or of a single run of which there is none, alone."""
    if table.by_example:
        shares = table.unit == SHARES
        interval = mean(
            values, signed=not shares, most=1.0 if shares else float(np.nanmax(np.abs(values), initial=1.0))
        )
        return Share(interval, table.unit) if interval else None
    own = values[:, 0][~np.isnan(values[:, 0])] if values.size else values
    interval = student.mean(own)
    if interval is None:
        return percent(float(own.mean()), table.unit) if len(own) else None
    if table.unit == SHARES:
        interval = replace(interval, low=max(0.0, interval.low), high=min(1.0, interval.high))
    return Share(interval, table.unit)


def notes(table: LongTable, target: str, claims: Sequence[Claim]) -> tuple[Caveat, ...]:
    """What qualifies the claims on a target: by kind, a sentence."""
    judged = [claim for claim in claims if claim.difference]
    settling = [text for claim in claims if (text := needed(claim))]
    by_kind = [("needed", text) for text in settling[:MOST]]
    if len(settling) > MOST:
        by_kind.append(("needed", f"What would settle {len(settling) - MOST} other comparisons is in verdict.json."))
    if any(claim.lacking == ONE_VALUE for claim in claims):
        by_kind.append(("one value", ONLY))
    if judged and table.over_targets:
        by_kind.append(("test sample", DOMAINS))
    elif judged and not table.by_example:
        by_kind.append(("test sample", TEST_SAMPLE))
    if judged and table.by == "fold":
        by_kind.append(("folds", FOLDS))
    if judged and not table.paired:
        by_kind.append(
            ("pairing", f"No column names the seed: the rows of an arm are taken as its runs, and {UNPAIRED}.")
        )
    elif unpaired := [claim.subject for claim in judged if apart(table, target, claim.subject)]:
        by_kind.append(
            ("pairing", f"The {table.by}s of {listed(unpaired)} and {table.baseline} are not the same, and {UNPAIRED}.")
        )
    if lost := table.scores[target].left_out:
        by_kind.append(("missing", f"{lost:,} test examples that not every run has are left out."))
    if len(table.levels) > 1 and not table.can_vary:
        by_kind.append(("levels", LEVELS))
    if not table.higher:
        by_kind.append(("direction", f"Lower {table.metric} is better: a positive difference is an improvement."))
    if judged and not table.margin:
        by_kind.append(("margin", "Without --margin, a difference without weight, nothing is found to be equivalent."))
    seeds = min((claim.difference.seeds for claim in judged if claim.difference), default=0)
    if judged and (table.by_example or seeds > 1):
        by_kind += [("seeds", text) for text in few_seeds(seeds, "training run")]
    return tuple(Caveat(kind, text) for kind, text in by_kind)
