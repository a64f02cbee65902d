from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from hpt_ray.analysis.compared import compare, paired_difference
from hpt_ray.analysis.measures import robustness
from hpt_ray.analysis.measures.run import HPT, SCRATCH, Run
from tests.support import simulate

NAMES = ("first", "second")


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate.run(examples=120)


def swapped(run: Run) -> Run:
    """The run with HPT and from scratch in each other's place."""
    places = {HPT: SCRATCH, SCRATCH: HPT}
    tables = {name: getattr(run, name) for name in ("results", "predictions")}
    tables["results"] = tables["results"].assign(stage=tables["results"]["stage"].astype(str) + " swapped")
    return replace(run, **{name: table.assign(arm=table["arm"].replace(places)) for name, table in tables.items()})


def of_seeds(run: Run, seeds: tuple[int, ...]) -> Run:
    """The run without its other seeds."""

    def kept(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["seed"].isna() | table["seed"].isin(seeds)]

    study = run.study.model_copy(update={"seeds": seeds})
    manifest = run.manifest.model_copy(update={"study": study})
    return replace(run, results=kept(run.results), predictions=kept(run.predictions), manifest=manifest)


def of_other_data(run: Run) -> Run:
    data = {
        name: summary.model_copy(update={"fingerprint": "another"}) for name, summary in run.manifest.datasets.items()
    }
    return replace(run, manifest=run.manifest.model_copy(update={"datasets": data}))


def test_two_runs_compare_as_two_arms_of_one_run_do(run: Run) -> None:
    target = run.study.targets[0]
    for level in run.levels:
        expected = robustness.difference(run, target, SCRATCH, HPT, level)
        assert paired_difference(run, swapped(run), target, HPT, level) == expected is not None


def test_seeds_and_examples_that_one_run_lacks_are_left_out(run: Run) -> None:
    target, part = run.study.targets[0], of_seeds(run, (0, 2))
    expected = robustness.difference(part, target, SCRATCH, HPT, "baseline")
    assert paired_difference(run, swapped(part), target, HPT, "baseline") == expected
    fewer = replace(run, predictions=run.predictions[run.predictions["example"] < 80])
    assert paired_difference(run, swapped(fewer), target, HPT, "baseline") == robustness.difference(
        fewer, target, SCRATCH, HPT, "baseline"
    )


@pytest.mark.parametrize("change", [of_other_data, lambda run: of_seeds(run, (2,))])
def test_without_seeds_or_images_in_common_there_is_no_interval(run: Run, change: Any) -> None:
    first, other = of_seeds(run, (0, 1)), change(swapped(run))
    assert paired_difference(first, other, run.study.targets[0], HPT, "baseline") is None
    found = compare(first, other, NAMES)
    assert "have no interval" in found.note
    assert {row[-1] for row in found.numbers.rows} <= {"–", ""}


def test_what_was_asked_otherwise_is_named_and_what_is_the_same_is_not(run: Run) -> None:
    study = run.study
    recipes = study.recipes | {"target": study.recipes["target"].model_copy(update={"iterations": 300})}
    longer = run.manifest.model_copy(
        update={"study": study.model_copy(update={"recipes": recipes, "seeds": (0, 1), "question": "Another?"})}
    )
    found = compare(run, replace(run, manifest=longer), NAMES)
    assert found.asked.columns == ("What", *NAMES)
    assert found.asked.rows == (("recipes.target.iterations", "200", "300"), ("seeds", "0, 1, 2", "0, 1"))
    assert {row[-1] for row in found.numbers.rows} == {"the same stages at shared seeds"}
    assert {row[-1] for row in compare(run, run, NAMES).numbers.rows} == {"the same stages"}


def test_runs_that_measure_different_things_are_not_compared(run: Run) -> None:
    study = run.study.model_copy(update={"evaluations": run.study.evaluations[1:]})
    other = replace(run, manifest=run.manifest.model_copy(update={"study": study}))
    found = compare(run, other, NAMES)
    assert found.numbers.rows == () and "different things" in found.note
