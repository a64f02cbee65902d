"""How much does each arm lose when the augmentation policy is not the one it was tuned for?

    hpt-study run augment_ablation

At the quick scale: less than five minutes on two cores. Expected (linear probe, test, baseline policy, three seeds
with bases of their own): HPT 42 %, HPT-BN 38 %, direct transfer 36 %, from scratch 32 %; HPT better than either, and
not enough evidence on the robustness.

Reed et al. (arXiv 2103.12718), section 4.3: five policies, from MoCo-v2's own to a bare crop; the policy changes in
target pretraining alone. In the paper one base is given.
"""

from typing import Annotated, Unpack

from hpt_ray.spec import factors
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.scales import (
    ARMS,
    BASE,
    SCALES,
    TARGET,
    Arms,
    Base,
    Budgets,
    ScaleName,
    Seeds,
    Targets,
    given_base,
)
from hpt_ray.spec.study import Study

POLICIES = ("baseline", "no_grayscale", "no_color", "crop_blur", "crop_only")


def study(
    *,
    base: Base = BASE,
    target: Targets = TARGET,
    policies: Annotated[tuple[str, ...], "augmentation policies to compare; the first is the baseline"] = POLICIES,
    arms: Arms = ARMS,
    seeds: Seeds = 3,
    scale: ScaleName = "quick",
    **settings: Unpack[Budgets],
) -> Study:
    given = SCALES[scale].adjusted(**settings)
    return Study(
        name="augment_ablation",
        question="Is hierarchical pretraining more robust to the augmentation policy than pretraining from scratch?",
        arms=tuple(map(Arm.parse, arms)),
        targets=target,
        recipes={"base": given_base(base, given.base), "target": given.target},
        factors=(factors.policies(policies, given.target),),
        seeds=tuple(range(seeds)),
        evaluations=given.evaluations,
        **given.network,
    )
