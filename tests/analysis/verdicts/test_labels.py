"""Fine-tuning with few labels and with all, on runs whose truth is known."""

from __future__ import annotations

import pytest

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.verdicts.labels import label_counts, verdict
from hpt_ray.spec.study import Evaluation
from tests.support import simulate_studies as simulate

SEEDS = (0, 1, 2, 3, 4)


def truth(cell: simulate.Cell) -> float:
    """HPT is 40 points ahead of the others with 50 labels and behind direct transfer with all."""
    few = cell.evaluation == "finetune_50"
    return {"base>target": 0.7 if few else 0.6, "base": 0.3 if few else 0.8}.get(cell.arm, 0.3 if few else 0.6)


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate.run(simulate.low_label(seeds=SEEDS), truth, examples=600)


def test_numbers_of_labels(run: Run) -> None:
    counts = label_counts(run, "aerial")
    assert [(count.number, count.evaluation) for count in counts] == [
        (50, "finetune_50"),
        (200, "finetune_200"),
        (simulate.TRAIN, "finetune_all"),
    ]
    assert [count.text for count in counts] == ["50 labels", "200 labels", "all 1,400 labels"]


def test_few_labels_and_all_and_the_change(run: Run) -> None:
    found = verdict(run, "aerial")
    few_scratch, few_direct, all_scratch, all_direct, change = found.claims
    assert [few_scratch.outcome, few_direct.outcome, all_direct.outcome] == [
        Outcome.BETTER,
        Outcome.BETTER,
        Outcome.WORSE,
    ]
    assert all_scratch.outcome is Outcome.UNDECIDED
    assert change.outcome is Outcome.BETTER
    assert found.sentence.startswith("On aerial, with 50 labels HPT is better than pretraining from scratch (+")
    assert "; with all 1,400 labels HPT is not shown to differ from pretraining from scratch (" in found.sentence
    assert (
        "exploratory: against pretraining from scratch HPT does better with 50 labels than with all 1,400 labels"
        in found.sentence
    )


def test_differences_are_those_of_the_tables_accuracies(run: Run) -> None:
    done = run.predictions[run.predictions["iteration"] > 0]
    accuracy = (done["label"] == done["prediction"]).groupby([done["evaluation"], done["arm"]]).mean().unstack()
    lead = accuracy["base>target"] - accuracy["target"]
    found = verdict(run, "aerial")
    estimates = [claim.difference.estimate for claim in found.claims if claim.difference is not None]
    assert estimates[0] == pytest.approx(lead["finetune_50"])
    assert estimates[1] == pytest.approx((accuracy["base>target"] - accuracy["base"])["finetune_50"])
    assert estimates[4] == pytest.approx(lead["finetune_50"] - lead["finetune_all"])


def test_holm_corrects_for_the_four_differences_and_not_for_the_change(run: Run) -> None:
    *differences, change = verdict(run, "aerial").claims
    raw = [claim.difference.p for claim in differences if claim.difference is not None]
    surest = min(range(4), key=raw.__getitem__)
    assert differences[surest].p == pytest.approx(4 * raw[surest])
    assert change.difference is not None and change.p == change.difference.p


def test_the_table_has_a_column_per_number_and_the_other_evaluations(run: Run) -> None:
    table = verdict(run, "aerial").table
    assert table.columns == ("Arm", "50 labels", "200 labels", "All 1,400 labels", "Linear (exploratory)")
    assert [row[0] for row in table.rows] == ["From scratch", "Direct transfer", "HPT", "HPT-BN"]


def test_what_is_missing_is_said() -> None:
    run = simulate.run(
        simulate.low_label(), truth, examples=60, failed=lambda cell, seed: cell.evaluation == "finetune_all"
    )
    sentence = verdict(run, "aerial").sentence
    assert "with all 1,400 labels HPT is not comparable with pretraining from scratch (no result for HPT" in sentence
    assert (
        "whether the difference of HPT from pretraining from scratch depends on the number of labels cannot be"
        in sentence
    )


def test_one_number_of_labels_has_no_change() -> None:
    spec = simulate.low_label(evaluations=(Evaluation(probe="finetune"),), arms=("target", "base>target"))
    found = verdict(simulate.run(spec, lambda cell: 0.6, examples=60), "aerial")
    assert len(found.claims) == 1 and "number of labels" not in found.sentence


def test_one_seed_nothing_and_no_fine_tuning_are_no_crash() -> None:
    one = verdict(simulate.run(simulate.low_label(seeds=(0,)), truth, examples=60), "aerial")
    assert any(note.startswith("One seed") for note in one.notes)
    nothing = verdict(simulate.run(simulate.low_label(), truth, failed=lambda cell, seed: True), "aerial")
    assert nothing.tiles == () and all(claim.difference is None for claim in nothing.claims)
    other = verdict(simulate.run(simulate.sequential(), lambda cell: 0.6, examples=60), "aerial")
    assert other.sentence.startswith("On aerial, nothing was compared: the study lacks fine-tuning")
