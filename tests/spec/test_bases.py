"""Which seeds share a base, and what a study's bases are."""

from __future__ import annotations

import pytest

from hpt_ray.core import registry
from hpt_ray.core.errors import StudyError
from hpt_ray.spec.bases import Bases, bases
from hpt_ray.spec.grid import seed_of
from hpt_ray.spec.parameters import make
from hpt_ray.spec.study import Pretraining

STUDIES = registry.names("studies")


def found(study: str = "augment_ablation", **settings: object) -> Bases:
    result = bases(make(study, settings))
    assert result is not None
    return result


@pytest.mark.parametrize("study", STUDIES)
def test_every_seed_has_a_base_of_its_own_unless_the_bases_are_fewer(study: str) -> None:
    rows = len(make(study, {"seeds": 4}).seeds)
    own = found(study, seeds=4)
    assert (own.role, own.number, own.given) == ("base", rows, False)
    assert own.levels == (study in ("base_robustness", "methods"))
    assert found(study, seeds=4, base_seeds=1).groups == (tuple(range(rows)),)
    assert found(study, seeds=4, base_seeds=2).groups == (tuple(range(0, rows, 2)), tuple(range(1, rows, 2)))


def test_the_seeds_cycle_over_the_bases() -> None:
    recipe = Pretraining(iterations=1, seeds=3)
    assert [seed_of(recipe, seed) for seed in (0, 1, 2, 3, 7, -1)] == [0, 1, 2, 0, 1, 2]
    assert found(seeds=2, base_seeds=5).number == 2


def test_given_weights_are_one_base() -> None:
    one = found(base="weights:torchvision:resnet18", backbone="resnet18")
    assert (one.number, one.given) == (1, True)
    with pytest.raises(StudyError, match="base_seeds=3: the base weights:torchvision:resnet18 is given weights"):
        make("augment_ablation", {"base": "weights:torchvision:resnet18", "base_seeds": 3})


def test_from_scratch_alone_there_is_no_base() -> None:
    assert bases(make("augment_ablation", {"arms": "target"})) is None


def test_a_single_base_counts_though_another_role_has_several() -> None:
    assert (found("sequential", base_seeds=1).role, found("sequential", base_seeds=1).number) == ("base", 1)


def test_a_phase_has_one_given_seed_or_several() -> None:
    with pytest.raises(ValueError, match="one seed that is given, or several"):
        Pretraining(iterations=1, seed=0, seeds=2)
