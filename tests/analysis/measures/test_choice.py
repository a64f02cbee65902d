"""Which weights are taken: the median seed on val, what a user names, and why something is not there."""

from __future__ import annotations

from typing import Any

import pytest

from hpt_ray.analysis.measures.choice import Choice, choose, median, trained
from hpt_ray.analysis.measures.run import HPT, Run
from hpt_ray.core.errors import StudyError
from tests.support import simulate

TARGET = "rsscn7"


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate.run(seeds=4, failed=lambda cell: cell == (HPT, "crop_only", 2))


@pytest.fixture(scope="module")
def winner(run: Run) -> Choice:
    return next(cell for cell in trained(run, TARGET) if (cell.arm, cell.levels) == (HPT, {"policy": "no_color"}))


def test_cells_have_the_stage_that_was_evaluated_and_its_score_on_val(run: Run) -> None:
    rows = run.results[(run.results["split"] == "val") & (run.results["evaluation"] == "linear")]
    rows = rows[rows["iteration"] > 0].dropna(subset="value").set_index("weights")["value"]
    cells = {cell.stage: cell for cell in trained(run, TARGET)}
    assert len(cells) == 3 * 5 * 4 + 1 - 1  # arms x policies x seeds, direct transfer, and one that failed
    assert {stage: cell.validation for stage, cell in cells.items()} == rows.to_dict()
    direct = next(cell for cell in cells.values() if cell.arm == "base")
    assert (direct.seed, direct.levels, direct.parents) == (None, {}, ())
    assert cells["base>target/no_color/3"].parents == ("base/None/None",)


def cell(seed: int | None, validation: float) -> Choice:
    given: dict[str, Any] = {"target": TARGET, "arm": HPT, "levels": {}, "stage": "", "parents": ()}
    return Choice(seed=seed, validation=validation, **given)


@pytest.mark.parametrize(
    ("scores", "seed"), [([0.3, 0.1, 0.2], 2), ([0.4, 0.1, 0.2, 0.3], 2), ([0.5], 0), ([0.5, 0.5], 0)]
)
def test_the_median_seed_of_an_even_number_is_the_lower_one(scores: list[float], seed: int) -> None:
    assert median([cell(number, score) for number, score in enumerate(scores)]).seed == seed


def test_what_is_not_named_is_the_winners(run: Run, winner: Choice) -> None:
    assert choose(run, winner, TARGET) is winner
    same = choose(run, winner, TARGET, seed=3)
    assert (same.arm, same.levels, same.seed) == (HPT, {"policy": "no_color"}, 3)
    assert same.why == "HPT at the no color policy, seed 3 was named"
    other = choose(run, winner, TARGET, arm="HPT-BN")
    assert (other.arm, other.levels) == ("base>target:bn", {"policy": "baseline"})
    assert "the median of 4 seeds" in other.why
    level = choose(run, winner, TARGET, levels={"policy": "crop_only"})
    assert (level.arm, level.levels) == (HPT, {"policy": "crop_only"}) and "the median of 3 seeds" in level.why
    assert choose(run, winner, TARGET, arm="base", levels={"policy": "crop_only"}, seed=2).stage == "base/None/None"


def test_weights_that_are_not_there_are_refused_with_the_reason(run: Run, winner: Choice) -> None:
    with pytest.raises(
        StudyError, match=r"HPT, crop_only, seed 2 on rsscn7 has no weights: failed \(loss is not finite"
    ):
        choose(run, winner, TARGET, levels={"policy": "crop_only"}, seed=2)
    with pytest.raises(StudyError, match=r"the run has no HPT, no_color, seed 9 on rsscn7.*\(seeds 0, 1, 2, 3\)"):
        choose(run, winner, TARGET, seed=9)
    with pytest.raises(StudyError, match=r"unknown arm 'HPT-B'\. Did you mean 'HPT-BN'"):
        choose(run, winner, TARGET, arm="HPT-B")
    with pytest.raises(StudyError, match="no arm on rsscn7 has results to choose by: name one"):
        choose(run, None, TARGET)
