"""Which base, arm, augmentation policy, method and number of iterations serve these images best?

    hpt-study advise ./my_images --bases ./moco.pth,cifar10

tries the candidates on few seeds, drops the worse half again and again, and decides about the best two on seeds that
nothing was chosen on. ``hpt-study run advice`` trains every candidate on every seed instead, which is what an advice is
measured by. Every base and every recipe of the target is a role of its own, so a candidate is an arm.
"""

from typing import Annotated, Unpack

from hpt_ray.core.registry import is_path, load
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.candidates import candidates
from hpt_ray.spec.policy import Policy, with_hue
from hpt_ray.spec.recipe import Positive, change
from hpt_ray.spec.scales import BASE, SCALES, TARGET, ScaleName, Seeds, Settings, Targets, given_base
from hpt_ray.spec.study import Pretraining, Study, Weights

#: An average of HPT and its base costs no training.
ARMS = ("base>target", "base~0.5~target", "base>target:bn")
POLICIES = ("baseline", "no_color", "crop_only")
BUDGETS = {"quick": (30, 90), "paper": (500, 5_000)}


def study(
    *,
    base: Annotated[tuple[str, ...], "bases: data sets to pretrain on, or weights: files, weights:torchvision:NAME"] = (
        BASE,
    ),
    target: Targets = TARGET,
    arms: Annotated[tuple[str, ...], "what to try from each base, as chains of base and target"] = ARMS,
    policies: Annotated[tuple[str, ...], "augmentation policies; the first is that of from scratch"] = POLICIES,
    budgets: Annotated[tuple[Positive, ...] | None, "target iterations that start from a base", BUDGETS] = None,
    methods: Annotated[tuple[str, ...] | None, "self-supervised methods; none: the scale's, or method="] = None,
    scratch_iterations: Annotated[Positive | None, "target iterations from scratch; none: the scale's"] = None,
    seeds: Seeds = 3,
    scale: ScaleName = "quick",
    **settings: Unpack[Settings],
) -> Study:
    given = SCALES[scale].adjusted(uses=methods or (), **settings)
    bases = {name: given_base(name, given.base) for name in base}
    every = candidates(base, arms, methods or (given.target.method,), policies, budgets or BUDGETS[scale])
    recipes: dict[str, Pretraining | Weights] = {}
    for candidate in every:
        method = {"method": candidate.method, "options": given.options(candidate.method)}
        if role := candidate.base_role:
            made = bases[candidate.base]
            recipes[role] = made if isinstance(made, Weights) else change(made, **method)
        if role := candidate.target_role:
            policy: Policy = load("policies", candidate.policy, Policy)
            policy = policy if is_path(candidate.policy) else with_hue(policy, given.hue)
            budget = {"iterations": candidate.iterations, "iterations_from_scratch": scratch_iterations}
            recipes[role] = change(given.target, policy=policy, **budget, **method)
    return Study(
        name="advice",
        question="Which base, arm, augmentation policy, method and number of iterations serve these images best?",
        arms=tuple(Arm.parse(candidate.arm) for candidate in every),
        targets=target,
        recipes=recipes,
        seeds=tuple(range(seeds)),
        evaluations=given.evaluations,
        **given.network,
    )
