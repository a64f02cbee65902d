"""Failed seeds are counted, and what they may hide is shown: their arm at chance."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hpt_ray.analysis.claim import Claim, compare, compare_changes
from hpt_ray.analysis.claim_words import predicate, without
from hpt_ray.analysis.measures.failures import Failed, chance_level, failed
from hpt_ray.analysis.measures.run import Run
from hpt_ray.core.registry import load
from hpt_ray.report.render import verdicts
from hpt_ray.report.verdict_file import verdict_file
from tests.support import simulate_studies as simulate

HPT, SCRATCH = "base>target", "target"


def run(lost: tuple[str, ...]) -> Run:
    """Five seeds of which the third has failed in some arms."""
    spec = simulate.study("failing", (SCRATCH, "base", HPT), seeds=(0, 1, 2, 3, 4))
    truth = {SCRATCH: 0.5, "base": 0.55, HPT: 0.7}
    return simulate.run(
        spec, lambda cell: truth[cell.arm], examples=300, failed=lambda cell, seed: cell.arm in lost and seed == 2
    )


def claim(run: Run) -> Claim:
    return compare(run, run.study.targets[0], HPT, SCRATCH, "")


def test_a_failed_seed_counts_as_chance_in_the_bound() -> None:
    found = run((HPT,))
    target = found.study.targets[0]
    labels = found.predictions[found.predictions["target"] == target].drop_duplicates("example")["label"]
    chance = float(np.bincount(labels).max() / len(labels))
    assert chance_level(found, target) == pytest.approx(chance)
    left_out = claim(found).failed
    assert left_out is not None and left_out.at_chance is not None
    mine, others = (found.by_seed(target, arm, "") for arm in (HPT, SCRATCH))
    by_seed = np.nan_to_num(mine, nan=chance).mean(axis=1) - others.mean(axis=1)
    assert (left_out.number, left_out.total) == (1, 5)
    assert left_out.at_chance.estimate == pytest.approx(by_seed.mean())
    complete = claim(found).difference
    assert complete is not None and (complete.seeds, left_out.at_chance.seeds) == (4, 5)
    assert left_out.at_chance.estimate < complete.estimate


def test_both_arms_at_chance_differ_by_nothing() -> None:
    found = failed(run((HPT, SCRATCH)), "aerial", ((HPT, ""), (SCRATCH, "")))
    alone = claim(run((HPT, SCRATCH))).difference
    assert found is not None and found.at_chance is not None and alone is not None
    assert found.at_chance.estimate == pytest.approx(alone.estimate * 4 / 5)


def test_without_failures_there_is_nothing_to_say() -> None:
    found = claim(run(()))
    assert found.failed is None and without(found) == ""


def test_the_sentence_and_the_file_say_how_many_and_the_bound() -> None:
    found = run((HPT,))
    made = claim(found)
    assert made.failed is not None and made.failed.at_chance is not None
    at_chance = f"{100 * made.failed.at_chance.estimate:+.1f} ["
    assert f" points; 1 of 5 seeds has no result, {at_chance}" in predicate(made)
    assert predicate(made).count("with what failed at chance") == 1
    judged = verdicts(found, load("dashboards", "augment_ablation"))
    (record,) = json.loads(verdict_file(found, judged))["targets"]
    (against_scratch,) = [
        item for item in record["claims"] if item["against"] == "From scratch" and item["measure"] == "accuracy"
    ]
    assert (against_scratch["failed"]["seeds"], against_scratch["failed"]["of"]) == (1, 5)
    assert against_scratch["failed"]["difference_at_chance"]["estimate"] == pytest.approx(
        made.failed.at_chance.estimate
    )


def test_of_a_difference_between_differences_the_failures_are_counted() -> None:
    found = run(())
    values = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], (5, 300))
    values[[1, 3]] = np.nan
    made = compare_changes(found, "change", ("one", "other"), values, lacking="")
    assert made.failed == Failed(2, 5, rows=(1, 3))
    assert without(made) == "; 2 of 5 seeds have no result"


@pytest.mark.parametrize("study", ["methods", "sequential"])
def test_other_sentences_count_them_too(study: str) -> None:
    spec = {"methods": simulate.methods, "sequential": simulate.sequential}[study]()
    found = simulate.run(
        spec, lambda cell: 0.6, examples=60, failed=lambda cell, seed: cell.arm == HPT and seed == spec.seeds[0]
    )
    (judged,) = verdicts(found, load("dashboards", study))
    assert f"; 1 of {len(spec.seeds)} seeds has no result, " in judged.sentence


def test_seeds_that_failures_leave_are_said_to_be_too_few() -> None:
    spec = simulate.study("failing", (SCRATCH, "base", HPT), seeds=(0, 1, 2))

    def caveats(failing: tuple[int, ...]) -> list[str]:
        found = simulate.run(
            spec, lambda _: 0.6, examples=100, failed=lambda cell, seed: cell.arm == HPT and seed in failing
        )
        (judged,) = verdicts(found, load("dashboards", "augment_ablation"))
        return [caveat.text for caveat in judged.caveats if caveat.kind == "seeds"]

    assert caveats(()) == []
    assert caveats((1,))[0].startswith("Two seeds in some comparisons are too few")
    assert caveats((0, 1))[0].startswith("One seed in some comparisons: intervals account for the test sample alone")
