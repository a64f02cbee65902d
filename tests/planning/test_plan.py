from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from hpt_ray.core.errors import DataError, StudyError, WeightsError
from hpt_ray.core.identity import VERSIONS, content_id
from hpt_ray.planning.plan import Cell, Plan
from hpt_ray.planning.unfold import make_plan
from hpt_ray.spec.grid import data_of, recipes_of
from hpt_ray.spec.policy import ColorJitter, Policy
from hpt_ray.spec.study import Evaluation, Factor, Study, Weights
from tests.support import small


def with_recipe(role: str, **changes: Any) -> Study:
    recipes = {**small.study().recipes}
    recipes[role] = recipes[role].model_copy(update=changes)
    return small.study(recipes=recipes)


def cells_of(plan: Plan, arm: str) -> list[Cell]:
    return [cell for cell in plan.cells if cell.arm == arm]


def of_kind(plan: Plan, kind: str) -> set[str]:
    return {stage.id for stage in plan.stages.values() if stage.kind == kind}


def test_cells_and_stages_are_as_many_as_the_question_has():
    plan = small.plan(small.study(seeds=(0, 1, 2)))
    # From scratch, HPT and HPT-BN: 2 policies x 3 seeds each; direct transfer is one cell.
    assert {arm: len(cells_of(plan, arm)) for arm in small.ARMS} == {
        "target": 6,
        "base": 1,
        "base>target": 6,
        "base>target:bn": 6,
    }
    assert len(of_kind(plan, "pretrain")) == 1 + 18
    # Two probes of every weights, and of the random features of each seed (the base's seed is one of them).
    assert len(of_kind(plan, "evaluate")) == 2 * (19 + 3)


def test_direct_transfer_is_one_cell_without_level_and_seed():
    (cell,) = cells_of(small.plan(small.study(seeds=(0, 1))), "base")
    assert cell.seed is None
    assert cell.levels == {"policy": None}
    assert cell.label == "Direct transfer"


def test_parents_stand_before_children_on_an_earlier_level():
    study = small.study(
        arms=("base>source>target", "base>target", "target"),
        recipes={**small.study().recipes, "source": small.recipe(data="digits")},
    )
    plan = small.plan(study)
    seen: dict[str, int] = {}
    for stage in plan.stages.values():
        assert stage.level == (0 if stage.needs is None else seen[stage.needs] + 1)
        assert (stage.content.weights if stage.kind == "evaluate" else stage.content.init) == stage.needs
        seen[stage.id] = stage.level
    assert max(seen.values()) == 3  # base, source, target, evaluation


def test_equal_prefixes_are_one_stage():
    plan = small.plan(small.study(seeds=(0, 1)))
    first = {cell.phases[0] for arm in ("base", "base>target", "base>target:bn") for cell in cells_of(plan, arm)}
    assert len(first) == 1
    for cell in cells_of(plan, "base>target"):
        assert cell.step0 == cells_of(plan, "base")[0].evaluations


def test_step_0_of_from_scratch_is_the_random_initialisation_of_its_seed():
    plan = small.plan(small.study(seeds=(0, 1)))
    for cell in cells_of(plan, "target"):
        for stage in cell.step0:
            assert plan.stages[stage].content.weights is None
            assert plan.stages[stage].content.init == cell.seed


def test_from_scratch_has_its_own_budget():
    plan = small.plan(with_recipe("target", iterations=5, iterations_from_scratch=50))
    assert {cell.iterations for cell in cells_of(plan, "target")} == {50}
    assert {cell.iterations for cell in cells_of(plan, "base>target")} == {5}
    assert {plan.stages[cell.phases[-1]].images for cell in cells_of(plan, "target")} == {50 * 16}


def test_arms_of_a_seed_are_paired():
    """Same data, same seed of every draw; only what the arm is about differs."""
    plan = small.plan()
    trained = {
        cell.arm: plan.stages[cell.phases[-1]].content.model_dump()
        for cell in plan.cells
        if cell.levels["policy"] == "baseline"
    }
    different = {
        key
        for key in trained["target"]
        if len({str(trained[arm][key]) for arm in ("target", "base>target", "base>target:bn")}) > 1
    }
    assert different == {"init", "tune"}


def renamed(study: Study, **names: str) -> Study:
    """The study with the levels of its policy factor under other names."""
    (factor,) = study.factors
    levels = {names.get(name, name): value for name, value in factor.levels.items()}
    changed = Factor(name="augmentation", field="policy", levels=levels, baseline=names["baseline"])
    return study.model_copy(update={"factors": (changed,)})


@pytest.mark.parametrize(
    "changed",
    [
        small.study(name="another", question="Another?"),
        small.study(parameters={"seeds": 1}),
        renamed(small.study(), baseline="standard", crop_only="bare"),
        small.study(arms=tuple(reversed(small.ARMS))),
    ],
    ids=["name", "parameters", "labels", "order of arms"],
)
def test_what_changes_no_number_changes_no_stage(changed):
    assert set(small.plan(changed).stages) == set(small.plan().stages)


def test_the_ids_of_single_label_evaluations_have_no_metric_in_them():
    """A store of before multi-label data keeps its worth: the formula, written out."""
    plan = small.plan()
    stage = plan.stages[plan.cells[0].evaluations[0]]
    content = {
        "kind": "evaluate",
        "version": VERSIONS["evaluate"],
        "probe": "linear",
        "options": {},
        "backbone": "resnet_small",
        "image_size": 16,
        "precision": "float32",
        "data": f"content of {small.TARGET}",
        "weights": stage.needs,
        "init": None,
    }
    assert stage.content.model_dump(mode="json") == content
    assert stage.id == content_id(content)
    targets = np.arange(40, dtype=np.int8).reshape(20, 2) // 2 % 2
    multilabel = dataclasses.replace(small.dataset(small.TARGET), targets=targets)
    other = make_plan(small.study(), {small.TARGET: multilabel, small.BASE: small.dataset(small.BASE)})
    found = other.stages[other.cells[0].evaluations[0]]
    assert found.content.model_dump(mode="json") == content | {"metric": "auroc"}
    assert found.id != stage.id


def test_a_data_set_is_known_by_its_content_not_by_its_path():
    moved = small.study(targets=("somewhere/else",))
    datasets = {
        small.BASE: small.dataset(small.BASE),
        "somewhere/else": small.dataset("somewhere/else", f"content of {small.TARGET}"),
    }
    assert set(make_plan(moved, datasets).stages) == set(small.plan().stages)


@pytest.mark.parametrize(
    "changes",
    [
        {"iterations": 4},
        {"batch": 32},
        {"group": 4},
        {"lr": 0.1},
        {"momentum": 0.8},
        {"weight_decay": 1e-3},
        {"seed": 7},
        {"method": "other"},
        {"options": {"queue": 64, "dim": 8}},
        {"policy": Policy().replace(color_jitter=ColorJitter(hue=0.2))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_changes_a_number_changes_the_stage_and_all_after_it(changes):
    before, after = small.plan(), small.plan(with_recipe("base", **changes))
    behind = {stage for cell in before.cells if cell.arm != "target" for stage in (*cell.phases, *cell.evaluations)}
    assert not behind & set(after.stages)
    untouched = {stage for cell in before.cells if cell.arm == "target" for stage in (*cell.phases, *cell.evaluations)}
    assert untouched <= set(after.stages)


@pytest.mark.parametrize(
    "changes", [{"backbone": "resnet18"}, {"image_size": 15}], ids=lambda changes: next(iter(changes))
)
def test_network_and_view_size_change_every_stage(changes):
    assert not set(small.plan().stages) & set(small.plan(small.study(**changes)).stages)


def test_precision_changes_every_pretraining():
    before, after = small.plan(), small.plan(small.study(precision="bfloat16"))
    assert not of_kind(before, "pretrain") & of_kind(after, "pretrain")


def test_another_content_of_the_target_changes_what_has_seen_it():
    before = small.plan()
    after = small.plan(**{small.TARGET: "other content"})
    shared = set(before.stages) & set(after.stages)
    assert {before.stages[stage].kind for stage in shared} == {"pretrain"}
    assert shared == {cells_of(before, "base")[0].phases[0]}


def test_the_version_of_the_code_is_part_of_the_identity(monkeypatch):
    before = small.plan()
    monkeypatch.setitem(__import__("hpt_ray.core.identity", fromlist=["VERSIONS"]).VERSIONS, "evaluate", 999)
    after = small.plan()
    assert of_kind(before, "pretrain") == of_kind(after, "pretrain")
    assert not of_kind(before, "evaluate") & of_kind(after, "evaluate")


def test_options_of_a_probe_change_its_evaluations_alone():
    before = small.plan()
    after = small.plan(small.study(evaluations=(Evaluation(probe="linear", options={"x": 1}), Evaluation(probe="knn"))))
    lost = set(before.stages) - set(after.stages)
    assert {before.stages[stage].content.probe for stage in lost} == {"linear"}
    assert of_kind(before, "pretrain") == of_kind(after, "pretrain")


def test_one_more_seed_adds_only_its_own_stages():
    before, after = small.plan(), small.plan(small.study(seeds=(0, 1)))
    assert set(before.stages) < set(after.stages)
    new = [stage for key, stage in after.stages.items() if key not in before.stages]
    assert {stage.content.seed for stage in new if stage.kind == "pretrain"} == {1}
    assert len([stage for stage in new if stage.kind == "pretrain"]) == 6


def test_one_more_policy_adds_only_its_own_stages():
    blur = Policy().without("blur")
    before = small.plan()
    after = small.plan(small.study(factors=(small.policy_factor({**small.LEVELS, "no_blur": blur}),)))
    assert set(before.stages) < set(after.stages)
    new = [stage for key, stage in after.stages.items() if key not in before.stages and stage.kind == "pretrain"]
    assert len(new) == 3
    assert {stage.content.recipe.policy.blur for stage in new} == {None}


def test_an_edited_policy_changes_only_the_cells_that_use_it():
    edited = small.LEVELS["crop_only"].without("blur").replace(crop={"scale": (0.3, 1.0)})
    before = small.plan()
    after = small.plan(small.study(factors=(small.policy_factor({**small.LEVELS, "crop_only": edited}),)))
    for old, new in zip(before.cells, after.cells, strict=True):
        assert (old == new) == (old.levels["policy"] != "crop_only")


def test_two_studies_share_their_base():
    other = small.study(
        name="other",
        arms=("base>target",),
        factors=(),
        recipes={"base": small.study().recipes["base"], "target": small.recipe(lr=0.5)},
    )
    shared = set(small.plan().stages) & set(small.plan(other).stages)
    assert cells_of(small.plan(), "base")[0].phases[0] in shared


def test_the_plans_id_follows_cells_and_stages():
    ids = [
        small.plan(study).id
        for study in (
            small.study(),
            small.study(question="Another?"),
            small.study(name="other"),
            small.study(seeds=(0, 1)),
            with_recipe("target", lr=0.5),
        )
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


def test_a_unit_is_weights_with_their_evaluations():
    plan = small.plan()
    units = plan.units()
    assert sorted(stage.id for unit in units for stage in unit.stages) == sorted(plan.stages)
    ids = {unit.id for unit in units}
    for unit in units:
        head, *rest = unit.stages
        if head.kind == "pretrain":
            assert unit.id == head.id
            assert [stage.needs for stage in rest] == [head.id] * 2
            assert unit.needs == head.needs
            assert unit.needs in (None, *ids)
        else:
            assert {stage.content.init for stage in unit.stages} == {0}
            assert unit.needs is None


def test_the_longest_chain_of_work_comes_first():
    units = small.plan(with_recipe("target", iterations=2, iterations_from_scratch=4)).units()
    # base (3 iterations) and what follows it (2) are longer than from scratch (4); random features train nothing.
    assert units[0].stages[0].label == "base pretraining"
    assert [unit.label for unit in units[1:3]] == ["From scratch, baseline, seed 0", "From scratch, crop_only, seed 0"]
    assert units[-1].label == "random features, seed 0"


def test_what_is_finished_is_no_longer_needed():
    plan = small.plan()
    (base,) = cells_of(plan, "base")
    done = {*base.phases, base.evaluations[0]}
    units = plan.units(without=done)
    assert done.isdisjoint(stage.id for unit in units for stage in unit.stages)
    assert {unit.needs for unit in units} == {None}
    assert [stage.id for unit in units if unit.id == base.phases[0] for stage in unit.stages] == [base.evaluations[1]]
    assert plan.units(without=plan.stages) == []


def test_two_targets_are_told_apart():
    plan = small.plan(small.study(targets=("digits", small.TARGET)))
    assert len(plan.cells) == 2 * len(small.plan().cells)
    trained = [stage.label for stage in plan.stages.values() if stage.kind == "pretrain"]
    assert len(set(trained)) == len(trained)
    assert data_of(plan.study) == ["digits", small.TARGET, small.BASE]


def test_given_weights_are_a_stage_known_by_the_bytes_of_their_file(tmp_path):
    def plan(name: str, content: bytes) -> Plan:
        (tmp_path / name).write_bytes(content)
        recipes = {**small.study().recipes, "base": Weights(source=str(tmp_path / name))}
        return small.plan(small.study(recipes=recipes))

    one, moved, other = plan("a.pt", b"1"), plan("b.pt", b"1"), plan("c.pt", b"2")
    assert set(one.stages) == set(moved.stages)
    assert of_kind(one, "weights").isdisjoint(of_kind(other, "weights"))
    (cell,) = cells_of(one, "base")
    assert (cell.step0, cell.iterations, cell.seed) == ((), 0, None)
    (given,) = (stage for stage in one.stages.values() if stage.kind == "weights")
    assert "place" not in given.content.model_dump()  # ids of before there were places stay
    recipes = {**small.study().recipes, "base": Weights(source=f"{tmp_path}/a.pt#teacher")}
    placed = small.plan(small.study(recipes=recipes))
    assert of_kind(placed, "weights").isdisjoint(of_kind(one, "weights"))
    (stage,) = (stage for stage in placed.stages.values() if stage.kind == "weights")
    assert stage.content == given.content.model_copy(update={"place": "teacher"})


def test_a_checkpoint_is_hashed_once_for_all_cells(tmp_path, monkeypatch):
    (tmp_path / "a.pt").write_bytes(b"1")
    hashed = []
    monkeypatch.setattr("hpt_ray.planning.stage.file_hash", lambda path: hashed.append(path) or "content")
    recipes = {**small.study().recipes, "base": Weights(source=str(tmp_path / "a.pt"))}
    plan = small.plan(small.study(recipes=recipes, seeds=(0, 1, 2)))
    assert hashed == [tmp_path / "a.pt"]
    assert len([cell for cell in plan.cells if cell.phases[0] in of_kind(plan, "weights")]) > 3


def test_missing_weights_and_missing_labels_are_refused():
    recipes = {**small.study().recipes, "base": Weights(source="nowhere.pt")}
    with pytest.raises(WeightsError, match=r"no checkpoint at nowhere\.pt"):
        small.plan(small.study(recipes=recipes))
    study = small.study()
    datasets = {spec: small.dataset(spec, labelled=spec != small.TARGET) for spec in data_of(study)}
    with pytest.raises(DataError, match="no labels"):
        make_plan(study, datasets)


def test_a_factor_may_vary_the_data_and_every_level_is_checked():
    data = Factor(name="source_data", field="data", levels={"a": "digits", "b": "other"}, baseline="a", roles=("base",))
    study = small.study(factors=(data,))
    assert data_of(study) == [small.TARGET, "digits", "other"]
    assert len({cell.phases[0] for cell in cells_of(small.plan(study), "base")}) == 2
    batches = Factor(name="size", field="batch", levels={"a": 16, "b": 20}, baseline="a")
    with pytest.raises(StudyError, match="level 'b' of factor 'size': batch 20 is not a multiple of the normalisation"):
        recipes_of(small.study(factors=(batches,)))


def test_recipes_are_those_that_some_arm_uses():
    assert recipes_of(small.study(arms=("base",), factors=())) == [small.study().recipes["base"]]
    assert len(recipes_of(small.study())) == 3  # the base, and the target at two policies


def test_a_factor_cannot_take_the_name_of_a_column():
    factor = Factor(name="lr", field="lr", levels={"a": 0.1}, baseline="a")
    with pytest.raises(StudyError, match="call it something else, such as target_lr"):
        small.plan(small.study(factors=(factor,)))


def test_a_large_plan_holds_together():
    """2,000 cells and more: two arms that vary over 20 x 5 levels and 10 seeds."""
    rates = {f"{step}": 0.01 * step for step in range(1, 21)}
    decays = {f"{step}": 1e-4 * step for step in range(5)}
    study = small.study(
        arms=("target", "base", "base>target"),
        factors=(
            Factor(name="rate", field="lr", levels=rates, baseline="1"),
            Factor(name="decay", field="weight_decay", levels=decays, baseline="1"),
        ),
        seeds=tuple(range(10)),
        evaluations=(Evaluation(probe="linear"),),
    )
    plan = small.plan(study)
    assert len(plan.cells) == 2 * 20 * 5 * 10 + 1
    assert len(of_kind(plan, "pretrain")) == 2001
    assert len(plan.units()) == 2001 + 10


def test_labels_tell_stages_apart():
    rates = Factor(name="rate", field="lr", levels={"low": 0.01, "high": 0.1}, baseline="low", roles=("base",))
    plan = small.plan(small.study(factors=(rates, small.policy_factor()), arms=("base>target",)))
    assert [stage.label for stage in plan.stages.values() if stage.kind == "pretrain"] == [
        "base pretraining, low",
        "HPT, low, baseline, seed 0",
        "HPT, low, crop_only, seed 0",
        "base pretraining, high",
        "HPT, high, baseline, seed 0",
        "HPT, high, crop_only, seed 0",
    ]


def with_bases(number: int | None, **changes: Any) -> Plan:
    base = small.recipe(data=small.BASE, seeds=number, iterations=3)
    return small.plan(small.study(recipes={**small.study().recipes, "base": base}, **changes))


def test_every_seed_has_a_base_of_its_own_and_all_arms_of_a_seed_share_it():
    plan = with_bases(None, seeds=(0, 1, 2))
    assert len(plan.bases()) == 3
    for seed in (0, 1, 2):
        (base,) = {cell.phases[0] for cell in plan.cells if cell.seed == seed and cell.arm != "target"}
        assert plan.stages[base].content.seed == seed
        assert plan.stages[base].label == f"base pretraining, seed {seed}"
    assert [cell.seed for cell in cells_of(plan, "base")] == [0, 1, 2]


def test_seeds_cycle_over_fewer_bases():
    plan = with_bases(2, seeds=(0, 1, 2, 3, 4))
    assert [stage.content.seed for stage in plan.bases()] == [0, 1]
    bases = [cell.phases[0] for cell in cells_of(plan, "base")]
    assert bases == [bases[0], bases[1], bases[0], bases[1], bases[0]]


def test_one_base_for_all_seeds_has_the_ids_of_a_base_with_a_given_seed():
    one, given = with_bases(1, seeds=(0, 1)), small.plan(small.study(seeds=(0, 1)))
    assert one.cells == given.cells and list(one.stages) == list(given.stages)
    assert one.id == given.id
    assert len(one.bases()) == 1


def test_a_base_of_several_levels_is_one_for_each_seed_and_level():
    factor = Factor(name="base_model", field="iterations", levels={"1": 1, "2": 2}, baseline="2", roles=("base",))
    plan = with_bases(None, seeds=(0, 1), factors=(factor,))
    assert [stage.label for stage in plan.bases()] == [
        f"base pretraining, {level}, seed {seed}" for level in (1, 2) for seed in (0, 1)
    ]
