"""Claims judged at looks: against the fixed design, which is one look at the end, and against their record."""

from __future__ import annotations

import dataclasses

import pytest

from hpt_ray.analysis.claim import Claim, Outcome, compare
from hpt_ray.analysis.claim_words import predicate
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.settling import by_place, settle, settle_each, settle_parts
from hpt_ray.analysis.verdicts.robustness import verdict
from hpt_ray.store.records import Look, Looks
from tests.support import simulate

TARGET = "rsscn7"
CLEAR = {"target": (0.30,) * 5, "base": (0.60,), "base>target": (0.90,) * 5}


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate.run(seeds=5, examples=120, accuracy=CLEAR)


def looked(run: Run, looks: Looks) -> Run:
    return dataclasses.replace(run, manifest=run.manifest.model_copy(update={"looks": looks}))


def claims(run: Run, looks: Looks) -> tuple[Claim, ...]:
    return verdict(looked(run, looks), TARGET).claims


def test_one_look_at_the_end_is_the_fixed_design(run: Run) -> None:
    fixed, at_look = verdict(run, TARGET).claims, claims(run, Looks(most=5, made=(Look(rows=5),)))
    assert [claim.outcome for claim in at_look] == [claim.outcome for claim in fixed]
    assert {claim.outcome for claim in fixed} > {Outcome.BETTER}
    for one, other in zip(fixed, at_look, strict=True):
        assert one.difference is not None and other.difference is not None
        assert other.difference.low == pytest.approx(one.difference.low, abs=1e-9)
        # Smaller p-values are not told apart.
        assert other.p == pytest.approx(one.p, rel=1e-2, abs=1e-8)


def test_an_early_look_asks_for_more(run: Run) -> None:
    fixed, early = verdict(run, TARGET).claims, claims(run, Looks(most=24, made=(Look(rows=3), Look(rows=5))))
    for one, other in zip(fixed, early, strict=True):
        assert one.difference is not None and other.difference is not None
        assert other.difference.high - other.difference.low > one.difference.high - one.difference.low
        assert other.p >= one.p
        (record,) = other.path
        assert record.rows == 5 and 0 < record.level < 0.01
        assert record.decision == str(other.outcome) and record.decided == (other.outcome is not Outcome.UNDECIDED)


def test_nothing_is_decided_between_two_looks(run: Run) -> None:
    found = claims(run, Looks(most=24, made=(Look(rows=3),)))
    assert {claim.outcome for claim in found} == {Outcome.UNDECIDED}
    assert all(claim.path == () for claim in found)


def test_what_a_look_decided_stays_whatever_later_rows_say(run: Run) -> None:
    first = claims(run, Looks(most=24, made=(Look(rows=5),)))
    decided = [claim.path[-1] for claim in first if claim.outcome is Outcome.BETTER]
    contrary = tuple(record.model_copy(update={"rows": 3, "decision": "worse"}) for record in decided)
    later = claims(run, Looks(most=24, made=(Look(rows=3, claims=contrary), Look(rows=5))))
    kept = [claim for claim in later if claim.outcome is Outcome.WORSE]
    assert len(kept) == len(decided) > 0
    assert all(claim.recorded and len(claim.path) == 1 and claim.closed_at == 3 for claim in kept)
    assert all("points; over the first 3 seeds)" in predicate(claim) for claim in kept)
    assert all("over the first" not in predicate(claim) for claim in later if claim not in kept)
    open_ones = [claim for claim in later if claim.outcome is not Outcome.WORSE]
    assert open_ones and all(claim.path[-1].rows == 5 for claim in open_ones)


def test_a_look_that_was_made_is_not_made_again(run: Run) -> None:
    """Also where results have changed since: what was recorded is shown."""
    first = claims(run, Looks(most=24, made=(Look(rows=5),)))
    looks = Looks(most=24, made=(Look(rows=5, claims=tuple(claim.path[-1] for claim in first)),))
    other = simulate.run(seeds=5, examples=120, accuracy=CLEAR, seed=1)
    again = claims(other, looks)
    assert [claim.outcome for claim in again] == [claim.outcome for claim in first]
    assert [claim.difference for claim in again] == [claim.difference for claim in first]


def test_parts_and_places_of_a_family_are_judged_as_one(run: Run) -> None:
    asked = {
        (level, other): compare(run, TARGET, "base>target", other, level)
        for level in run.levels[:2]
        for other in run.alternatives
    }
    together = settle(run, TARGET, [*asked.values()], "one", exploratory=True)
    each = settle_each(run, TARGET, asked, "one", exploratory=True)
    assert tuple(each.values()) == together and all(claim.exploratory for claim in together)
    assert by_place(each) == {run.levels[0]: together[:2], run.levels[1]: together[2:]}
    first, none, rest = settle_parts(run, TARGET, (list(asked.values())[:3], [], list(asked.values())[3:]), "one")
    assert (len(first), none, len(rest)) == (3, (), 1)
    assert [claim.p for claim in first + rest] == [claim.p for claim in together]
