"""Whether a finding depends on the method, on runs whose truth is known."""

from __future__ import annotations

import pytest

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.sentence import clause
from hpt_ray.analysis.verdicts.methods import findings, verdict
from tests.support import simulate_studies as simulate

SEEDS = (0, 1, 2, 3, 4)


def truth(cell: simulate.Cell) -> float:
    """HPT is 30 points ahead of from scratch, and ahead of direct transfer under one method, behind under another."""
    hpt = {"moco_v2": 0.8, "simclr": 0.7, "byol": 0.6}[cell.level]
    direct = {"moco_v2": 0.5, "simclr": 0.7, "byol": 0.9}[cell.level]
    return {"base>target": hpt, "base": direct, "target": hpt - 0.3}.get(cell.arm, hpt)


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate.run(simulate.methods(seeds=SEEDS), truth, examples=800)


def test_a_finding_that_holds_under_all_methods(run: Run) -> None:
    scratch, _ = findings(run, "aerial")
    assert {claim.outcome for claim in scratch.under.values()} == {Outcome.BETTER}
    assert set(scratch.changes) == {("moco_v2", "simclr"), ("moco_v2", "byol"), ("simclr", "byol")}
    sentence = verdict(run, "aerial").sentence
    assert sentence.startswith("On aerial, HPT is better than pretraining from scratch under all 3 methods: ")


def test_a_direction_that_depends_on_the_method(run: Run) -> None:
    _, direct = findings(run, "aerial")
    assert (direct.under["moco_v2"].outcome, direct.under["byol"].outcome) == (Outcome.BETTER, Outcome.WORSE)
    assert direct.changes["moco_v2", "byol"].outcome is Outcome.BETTER
    text = clause(direct)
    assert text.startswith(f"HPT is better than direct transfer under {level_name('moco_v2')} (+")
    assert "so the direction depends on the method" in text
    assert "; exploratory: the difference is " in text
    assert f"larger under {level_name('moco_v2')} than under {level_name('byol')} (+" in text


def test_differences_and_changes_are_those_of_the_tables_accuracies(run: Run) -> None:
    done = run.predictions[run.predictions["iteration"] > 0]
    accuracy = (done["label"] == done["prediction"]).groupby([done["method"], done["arm"]]).mean().unstack()
    for finding in findings(run, "aerial"):
        lead = accuracy["base>target"] - accuracy[finding.other]
        for level, claim in finding.under.items():
            assert claim.difference is not None and claim.difference.estimate == pytest.approx(lead[level])
        for (first, second), claim in finding.changes.items():
            assert claim.difference is not None
            assert claim.difference.estimate == pytest.approx(lead[first] - lead[second])


def test_holm_corrects_each_question_for_its_six_claims(run: Run) -> None:
    found = findings(run, "aerial")
    for claims in (
        [claim for finding in found for claim in finding.under.values()],
        [claim for finding in found for claim in finding.changes.values()],
    ):
        raw = [claim.difference.p for claim in claims if claim.difference is not None]
        surest = min(range(6), key=raw.__getitem__)
        assert claims[surest].p == pytest.approx(6 * raw[surest])


def test_little_data_is_not_enough_evidence() -> None:
    found = verdict(simulate.run(simulate.methods(), lambda cell: 0.6, examples=20), "aerial")
    assert "HPT is not shown to differ from pretraining from scratch under all 3 methods" in found.sentence
    assert "there is not enough evidence that the difference depends on the method" in found.sentence


def test_a_method_without_results_is_named() -> None:
    run = simulate.run(
        simulate.methods(seeds=SEEDS), truth, examples=400, failed=lambda cell, seed: cell[1:3] == ("target", "byol")
    )
    scratch, _ = findings(run, "aerial")
    assert [pair for pair, claim in scratch.changes.items() if claim.difference is not None] == [simulate.METHODS[:2]]
    first = verdict(run, "aerial").sentence.split("; ")[0]
    assert "all 3 methods" not in first and f"not comparable under {level_name('byol')}" in first


def test_the_table_ends_with_the_differences(run: Run) -> None:
    table = verdict(run, "aerial").table
    assert table.columns == ("Arm", *map(level_name, simulate.METHODS))
    assert table.rows[-2][0] == "HPT minus from scratch, points"
    assert table.rows[-2][1].startswith("+") and len(table.rows) == 6


def test_one_method_one_seed_nothing_and_no_hpt_are_no_crash() -> None:
    one = verdict(simulate.run(simulate.methods(("byol",), seeds=(0,)), lambda cell: 0.6, examples=60), "aerial")
    assert "depends" not in one.sentence and any(note.startswith("One seed") for note in one.notes)
    nothing = verdict(simulate.run(simulate.methods(), truth, failed=lambda cell, seed: True), "aerial")
    assert f"HPT is not comparable with pretraining from scratch under {level_name('moco_v2')}" in nothing.sentence
    spec = simulate.methods(arms=("target", "base"))
    alone = verdict(simulate.run(spec, truth, examples=60), "aerial")
    assert alone.sentence == "On aerial, nothing was compared: the study lacks HPT or what it is held against."
