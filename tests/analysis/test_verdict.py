"""Verdicts on tables whose answer is known, and on runs with holes."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from hpt_ray.analysis.claim import Outcome, compare, compare_pooled, judge
from hpt_ray.analysis.claim_words import needed
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.settling import settle
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.analysis.verdict import Verdict
from hpt_ray.analysis.verdicts.robustness import verdict
from hpt_ray.spec.study import Weights
from tests.support import simulate

LEVEL = (0.80, 0.80, 0.80, 0.80, 0.80)
FALLING = (0.80, 0.75, 0.65, 0.55, 0.45)


EXPLORATORY = (
    "Exploratory, beside the claims on robustness, and differences at the baseline: what is shown of the evaluation by "
    "knn, on which nothing is claimed."
)


def on(run: Run) -> Verdict:
    return verdict(run, "rsscn7")


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.012, 0.05, Outcome.BETTER),
        (0.001, 0.05, Outcome.BETTER),
        (-0.05, -0.001, Outcome.WORSE),
        (-0.009, 0.009, Outcome.EQUIVALENT),
        (0.001, 0.009, Outcome.EQUIVALENT),
        (-0.011, 0.009, Outcome.UNDECIDED),
        (-0.05, 0.05, Outcome.UNDECIDED),
    ],
)
def test_judge(low: float, high: float, outcome: Outcome) -> None:
    assert judge(Interval((low + high) / 2, low, high, 3)) is outcome


def test_hpt_more_robust_and_better() -> None:
    found = on(simulate.run(examples=800, seeds=5, accuracy={"target": FALLING, "base>target": (0.90,) * 5}))
    assert [claim.outcome for claim in found.claims if claim.measure != "worst change"] == [Outcome.BETTER] * 3
    assert found.sentence.startswith("On rsscn7, HPT is more robust to the policy than pretraining from scratch")
    assert "HPT is better than pretraining from scratch" in found.sentence
    assert "and better than direct transfer" in found.sentence
    assert found.notes == (EXPLORATORY,)


def test_hpt_less_robust_and_worse() -> None:
    found = on(
        simulate.run(examples=800, seeds=5, accuracy={"target": (0.9,) * 5, "base>target": FALLING, "base": (0.9,)})
    )
    assert [claim.outcome for claim in found.claims if claim.measure != "worst change"] == [Outcome.WORSE] * 3
    assert "less robust" in found.sentence and "worse than direct transfer" in found.sentence


def test_an_arm_that_changes_by_gains_alone_is_not_the_more_robust_one() -> None:
    """From scratch swings by 6 points, all of them gains, and HPT loses 2: HPT depends less on the policy."""
    truth = {"target": (0.64, 0.66, 0.68, 0.69, 0.70), "base>target": (0.72, 0.715, 0.71, 0.70, 0.71)}
    found = on(simulate.run(examples=800, seeds=10, accuracy=truth))
    robust = next(claim for claim in found.claims if claim.measure == "robustness")
    assert robust.outcome is Outcome.BETTER
    assert "HPT is more robust to the policy" in found.sentence and "less robust" not in found.sentence
    assert "pretraining from scratch: gains everywhere, least at no grayscale: +" in found.sentence


@pytest.mark.parametrize(("examples", "outcome"), [(800, Outcome.EQUIVALENT), (300, Outcome.UNDECIDED)])
def test_the_same_predictions_are_equivalent_where_images_suffice(examples: int, outcome: Outcome) -> None:
    """Of 300 images that all are answered alike, up to 1.2 % may be answered differently: more than the margin."""
    run = simulate.run(examples=examples)
    scratch = run.predictions[run.predictions["arm"] == "target"]
    others = run.predictions[run.predictions["arm"] != "base>target"]
    same = pd.concat([others, scratch.assign(arm="base>target")], ignore_index=True)
    found = on(dataclasses.replace(run, predictions=same))
    assert [claim.outcome for claim in found.claims if claim.measure != "worst change"][:2] == [outcome] * 2
    assert ("equally robust to the policy, within 1 point" in found.sentence) == (outcome is Outcome.EQUIVALENT)


def test_too_few_images_are_said_with_how_many_would_be_enough() -> None:
    """Not enough evidence because of the test set: more seeds would not help, so that images are what is asked for."""
    run = simulate.run()
    scratch = run.predictions[run.predictions["arm"] == "target"]
    others = run.predictions[run.predictions["arm"] != "base>target"]
    found = on(
        dataclasses.replace(run, predictions=pd.concat([others, scratch.assign(arm="base>target")], ignore_index=True))
    )
    assert [claim.outcome for claim in found.claims[:3]] == [Outcome.UNDECIDED] * 3
    assert [note for note in found.notes if note.startswith("Of 300 test images")] == [
        "Of 300 test images HPT and pretraining from scratch differ on none: 368 such images would show that there is "
        "no difference of 1 point.",
        "Of 300 test images the worst changes of HPT and pretraining from scratch differ on none: 736 such images "
        "would show that there is no difference of 1 point.",
    ]


def test_a_difference_of_zero_is_said_with_what_would_show_that_there_is_none() -> None:
    """From scratch is right on images 0 to 199, HPT on 20 to 219: zero can never be excluded, a point can."""
    run = simulate.run(examples=400)
    table = run.predictions
    first = table["example"].where(table["arm"] == "target", table["example"] - 20)
    answers = table["label"].where(first.between(0, 199), table["label"] + 1)
    changed = dataclasses.replace(run, predictions=table.assign(prediction=answers))
    claim = settle(
        changed, "rsscn7", [compare(changed, "rsscn7", "base>target", "target", "baseline")], "one difference"
    )[0]
    assert claim.outcome is Outcome.UNDECIDED and claim.difference is not None and claim.difference.estimate == 0
    # Differences of 40 of 400 images have the variance 40 / 399, and 3.2415 errors must fit in the margin of 0.01.
    images = math.ceil((stats.norm.ppf(0.975) + stats.norm.ppf(0.9)) ** 2 * 40 / 399 / 0.01**2)
    assert needed(claim) == (
        "To show that HPT and pretraining from scratch differ by less than 1 point, if they do not differ at all: no "
        f"number of seeds is enough, and hardly any test set: more than {images:,} test images are needed."
    )


def with_margin(run: Run, points: float) -> Run:
    study = run.study.model_copy(update={"margin": points})
    return dataclasses.replace(run, manifest=run.manifest.model_copy(update={"study": study}))


def test_the_margin_is_the_studys_own_and_the_smallest_that_can_be_shown_is_said() -> None:
    run = simulate.run(accuracy={"target": LEVEL, "base>target": LEVEL, "base": (0.8,)}, seeds=10)
    found, wide = on(run), on(with_margin(run, 12.0))
    note = next(note for note in found.notes if note.startswith("Equivalence within 1 point is out of reach"))
    floors = [claim.floor for claim in found.claims if claim.outcome is Outcome.UNDECIDED and claim.floor is not None]
    assert all(f"{100 * floor:.1f}" in note for floor in floors) and min(floors) > 0.01
    assert {claim.outcome for claim in wide.claims if claim.measure == "accuracy"} == {Outcome.EQUIVALENT}
    assert "within 12 points" in wide.sentence and not any("out of reach" in note for note in wide.notes)


def test_the_seeds_that_are_needed_are_a_range_with_holms_correction() -> None:
    run = simulate.run(seeds=2)
    (alone,) = settle(run, "rsscn7", [compare_pooled(run, "rsscn7", "base>target", "base", "baseline")], "one")
    among = on(run).claims[-1]
    assert alone.outcome is among.outcome is Outcome.UNDECIDED or alone.outcome is Outcome.BETTER
    assert among.needed is not None and among.needed.seeds is not None and among.needed.seeds.seeds is not None
    assert re.search(
        r"if they differ by as much as seen: \d+ (to \d+|or more) seeds would be needed \(80 % power, Holm's "
        r"correction included; the 10 to 90 % range of the estimate\)\.",
        needed(among),
    )


def test_little_data_is_not_enough_evidence() -> None:
    found = on(simulate.run(examples=20, accuracy={"target": LEVEL, "base>target": LEVEL, "base": (0.8,)}))
    assert Outcome.UNDECIDED in {claim.outcome for claim in found.claims}
    assert "not enough evidence" in found.sentence


def test_forgetting_is_flagged() -> None:
    run = simulate.run(examples=800, step0={"target": 0.3, "base>target": 0.95, "base>target:bn": 0.6})
    assert [note for note in on(run).notes if note.startswith("Forgetting")] == [
        note for note in on(run).notes if "HPT ends below its step-0 value" in note
    ]
    assert any("Forgetting: HPT ends below" in note for note in on(run).notes)


def test_one_seed_says_so() -> None:
    assert any(note.startswith("One seed") for note in on(simulate.run(seeds=1)).notes)


def test_two_seeds_are_said_to_be_too_few_and_no_number_is_impossible() -> None:
    """Two seeds, of which one is right on everything and one on nothing: the differences are +100 and -100 points."""
    run = simulate.run(seeds=2, examples=60)
    right = (run.predictions["arm"] == "target") == (run.predictions["seed"] == 0).fillna(True)
    answers = run.predictions["label"].where(right.astype(bool), run.predictions["label"] + 1)
    found = on(dataclasses.replace(run, predictions=run.predictions.assign(prediction=answers)))
    claim = next(claim for claim in found.claims if claim.measure == "accuracy")
    assert claim.difference is not None
    assert (claim.difference.low, claim.difference.high) == (-1.0, 1.0)
    assert claim.difference.p > 0.5
    shown = " ".join([found.sentence, *map(str, found.table.rows), *(tile.interval for tile in found.tiles)])
    numbers = [float(number) for number in re.findall(r"\d+\.\d", shown)]
    assert max(numbers) == 100.0
    assert any(note.startswith("Two seeds are too few") for note in found.notes)


def test_a_missing_baseline_says_so() -> None:
    found = on(simulate.run(failed=lambda cell: cell[:2] == ("base>target", "baseline")))
    assert "cannot be said (no change against the baseline for HPT)" in found.sentence
    assert "not comparable with direct transfer (no result for HPT)" in found.sentence
    assert all(claim.difference is None for claim in found.claims)
    assert found.notes == ("Missing: HPT at baseline. Estimates use the cells that finished.",)


def test_a_missing_arm_says_so() -> None:
    found = on(simulate.run(failed=lambda cell: cell[0] == "base"))
    assert "not comparable with direct transfer (no result for direct transfer)" in found.sentence


def test_nothing_finished_is_no_crash() -> None:
    found = on(simulate.run(failed=lambda cell: True))
    assert {claim.outcome for claim in found.claims} == {Outcome.UNDECIDED}
    assert found.notes[0].startswith("Missing: From scratch at baseline") and "13 more" in found.notes[0]


def test_the_table_has_a_line_per_arm() -> None:
    found = on(simulate.run(failed=lambda cell: cell[:2] == ("base>target:bn", "baseline")))
    rows = {row[0]: row[1:] for row in found.table.rows}
    assert list(rows) == ["From scratch", "Direct transfer", "HPT", "HPT-BN"]
    assert rows["From scratch"][4] == "crop only"
    assert rows["Direct transfer"][0] != "–" and rows["Direct transfer"][1] == "–"
    assert set(rows["HPT-BN"]) == {"–"}


def test_a_given_base_no_better_than_random_is_flagged() -> None:
    def flagged(run: Run, given: bool) -> bool:
        if given:
            recipes = run.study.recipes | {"base": Weights(source="moco.pth")}
            study = run.study.model_copy(update={"recipes": recipes})
            run = dataclasses.replace(run, manifest=run.manifest.model_copy(update={"study": study}))
        note = "The base is not shown to be better than random features (knn: "
        return any(found.startswith(note) for found in on(run).notes)

    poor: dict[str, Any] = {
        "accuracy": {"base": (0.44,)},
        "step0": {"target": 0.45, "base>target": 0.44, "base>target:bn": 0.44},
    }
    assert flagged(simulate.run(**poor), given=True)
    assert not flagged(simulate.run(**poor), given=False)  # it was pretrained here: nothing to check
    assert not flagged(simulate.run(), given=True)
