"""What does each phase of a longer hierarchy add: base, source, target?

    hpt-study run sequential

At the quick scale: two to three minutes on two cores. Everything is evaluated on the target. Reed et al. (arXiv
2103.12718), section 4.6: RESISC to UC-Merced, clipart to sketch, CheXpert to chest X-ray kids.
"""

from typing import Annotated, Unpack

from hpt_ray.spec.arm import Arm
from hpt_ray.spec.recipe import change
from hpt_ray.spec.scales import BASE, SCALES, TARGET, Arms, Base, Budgets, ScaleName, Seeds, Targets, given_base
from hpt_ray.spec.study import Study

ARMS = ("target", "base", "base>target", "base>source", "source>target", "base>source>target")


def study(
    *,
    base: Base = BASE,
    source: Annotated[str, "data set between base and target"] = "synthetic:texture",
    target: Targets = TARGET,
    arms: Arms = ARMS,
    seeds: Seeds = 3,
    scale: ScaleName = "quick",
    **settings: Unpack[Budgets],
) -> Study:
    given = SCALES[scale].adjusted(**settings)
    return Study(
        name="sequential",
        question="What does each phase of pretraining add, from base over source to target?",
        arms=tuple(map(Arm.parse, arms)),
        targets=target,
        recipes={
            "base": given_base(base, given.base),
            "source": change(given.target, data=source),
            "target": given.target,
        },
        seeds=tuple(range(seeds)),
        evaluations=given.evaluations,
        **given.network,
    )
