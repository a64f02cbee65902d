from __future__ import annotations

import inspect

import pytest
from pydantic import ValidationError

from hpt_ray.core.errors import UnknownNameError
from hpt_ray.core.registry import load, module, names
from hpt_ray.spec.policy import (
    OPTIONAL,
    ColorJitter,
    GaussianBlur,
    Grayscale,
    HorizontalFlip,
    Policy,
    RandomResizedCrop,
)

#: What each ablation of the paper leaves out of the baseline (arXiv 2103.12718, section 4.3, and its configurations).
LEFT_OUT = {
    "baseline": set(),
    "no_grayscale": {"grayscale"},
    "no_color": {"color_jitter"},
    "crop_blur": {"color_jitter", "grayscale", "flip"},
    "crop_only": {"color_jitter", "grayscale", "blur", "flip"},
    # not of the paper: for domains where colour, or facing left or right, is what decides
    "no_color_no_grayscale": {"color_jitter", "grayscale"},
    "no_flip": {"flip"},
}


def test_every_policy_is_known_here():
    assert set(names("policies")) == set(LEFT_OUT)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_an_ablation_leaves_out_its_operators_and_nothing_else_differs(name):
    policy, baseline = load("policies", name), load("policies", "baseline")
    assert {operator for operator in OPTIONAL if getattr(policy, operator) is None} == LEFT_OUT[name]
    for operator in Policy.model_fields:
        assert getattr(policy, operator) in (None, getattr(baseline, operator))


@pytest.mark.parametrize("name", sorted(set(LEFT_OUT) - {"baseline"}))
def test_an_ablation_is_written_as_a_difference(name):
    assert "baseline.without(" in inspect.getsource(module("policies", name))


def test_the_baseline_is_that_of_moco_v2():
    assert load("policies", "baseline") == Policy(
        crop=RandomResizedCrop(scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3)),
        color_jitter=ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, p=0.8),
        grayscale=Grayscale(p=0.2),
        blur=GaussianBlur(sigma=(0.1, 2.0), p=0.5),
        flip=HorizontalFlip(p=0.5),
    )


@pytest.mark.parametrize("operator", ["crop", "colour", ""])
def test_the_crop_and_what_is_no_operator_cannot_be_left_out(operator):
    with pytest.raises(UnknownNameError, match="Available: blur, color_jitter, flip, grayscale"):
        Policy().without(operator)


def test_without_and_replace_leave_the_original_alone():
    policy = Policy()
    assert policy.without("blur").blur is None
    assert policy.replace(blur=GaussianBlur(p=0.1)).blur == GaussianBlur(p=0.1)
    assert policy == Policy()
    with pytest.raises(ValidationError):
        policy.blur = None  # type: ignore[misc]


def test_replace_is_validated():
    with pytest.raises(ValidationError):
        Policy().replace(crop=None)
    with pytest.raises(ValidationError):
        Policy().replace(colour=ColorJitter())


@pytest.mark.parametrize(
    ("operator", "fields", "message"),
    [
        (RandomResizedCrop, {"scale": (0.0, 1.0)}, "0 < low <= high"),
        (RandomResizedCrop, {"scale": (0.8, 0.2)}, "0 < low <= high"),
        (RandomResizedCrop, {"scale": (0.2, 1.5)}, "at most 1"),
        (RandomResizedCrop, {"ratio": (-1.0, 1.0)}, "0 < low <= high"),
        (RandomResizedCrop, {"ratio": (1.0, float("inf"))}, "finite"),
        (RandomResizedCrop, {"scale": (float("nan"), 1.0)}, "finite"),
        (ColorJitter, {"brightness": 1.1}, "less than or equal to 1"),
        (ColorJitter, {"hue": 0.6}, "less than or equal to 0.5"),
        (ColorJitter, {"contrast": -0.1}, "greater than or equal to 0"),
        (ColorJitter, {"p": 1.2}, "less than or equal to 1"),
        (ColorJitter, {"gamma": 0.1}, "not permitted"),
        (GaussianBlur, {"sigma": (2.0, 0.1)}, "0 < low <= high"),
        (GaussianBlur, {"sigma": (0.1, float("inf"))}, "finite"),
        (GaussianBlur, {"kernel": 0.0}, "greater than 0"),
        (Grayscale, {"p": float("nan")}, "finite"),
        (HorizontalFlip, {"p": "often"}, "valid number"),
    ],
)
def test_a_strength_that_makes_no_sense_is_refused(operator, fields, message):
    with pytest.raises(ValidationError, match=message):
        operator(**fields)


def test_a_policy_survives_the_way_through_json():
    policy = Policy().without("flip").replace(color_jitter=ColorJitter(hue=0.4))
    assert Policy.model_validate_json(policy.model_dump_json()) == policy
