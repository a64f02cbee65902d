"""Pages of runs that grow until they are decided, in which some arms have fewer seeds than others."""

from __future__ import annotations

import dataclasses

import pytest

from hpt_ray.analysis.measures.run import Run
from hpt_ray.core.registry import load
from hpt_ray.report.render import render, verdicts
from hpt_ray.spec.study import Pretraining, Study
from hpt_ray.store.records import Look, Looks
from tests.planning.test_sequence import claim
from tests.support import simulate_studies as simulate

SEEDS = (0, 1, 2, 3, 4)
OWN_BASES = {"base": Pretraining(iterations=600, data="objects"), "target": Pretraining(iterations=100)}


def grown(spec: Study, open_arms: tuple[str, ...] = ("target", "base>target")) -> Run:
    """A run after its looks at three and five seeds, between which only some arms got more cells."""
    recipes = {**spec.recipes, **OWN_BASES}
    whole = simulate.run(spec.model_copy(update={"seeds": SEEDS, "recipes": recipes}), lambda cell: 0.6, examples=60)
    tables = {name: getattr(whole, name) for name in ("results", "predictions", "curves")}
    kept = {
        name: table[table["arm"].isin(open_arms) | table["seed"].isna() | (table["seed"] < 3)]
        for name, table in tables.items()
    }
    left = claim("HPT", "From scratch", target="aerial")
    made = (Look(rows=3, claims=(left,)), Look(rows=5, claims=(left.model_copy(update={"rows": 5, "seeds": 5}),)))
    looks = Looks(most=5, made=made, cells=13, fixed_cells=20, ended="rows")
    return dataclasses.replace(whole, **kept, manifest=whole.manifest.model_copy(update={"looks": looks}))


@pytest.mark.parametrize("spec", [simulate.methods(), simulate.landscape()], ids=lambda spec: spec.name)
def test_a_study_has_a_page_where_arms_have_different_seeds(spec: Study) -> None:
    run, dashboard = grown(spec), load("dashboards", spec.name)
    assert "Look by look" in render(run, dashboard, verdicts(run, dashboard))


def test_the_sources_of_an_arm_are_those_of_its_own_seeds() -> None:
    rows = {row.label: row.parts.seeds for row in load("figures", "sources").compute(grown(simulate.low_label()))}
    assert rows == {"From scratch": 5, "Direct transfer": 3, "HPT": 5, "HPT-BN": 3}
