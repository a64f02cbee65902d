"""What phases add, on runs whose truth is known, whole and with holes."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.verdicts.phases import gains, verdict
from tests.support import simulate_studies as simulate

#: Target pretraining adds 25 points, the base 20, the source nothing.
ACCURACY = {
    "base": 0.55,
    "target": 0.6,
    "base>target": 0.8,
    "base>source": 0.55,
    "source>target": 0.6,
    "base>source>target": 0.8,
}
#: (phase, chain, chain without it), by hand.
EXPECTED = {
    ("target", "base>target", "base"),
    ("base", "base>target", "target"),
    ("source", "base>source", "base"),
    ("source", "source>target", "target"),
    ("source", "base>source>target", "base>target"),
    ("target", "base>source>target", "base>source"),
    ("base", "base>source>target", "source>target"),
}


def truth(cell: simulate.Cell) -> float:
    return ACCURACY[cell.arm]


@pytest.fixture(scope="module")
def run() -> Run:
    """In which the source changes no answer of the full chain."""
    made = simulate.run(simulate.sequential(seeds=(0, 1, 2, 3, 4)), truth, examples=800)
    table = made.predictions
    others = table[table["arm"] != "base>source>target"]
    same = table[table["arm"] == "base>target"].assign(arm="base>source>target")
    return dataclasses.replace(made, predictions=pd.concat([others, same], ignore_index=True))


def test_every_pair_that_differs_by_one_phase(run: Run) -> None:
    found = gains(run, "aerial")
    assert {(gain.phase, gain.chain, gain.without) for gain in found} == EXPECTED
    assert len(found) == len(EXPECTED)


def test_gains_are_differences_of_the_tables_accuracies(run: Run) -> None:
    done = run.predictions[run.predictions["iteration"] > 0]
    accuracy = (done["label"] == done["prediction"]).groupby(done["arm"]).mean()
    for gain in gains(run, "aerial"):
        assert gain.claim.difference is not None
        assert gain.claim.difference.estimate == pytest.approx(accuracy[gain.chain] - accuracy[gain.without])


def test_holm_corrects_for_all_of_them(run: Run) -> None:
    claims = [gain.claim for gain in gains(run, "aerial")]
    raw = [claim.difference.p for claim in claims if claim.difference is not None]
    surest = min(range(len(raw)), key=raw.__getitem__)
    assert claims[surest].p == pytest.approx(len(EXPECTED) * raw[surest])


def test_the_sentence_is_about_the_full_chain(run: Run) -> None:
    found = verdict(run, "aerial")
    assert found.sentence.startswith("On aerial, in base>source>target, the base phase (+")
    assert "points over source>target) and the target phase (+" in found.sentence
    assert (
        "points over base>source) raise accuracy; the source phase (0.0 [−0.5, +0.5] points over HPT)" in found.sentence
    )
    assert found.sentence.endswith("changes accuracy by less than 1 point.")


def test_the_table_has_a_column_per_phase(run: Run) -> None:
    table = verdict(run, "aerial").table
    assert table.columns == ("Arm", "Accuracy", "Base adds", "Source adds", "Target adds")
    rows = {row[0]: row[2:] for row in table.rows}
    assert set(rows["Direct transfer (base)"]) == {"–"}
    assert [value == "–" for value in rows["HPT (base>target)"]] == [False, True, False]
    assert [value == "–" for value in rows["base>source"]] == [True, False, True]
    assert rows["base>source>target"][1] == "0.0 [−0.5, +0.5]"


def test_a_phase_that_harms_lowers_accuracy() -> None:
    harm = {**ACCURACY, "base>source>target": 0.7}
    run = simulate.run(simulate.sequential(seeds=tuple(range(5))), lambda cell: harm[cell.arm], examples=800)
    found = {(gain.phase, gain.chain): gain.claim.outcome for gain in gains(run, "aerial")}
    assert found["source", "base>source>target"] is Outcome.WORSE
    sentence = verdict(run, "aerial").sentence
    assert "; the source phase (−" in sentence and sentence.endswith("points over HPT) lowers accuracy.")


def test_little_data_is_not_enough_evidence() -> None:
    found = verdict(simulate.run(simulate.sequential(), lambda cell: 0.6, examples=20), "aerial")
    assert "there is not enough evidence on the" in found.sentence


def test_an_arm_without_results_is_named() -> None:
    run = simulate.run(simulate.sequential(), truth, examples=100, failed=lambda cell, seed: cell.arm == "base>source")
    assert "nothing can be said of the target phase (no result for base>source)" in verdict(run, "aerial").sentence


def test_without_the_full_chain_the_longest_that_is_there() -> None:
    run = simulate.run(
        simulate.sequential(), truth, examples=100, failed=lambda cell, seed: cell.arm == "base>source>target"
    )
    assert verdict(run, "aerial").sentence.startswith("On aerial, in base>target, the")
    left_out = simulate.run(simulate.study("short", ("base", "base>target")), truth, examples=100)
    (gain,) = gains(left_out, "aerial")
    assert (gain.phase, gain.without) == ("target", "base")


def test_one_seed_nothing_and_no_pair_are_no_crash() -> None:
    one = verdict(simulate.run(simulate.sequential(seeds=(0,)), truth, examples=60), "aerial")
    assert any(note.startswith("One seed") for note in one.notes)
    nothing = verdict(simulate.run(simulate.sequential(), truth, failed=lambda cell, seed: True), "aerial")
    assert nothing.sentence.startswith("On aerial, in base>source>target, nothing can be said of the base phase (")
    alone = verdict(simulate.run(simulate.study("alone", ("base", "target")), truth, examples=60), "aerial")
    assert alone.sentence == "On aerial, nothing was compared: no arm of the study is another one with a phase more."
