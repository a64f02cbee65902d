"""Which way of going on from one base is best on the target, and what does each forget?

    hpt-study run adapt
    hpt-study run adapt --set base=weights.pth --set backbone=resnet50 --set target=my_images --set retain=cifar_folder

At the quick scale: three to four minutes on two cores. From the same base: direct transfer, HPT, HPT-BN, averages of
HPT and the base (WiSE-FT, arXiv 2109.01903), HPT with features kept near the base's (GFM, arXiv 2302.04476), and
pretraining from scratch beside them. Forgetting is measured on the base's own data, where these are a data set; for
given weights, name one by ``retain``.
"""

from typing import Annotated, Unpack

from hpt_ray.spec.arm import Arm, Weight
from hpt_ray.spec.scales import BASE, SCALES, TARGET, Base, Budgets, ScaleName, Seeds, Targets, given_base
from hpt_ray.spec.study import Study, Weights


def study(
    *,
    base: Base = BASE,
    target: Targets = TARGET,
    averages: Annotated[tuple[Weight, ...], "weights of HPT in its averages with the base"] = (0.5,),
    arms: Annotated[tuple[str, ...] | None, "pretraining hierarchies to compare; none: all ways from one base"] = None,
    seeds: Seeds = 3,
    scale: ScaleName = "quick",
    **settings: Unpack[Budgets],
) -> Study:
    made = given_base(base, SCALES[scale].adjusted(**settings).base)
    if not isinstance(made, Weights):
        settings.setdefault("retain", base)
    given = SCALES[scale].adjusted(**settings)
    between = tuple(f"base~{weight:g}~target" for weight in averages)
    chains = arms or ("target", "base", "base>target", "base>target:bn", *between, "base>target:keep")
    return Study(
        name="adapt",
        question="Which way of going on from a base is best on the target, and what does each forget?",
        arms=tuple(map(Arm.parse, chains)),
        targets=target,
        recipes={"base": made, "target": given.target},
        seeds=tuple(range(seeds)),
        evaluations=given.evaluations,
        **given.network,
    )
