"""How many target iterations does each arm need, and how much sooner does HPT get there?

    hpt-study run iteration_budget

At the quick scale: five to six minutes on two cores. Each budget is a run of its own with its own cosine schedule, as
in the paper, and from scratch has longer ones than HPT; with schedule=wsd budgets share one run up to their cooldowns.
Reed et al. (arXiv 2103.12718), section 4.1: HPT converges in up to 80 times fewer iterations than pretraining from
scratch.
"""

from typing import Annotated, Unpack

from hpt_ray.spec import factors
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.recipe import Positive
from hpt_ray.spec.scales import ARMS, BASE, SCALES, TARGET, Arms, Base, ScaleName, Seeds, Settings, Targets, given_base
from hpt_ray.spec.study import Study

BUDGETS = {"quick": (10, 30, 90, 270), "paper": (50, 500, 5_000, 50_000)}
SCRATCH_BUDGETS = {"quick": (30, 90, 270, 810), "paper": (5_000, 50_000, 100_000, 200_000)}


def study(
    *,
    base: Base = BASE,
    target: Targets = TARGET,
    budgets: Annotated[tuple[Positive, ...] | None, "target iterations that start from a base", BUDGETS] = None,
    scratch_budgets: Annotated[tuple[Positive, ...] | None, "target iterations from scratch", SCRATCH_BUDGETS] = None,
    arms: Arms = ARMS,
    seeds: Seeds = 3,
    scale: ScaleName = "quick",
    **settings: Unpack[Settings],
) -> Study:
    given = SCALES[scale].adjusted(**settings)
    chains = tuple(Arm.parse(arm) for arm in arms)
    ours, scratch = sorted(budgets or BUDGETS[scale]), sorted(scratch_budgets or SCRATCH_BUDGETS[scale])
    alone = {arm.chain for arm in chains if len(arm.phases) == 1}
    return Study(
        name="iteration_budget",
        question="How many target iterations does hierarchical pretraining save against pretraining from scratch?",
        arms=chains,
        targets=target,
        recipes={
            "base": given_base(base, given.base),
            "target": given.target.model_copy(update={"iterations_from_scratch": None}),
        },
        factors=(
            factors.budgets(
                {*ours, *scratch},
                baseline=max(ours),
                only={arm.chain: scratch if arm.chain in alone else ours for arm in chains},
            ),
        ),
        seeds=tuple(range(seeds)),
        evaluations=given.evaluations,
        **given.network,
    )
