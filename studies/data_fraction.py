"""How much of the target's data does each arm need for its pretraining?

    hpt-study run data_fraction

At the quick scale: four to five minutes on two cores. Subsets are nested and stratified, and those of a seed the same
for every arm; every probe sees all labels. Reed et al. (arXiv 2103.12718), section 4.4.
"""

from typing import Annotated, Unpack

from hpt_ray.spec import factors
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.scales import ARMS, BASE, SCALES, TARGET, Arms, Base, Budgets, ScaleName, Seeds, Targets, given_base
from hpt_ray.spec.study import Study


def study(
    *,
    base: Base = BASE,
    target: Targets = TARGET,
    percent: Annotated[tuple[float, ...], "shares of the target's pretraining images, in per cent"] = (
        1,
        10,
        25,
        50,
        100,
    ),
    arms: Arms = ARMS,
    seeds: Seeds = 3,
    scale: ScaleName = "quick",
    **settings: Unpack[Budgets],
) -> Study:
    given = SCALES[scale].adjusted(**settings)
    return Study(
        name="data_fraction",
        question="How much target data does hierarchical pretraining need, against pretraining from scratch?",
        arms=tuple(map(Arm.parse, arms)),
        targets=target,
        recipes={"base": given_base(base, given.base), "target": given.target},
        factors=(factors.fractions(percent),),
        seeds=tuple(range(seeds)),
        evaluations=given.evaluations,
        **given.network,
    )
