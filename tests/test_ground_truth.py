"""The study finds what is known to be there: in these domains one factor decides the class, and each operation is known
to keep or to destroy it.

The labels take part in the pretraining, so that 200 iterations suffice to learn what decides the class: as many of
MoCo-v2 stay below random features on ``orientation``, where nothing learned is nothing to lose. The hue is jittered by
the paper's 0.4 turns: by the quick scale's 0.1 a view stays close enough to its hue for the eight classes.
"""

from __future__ import annotations

import pytest

import hpt_ray
from hpt_ray.analysis.robustness import gain, robustness
from hpt_ray.analysis.run import SCRATCH, Run
from hpt_ray.analysis.verdict import Outcome, judge
from hpt_ray.scale import with_hue
from hpt_ray.study import Study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

COLOUR, ORIENTATION, SHAPE = DOMAINS = tuple(f"synthetic:{name},n=2000" for name in ("colour", "orientation", "shape"))
NO_COLOUR, NO_FLIP = "no_color_no_grayscale", "no_flip"


def study() -> Study:
    made = hpt_ray.make(
        "augment_ablation",
        target=DOMAINS,
        policies=("baseline", NO_COLOUR, NO_FLIP),
        arms=(SCRATCH,),
        method="supervised",
        iterations=200,
        seeds=3,
    )
    (factor,) = made.factors
    levels = {name: with_hue(policy, 0.4) for name, policy in factor.levels.items()}
    return made.model_copy(update={"factors": (factor.model_copy(update={"levels": levels}),)})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    result = hpt_ray.run(study(), runner="inline", store=tmp_path_factory.mktemp("store"))
    assert not result.failures
    return result.run


def change(run: Run, domain: str, policy: str):
    """The change of test accuracy, with its interval, when the baseline's policy is replaced."""
    found = robustness(run, domain, SCRATCH)
    assert found is not None
    return found.changes[policy]


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_is_learned_where_nothing_is_in_the_way(run: Run, domain: str) -> None:
    """Else a change of nothing would show nothing."""
    policy = {COLOUR: NO_COLOUR, ORIENTATION: NO_FLIP, SHAPE: "baseline"}[domain]
    found = gain(run, domain, SCRATCH, policy)
    assert found is not None
    assert judge(found) is Outcome.BETTER
