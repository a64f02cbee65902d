"""The space of policies that a search goes through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_ray.core.registry import load
from hpt_ray.spec.policy import Grayscale, Policy, RandomResizedCrop, with_hue
from hpt_ray.spec.policy_space import OPERATORS, SPACE, random_policies, to_point, to_policy, written

POINTS = st.fixed_dictionaries({name: st.floats(*ends) for name, ends in SPACE.items()})


@given(POINTS)
def test_a_point_and_its_policy_say_the_same(point):
    policy = to_policy(point)
    assert to_point(policy) == point
    assert policy.crop.scale == (point["crop_scale"], 1.0)
    assert policy.blur is not None and policy.blur.sigma[1] == point["blur_sigma"]


def test_every_parameter_belongs_to_one_operator():
    assert sorted(name for names in OPERATORS.values() for name in names) == sorted(SPACE)


@pytest.mark.parametrize("hue", [0.1, 0.4])
def test_the_baselines_of_moco_and_of_the_paper_lie_inside(hue):
    baseline = with_hue(load("policies", "baseline"), hue)
    found = to_point(baseline)
    assert found is not None and found["jitter_hue"] == hue
    assert to_policy(found) == baseline


@pytest.mark.parametrize(
    "policy",
    [
        Policy().without("blur"),
        Policy(crop=RandomResizedCrop(scale=(0.2, 0.8))),
        Policy(crop=RandomResizedCrop(scale=(0.01, 1.0))),
        Policy().replace(color_jitter={"brightness": 0.1, "contrast": 0.4, "saturation": 0.4}),
    ],
)
def test_a_policy_that_the_space_lacks_has_no_point(policy):
    assert to_point(policy) is None
    assert "not of the space" in written(policy)


def test_more_random_policies_begin_with_the_same_ones():
    few, many = random_policies(0, 3), random_policies(0, 40)
    assert list(few.items()) == list(many.items())[:3]
    assert len({policy.model_dump_json() for policy in many.values()}) == 40
    assert random_policies(1, 3) != few


def test_random_policies_fill_the_space_evenly():
    points = [to_point(policy) for policy in random_policies(0, 300).values()]
    for name, (low, high) in SPACE.items():
        values = [(point[name] - low) / (high - low) for point in points if point is not None]
        assert len(values) == 300
        assert sum(values) / 300 == pytest.approx(0.5, abs=4 * (1 / 12 / 300) ** 0.5)


def test_a_policy_in_words():
    text = written(Policy().replace(grayscale=Grayscale(p=0.25)))
    assert "crop from 0.2 of the area" in text and "grayscale p 0.25" in text and "blur up to 2 px with p 0.5" in text
