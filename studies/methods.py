"""Does the finding depend on the self-supervised method?

    hpt-study run methods

At the quick scale: about six minutes on two cores. Base and target are pretrained by the same method, under MoCo-v2,
SimCLR and BYOL. Reed et al. (arXiv 2103.12718) use MoCo-v2, and BYOL as a second method.
"""

from typing import Annotated, Any, Unpack

from hpt_ray.spec import factors
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.scales import ARMS, BASE, SCALES, TARGET, Arms, Base, Budgets, ScaleName, Seeds, Targets, given_base
from hpt_ray.spec.study import Factor, Study, Weights


def study(
    *,
    base: Base = BASE,
    target: Targets = TARGET,
    methods: Annotated[tuple[str, ...], "self-supervised methods; the first is the baseline"] = (
        "moco_v2",
        "simclr",
        "byol",
    ),
    arms: Arms = ARMS,
    seeds: Seeds = 3,
    scale: ScaleName = "quick",
    **settings: Unpack[Budgets],
) -> Study:
    given = SCALES[scale].adjusted(uses=methods, **settings)
    made = given_base(base, given.base)
    levels: dict[str, dict[str, Any]] = factors.by_level(
        "method", methods, lambda method: {"method": method, "options": given.options(method)}
    )
    return Study(
        name="methods",
        question="Does the effect of hierarchical pretraining depend on the self-supervised method?",
        arms=tuple(map(Arm.parse, arms)),
        targets=target,
        recipes={"base": made, "target": given.target},
        factors=(
            Factor(
                name="method",
                levels=levels,
                baseline=next(iter(levels)),
                # Given weights are what they are, whatever method goes on from them.
                roles=("target",) if isinstance(made, Weights) else ("base", "target"),
            ),
        ),
        seeds=tuple(range(seeds)),
        evaluations=given.evaluations,
        **given.network,
    )
