"""Where HPT pays and where not, on maps whose truth is known."""

from __future__ import annotations

import itertools

import pytest

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.findings import Map, Place
from hpt_ray.analysis.maps import landscape
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.verdicts.landscape import verdict
from hpt_ray.core.registry import load
from hpt_ray.spec.study import Factor
from tests.support import simulate_studies as simulate

POLICIES, BUDGETS = ("baseline", "no_color", "crop_only"), ("30", "90", "270")
SEEDS = (0, 1, 2, 3, 4)
ARMS = (SCRATCH, DIRECT, HPT)


def study(seeds: tuple[int, ...] = SEEDS, arms: tuple[str, ...] = ARMS) -> simulate.Study:
    """Three policies by three iteration budgets."""
    policy = Factor(
        name="policy",
        field="policy",
        levels={name: load("policies", name) for name in POLICIES},
        baseline="baseline",
    )
    budget = Factor(name="iterations", field="iterations", levels={name: int(name) for name in BUDGETS}, baseline="270")
    return simulate.landscape(arms, factors=(policy, budget), seeds=seeds)


def truth(cell: simulate.Cell) -> float:
    """HPT is 30 points ahead of from scratch at the smallest budget and 15 behind at the largest, whatever the policy;
    direct transfer is 20 points behind HPT everywhere."""
    if cell.arm == SCRATCH:
        return (0.45, 0.60, 0.90)[BUDGETS.index(cell.others[0])]
    return 0.75 if cell.arm == HPT else 0.55


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate.run(study(), truth, examples=800)


def of(run: Run, other: str) -> Map:
    found = landscape(run, "aerial", HPT, other)
    assert found is not None
    return found


def test_an_interaction_is_found_where_it_is(run: Run) -> None:
    found = of(run, SCRATCH)
    outcomes = {place: claim.outcome for place, claim in found.cells.items()}
    assert outcomes == {
        Place(policy, budget): Outcome.WORSE if budget == "270" else Outcome.BETTER
        for policy, budget in itertools.product(POLICIES, BUDGETS)
    }
    assert found.along["iterations"].outcome is Outcome.BETTER
    assert found.along["policy"].outcome is not Outcome.BETTER
    sentence = verdict(run, "aerial").sentence
    assert sentence.startswith(
        "On aerial, HPT is better than pretraining from scratch in 6 of 9 cells and worse in 3 (everywhere at 270 "
        "iterations); exploratory: the difference is larger at 30 iterations than at 270 iterations (+4"
    )
    assert "; exploratory: HPT is better than direct transfer in all 9 cells, " in sentence


def test_differences_are_those_of_the_tables_accuracies(run: Run) -> None:
    done = run.predictions[run.predictions["iteration"] > 0]
    right = (done["label"] == done["prediction"]).groupby([done["arm"], done["policy"], done["iterations"]]).mean()
    lead = (right[HPT] - right[SCRATCH]).unstack()
    found = of(run, SCRATCH)
    for place, claim in found.cells.items():
        assert claim.difference is not None
        assert claim.difference.estimate == pytest.approx(lead.loc[place.row, place.column])
    change = found.along["iterations"].difference
    assert change is not None and change.estimate == pytest.approx((lead["30"] - lead["270"]).mean())
    change = found.along["policy"].difference
    assert change is not None
    assert change.estimate == pytest.approx((lead.loc["baseline"] - lead.loc["crop_only"]).mean())


def test_holm_corrects_for_the_cells_of_a_map(run: Run) -> None:
    cells = [*of(run, SCRATCH).cells.values()]
    raw = [claim.difference.p for claim in cells if claim.difference is not None]
    surest = min(range(9), key=raw.__getitem__)
    assert cells[surest].p == pytest.approx(9 * raw[surest])


def test_holes_are_named_and_the_rest_is_judged() -> None:
    def lost(cell: simulate.Cell, seed: int | None) -> bool:
        return (cell.arm, cell.level, cell.others) == (HPT, "crop_only", ("270",))

    run = simulate.run(study(), truth, examples=200, failed=lost)
    found = of(run, SCRATCH)
    assert [place for place, claim in found.cells.items() if claim.difference is None] == [Place("crop_only", "270")]
    assert found.along["policy"].difference is not None
    whole = verdict(run, "aerial")
    assert "without a result in 1 (crop only at 270 iterations)" in whole.sentence
    assert whole.table.rows[2][-1] == "–"
    assert any(note.startswith("Missing: HPT at crop only, at 270 iterations") for note in whole.notes)


def test_a_cell_that_an_arm_does_not_have_is_no_comparison() -> None:
    spec = study()
    policy, budget = spec.factors
    only = Factor.model_validate(policy.model_dump() | {"only": {SCRATCH: ("baseline", "no_color")}})
    run = simulate.run(spec.model_copy(update={"factors": (only, budget)}), truth, examples=100)
    found = of(run, SCRATCH)
    lacking = {place.row for place, claim in found.cells.items() if claim.difference is None}
    assert lacking == {"crop_only"} and found.along["policy"].difference is None
    assert "without a result in 3 (everywhere at the crop only policy)" in verdict(run, "aerial").sentence


def test_little_data_nothing_and_no_hpt_are_no_crash() -> None:
    little = verdict(simulate.run(study((0,)), lambda cell: 0.6, examples=20), "aerial")
    assert "HPT is not shown to differ from pretraining from scratch in all 9 cells" in little.sentence
    assert "not enough evidence that the difference depends on the policy or the iterations" in little.sentence
    nothing = verdict(simulate.run(study(), truth, examples=20, failed=lambda cell, seed: True), "aerial")
    assert "HPT is not comparable with pretraining from scratch (no cell has results of both)" in nothing.sentence
    alone = verdict(simulate.run(study(arms=(SCRATCH, DIRECT)), truth, examples=20), "aerial")
    assert "nothing was compared" in alone.sentence and alone.tiles == ()


def false_claims(examples: int, seed: int) -> tuple[bool, bool]:
    """Whether a study in which no arm differs claims on a map that some cell does, or that a factor matters."""
    found = of(simulate.run(study((0, 1, 2)), lambda cell: 0.6, examples=examples, seed=seed), SCRATCH)
    claimed = [
        any(claim.outcome in (Outcome.BETTER, Outcome.WORSE) for claim in claims.values())
        for claims in (found.cells, found.along)
    ]
    return claimed[0], claimed[1]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_is_claimed_where_nothing_is() -> None:
    """About 5 % of studies may claim something; of 200, more than 19 would then do so by chance in 0.3 %."""
    claimed = [false_claims(400, seed) for seed in range(200)]
    cells, along = (sum(column) for column in zip(*claimed, strict=True))
    print(f"false claims in 200 studies: on the map {cells}, along a factor {along}")
    assert cells <= 19 and along <= 19
