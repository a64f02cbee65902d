"""The candidates of an advice: which there are, and that each is an arm with roles of its own."""

from __future__ import annotations

import pytest

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.candidates import candidates
from hpt_ray.spec.parameters import make
from hpt_ray.spec.study import Weights

ONE = ["synthetic:objects,n=80"]
TWO = ["./there/cifar10", "weights:torchvision:resnet50"]
FURTHER = ("base>target", "base>target:bn")


def test_of_one_base_and_one_way_they_are_the_arms_of_the_paper() -> None:
    every = candidates(ONE, FURTHER, ["moco_v2"], ["baseline"], [90])
    assert [candidate.arm for candidate in every] == ["target", "base", *FURTHER]
    assert [candidate.chain for candidate in every] == ["target", "base", *FURTHER]
    assert [candidate.trains for candidate in every] == [True, False, True, True]


def test_a_base_that_is_given_twice_is_one() -> None:
    once, twice = (candidates(bases, FURTHER, ["moco_v2"], ["baseline"], [90]) for bases in (ONE, ONE * 2))
    assert once == twice


def test_each_base_and_each_way_is_a_role_of_its_own() -> None:
    every = candidates(TWO, FURTHER, ["moco_v2", "simclr"], ["baseline", "no_color"], [30, 90])
    arms = {candidate.arm for candidate in every}
    # From scratch; two bases by two methods as they are, and one given; two arms by eight ways from each base.
    assert len(arms) == len(every) == 1 + 3 + 2 * 2 * 8
    assert {"cifar10_simclr", "resnet50", "resnet50>target", "cifar10_moco_v2>target:bn"} <= arms
    assert "cifar10_simclr>target_simclr_no_color_30:bn" in arms
    (one,) = [each for each in every if each.arm == "resnet50>target_simclr_no_color_30:bn"]
    assert (one.base, one.chain) == ("weights:torchvision:resnet50", "base>target:bn")
    assert (one.method, one.policy, one.iterations) == ("simclr", "no_color", 30)


@pytest.mark.parametrize(
    ("bases", "chains", "words"),
    [
        (ONE, ("base>source>target",), "does not go from base to target"),
        (ONE, ("target>target",), "does not go from base to target"),
        (ONE, ("base>target>",), "cannot be read"),
        (["a/cifar10", "b/cifar10"], FURTHER, "two candidates are called 'cifar10'"),
    ],
)
def test_what_cannot_be_told_apart_or_read_is_refused(bases, chains, words: str) -> None:
    with pytest.raises(StudyError, match=words):
        candidates(bases, chains, ["moco_v2"], ["baseline"], [90])


def test_the_study_gives_every_role_its_recipe() -> None:
    given = {"base": "synthetic:objects,n=80,weights:torchvision:resnet18", "methods": "moco_v2,simclr"}
    study = make("advice", given | {"policies": "baseline,crop_only", "budgets": "3,9", "scratch_iterations": 7})
    assert study.recipes["resnet18"] == Weights(source="torchvision:resnet18")
    assert study.recipes["objects_n_80_simclr"].method == "simclr"
    role = study.recipes["target_simclr_crop_only_3"]
    assert (role.method, role.iterations, role.policy.color_jitter, role.data) == ("simclr", 3, None, None)
    scratch = study.recipes["target"]
    assert (scratch.method, scratch.iterations, scratch.iterations_from_scratch) == ("moco_v2", 9, 7)
    assert role.options == make("methods", {"method": "simclr"}).recipes["target"].options
