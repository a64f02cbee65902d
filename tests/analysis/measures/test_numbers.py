"""Levels as numbers, on the factors of the studies that have them and on one that does not."""

from __future__ import annotations

import dataclasses

import pytest

from hpt_ray.analysis.measures.numbers import axis_name, common, counted, field, number_name, numbers
from hpt_ray.analysis.measures.run import Run
from hpt_ray.spec.study import Factor
from tests.support import simulate, simulate_numbers
from tests.support.simulate_numbers import BASES, BUDGETS, FRACTIONS

TRUTH = {"target": 0.5, "base": 0.6, "base>target": 0.7, "base>target:bn": 0.65}


def run(factor: Factor, **options: object) -> Run:
    return simulate_numbers.run(simulate_numbers.study(factor), TRUTH, examples=20, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("factor", "of", "expected", "axis"),
    [
        (BUDGETS, "iterations", {"10": 10, "30": 30, "90": 90, "270": 270, "810": 810}, "target iterations"),
        (
            FRACTIONS,
            "fraction",
            {"1 %": 0.01, "10 %": 0.1, "25 %": 0.25, "50 %": 0.5, "100 %": 1.0},
            "share of the target's pretraining images",
        ),
        (BASES, "iterations", {"60": 60, "300": 300, "1200": 1200}, "base iterations"),
    ],
)
def test_numbers(factor: Factor, of: str, expected: dict[str, float], axis: str) -> None:
    found = run(factor)
    assert (field(found), numbers(found), axis_name(found)) == (of, expected, axis)


def test_numbers_ascend_whatever_the_order_of_levels() -> None:
    factor = Factor(name="budget", field="iterations", levels={"long": 90, "short": 10}, baseline="long")
    assert list(numbers(run(factor))) == ["short", "long"]


@pytest.mark.parametrize("value", [True, "many", 0, -1, {"crop": 1}])
def test_what_has_no_place_on_a_log_axis_is_no_number(value: object) -> None:
    factor = Factor(name="odd", field="policy", levels={"one": value}, baseline="one")
    whole = run(BUDGETS)
    study = whole.study.model_copy(update={"factors": (factor,)})
    found = dataclasses.replace(whole, manifest=whole.manifest.model_copy(update={"study": study}))
    assert (field(found), numbers(found)) == ("", {})


def test_policies_have_no_numbers() -> None:
    found = simulate.run(examples=20)
    assert (field(found), numbers(found), axis_name(found)) == ("", {}, "target policy")
    assert number_name(found, "crop_only") == "crop only"


def test_names() -> None:
    bases = run(BASES)
    assert [number_name(bases, level) for level in BASES.levels] == [
        "60 iterations",
        "300 iterations",
        "1,200 iterations",
        "supervised",
    ]
    assert number_name(run(FRACTIONS), "10 %") == "10 % of the images"
    rates = Factor(name="rate", field="lr", levels={"low": 0.01, "high": 0.1}, baseline="low")
    assert number_name(run(rates), "high") == "lr 0.1"
    assert counted(1, "iterations") == "1 iteration"


def test_common_levels_have_a_seed_in_both_arms() -> None:
    lost = {("target", "10"): (0, 1, 2), ("base>target", "30"): (0, 1), ("target", "30"): (2,)}
    found = run(BUDGETS, failed=lambda cell: cell[2] in lost.get(cell[:2], ()))
    assert common(found, "rsscn7", ["target", "base>target"]) == ["90", "270", "810"]
    assert common(found, "rsscn7", ["base>target", "base"]) == ["10", "30", "90", "270", "810"]


def test_common_levels_are_those_planned_where_none_finished() -> None:
    factor = BUDGETS.model_copy(update={"only": {"target": ("270", "810")}})
    spec = simulate_numbers.study(factor)
    whole = simulate_numbers.run(spec, TRUTH, examples=20)
    nothing = simulate_numbers.run(spec, TRUTH, examples=20, failed=lambda cell: True)
    for found in (whole, nothing):
        assert common(found, "rsscn7", ["target", "base>target"]) == ["270", "810"]
