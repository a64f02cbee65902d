"""How good must the base be for HPT to pay?

    hpt-study run base_robustness

At the quick scale: about six minutes on two cores. Bases of increasing pretraining, each a run of its own with its own
cosine schedule, and a supervised one; at the paper's scale of 20, 200 and 800 epochs of ImageNet. Reed et al. (arXiv
2103.12718), section 4.5.
"""

from typing import Annotated, Any, Unpack

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.recipe import Positive
from hpt_ray.spec.scales import ARMS, BASE, SCALES, TARGET, Arms, Base, Budgets, ScaleName, Seeds, Targets, given_base
from hpt_ray.spec.study import Factor, Study, Weights

#: ImageNet has 5,004 batches of 256 an epoch.
BUDGETS = {"quick": (60, 200, 600), "paper": (20 * 5_004, 200 * 5_004, 800 * 5_004)}


def study(
    *,
    base: Base = BASE,
    target: Targets = TARGET,
    base_budgets: Annotated[tuple[Positive, ...] | None, "iterations of base pretraining to compare", BUDGETS] = None,
    supervised: Annotated[bool, "also a base pretrained on the labels, for the longest budget"] = True,
    arms: Arms = ARMS,
    seeds: Seeds = 3,
    scale: ScaleName = "quick",
    **settings: Unpack[Budgets],
) -> Study:
    given = SCALES[scale].adjusted(**settings)
    made = given_base(base, given.base)
    if isinstance(made, Weights):
        raise StudyError(f"base_robustness pretrains its bases itself: give base a data set, not the weights {base}.")
    budgets = sorted(base_budgets or BUDGETS[scale])
    levels: dict[str, dict[str, Any]] = {str(budget): {"iterations": budget} for budget in budgets}
    if supervised:
        levels["supervised"] = {"method": "supervised", "options": {}, "iterations": budgets[-1]}
    return Study(
        name="base_robustness",
        question="How good must the base be for hierarchical pretraining to pay?",
        arms=tuple(map(Arm.parse, arms)),
        targets=target,
        recipes={"base": made, "target": given.target},
        factors=(Factor(name="base_model", levels=levels, baseline=str(budgets[-1]), roles=("base",)),),
        seeds=tuple(range(seeds)),
        evaluations=given.evaluations,
        **given.network,
    )
