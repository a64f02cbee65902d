from __future__ import annotations

import pytest
from pydantic import ValidationError

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.arm import Arm, Phase
from hpt_ray.spec.study import Evaluation, Factor, Pretraining, Study, Weights
from tests.support import small


def test_a_study_is_frozen_and_survives_the_way_through_json():
    study = small.study()
    assert Study.model_validate_json(study.model_dump_json()).model_dump(mode="json") == study.model_dump(mode="json")
    with pytest.raises(ValidationError, match="frozen"):
        study.backbone = "resnet18"  # type: ignore[misc]


def test_chains_may_be_given_as_text():
    assert small.study(arms=("target",)).arms == (Arm(phases=(Phase(role="target"),)),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": ("bse>target",)}, r"unknown role in arm 'bse>target' 'bse'\. Did you mean 'base'\?"),
        ({"arms": ("target:bn",)}, "':bn' adapts the batch norm of an earlier phase and cannot come first"),
        ({"arms": ("target:keep",)}, "':keep' keeps the features of an earlier phase and cannot come first"),
        ({"arms": ("base>target:keep",), "compile": True}, "':keep' works with networks that are not compiled"),
        ({"arms": ("target", "target")}, "the same arm is named twice"),
        ({"seeds": (1, 1)}, "the same seed is named twice"),
        ({"targets": ("digits", "digits")}, "the same target is named twice"),
        ({"factors": (small.policy_factor(), small.policy_factor())}, "the same factor is named twice"),
        ({"image_size": 17}, "views of 17 pixels cannot be cut from images decoded to 16"),
        (
            {"recipes": {"base": Weights(source="a.pt"), "target": small.recipe()}, "arms": ("target>base",)},
            "base is given weights and can only come first",
        ),
        (
            {"recipes": {"base": Weights(source="a.pt"), "target": small.recipe()}, "arms": ("target>base:bn",)},
            "base is given weights and can only come first",
        ),
        (
            {"factors": (Factor(name="f", field="lr", levels={"a": 0.1}, baseline="a", roles=("source",)),)},
            "'source' does not pretrain",
        ),
    ],
)
def test_a_study_that_does_not_hold_together_says_why(changes, message):
    with pytest.raises(StudyError, match=message):
        small.study(**changes)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "../up"}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": ""}, "name"),
        ({"arms": ()}, "arms"),
        ({"seeds": ()}, "seeds"),
        ({"targets": ()}, "targets"),
        ({"evaluations": ()}, "evaluations"),
        ({"image_size": 0}, "image_size"),
        ({"precision": "float16"}, "precision"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_field_out_of_range_is_named(changes, field):
    with pytest.raises(ValidationError) as caught:
        small.study(**changes)
    assert caught.value.errors()[0]["loc"][0] == field


@pytest.mark.parametrize(
    "changes",
    [
        {"iterations": 0},
        {"iterations": -1},
        {"batch": 100},
        {"group": 0},
        {"lr": 0.0},
        {"lr": float("inf")},
        {"lr": float("nan")},
        {"momentum": 1.0},
        {"weight_decay": -1e-4},
        {"data": ""},
        {"options": {"temperature": float("nan")}},
        {"epochs": 3},
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(changes):
    with pytest.raises(ValidationError):
        Pretraining.model_validate({"iterations": 5, **changes})


def test_a_factors_baseline_and_field_must_exist():
    with pytest.raises(ValidationError, match="'b' is none of the levels of f"):
        Factor(name="f", field="lr", levels={"a": 0.1}, baseline="b")
    with pytest.raises(ValidationError, match="a recipe has no field 'learning_rate'"):
        Factor(name="f", field="learning_rate", levels={"a": 0.1}, baseline="a")
    with pytest.raises(ValidationError):
        Factor(name="f", field="lr", levels={}, baseline="a")


def test_options_of_an_evaluation_are_numbers():
    with pytest.raises(ValidationError):
        Evaluation(probe="linear", options={"penalty": "strong"})


@pytest.mark.parametrize("arms", [None, -1, "target", {}, [3], [None]])
def test_arms_that_are_no_list_of_chains_are_refused_in_a_line(arms: object) -> None:
    with pytest.raises(ValidationError, match="arms"):
        small.study(arms=arms)
