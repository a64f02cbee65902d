"""Which augmentation policy suits each arm best, and how much does the choice matter to it?

    hpt-study run augment_search

At the quick scale: about nine minutes on two cores. Strength and probability of every operator are searched for
each arm: first the same random policies for all, then policies that Optuna's TPE asks for, a third of which goes on
from a third of the budget to all of it. The best of each arm and the baseline are confirmed on seeds that the search
never saw. Reed et al. (arXiv 2103.12718) compare five policies (section 4.3); this asks the same of the whole space.

What the quick scale can tell was simulated (41 searches on which the best policy is worth 3 points, luck of 2.5 points
a pretraining, 800 test images): with eight seeds to confirm, HPT at its best is shown to be better than from scratch,
which is 8 points behind, in 95 % and than direct transfer, 5 behind, in 37 %; the gain of the search itself in 32 % of
arms. Three seeds, with more policies and HPT-BN as a third arm, showed these in 8, 4 and 4 % of 25 searches, and took
longer. How much the policy matters: with a random policy losing 7 points on average to the best in one arm and nothing
in the other, eight random policies show it in 37 % of 60 simulated searches, and 48 in 82 %.
"""

from typing import Annotated, Unpack

from pydantic import Field

from hpt_ray.spec.arm import Arm
from hpt_ray.spec.recipe import Positive
from hpt_ray.spec.scales import ARMS, BASE, SCALES, TARGET, Base, Budgets, ScaleName, Targets, given_base
from hpt_ray.spec.study import Factor, Search, Study

RANDOM = {"quick": 8, "paper": 32}
ASKED = {"quick": 6, "paper": 27}
CONFIRMING = {"quick": 8, "paper": 3}
SEARCHED = {"quick": ("target", "base", "base>target"), "paper": ARMS}


def study(
    *,
    base: Base = BASE,
    target: Targets = TARGET,
    random: Annotated[Positive | None, "random policies, the same for every arm", RANDOM] = None,
    trials: Annotated[Positive | None, "policies that the sampler is asked for in a round, for each arm", ASKED] = None,
    rounds: Annotated[int, Field(ge=0), "rounds of such policies"] = 1,
    eta: Annotated[int, Field(ge=2), "one policy of so many goes on to the full budget"] = 3,
    winners: Annotated[Positive, "policies of each arm to confirm"] = 1,
    arms: Annotated[tuple[str, ...] | None, "pretraining hierarchies to compare, written as chains", SEARCHED] = None,
    seeds: Annotated[Positive | None, "seeds to confirm with, that the search does not see", CONFIRMING] = None,
    scale: ScaleName = "quick",
    **settings: Unpack[Budgets],
) -> Study:
    given = SCALES[scale].adjusted(**settings)
    short = {
        name: max(1, round(budget / eta))
        for name in ("iterations", "iterations_from_scratch")
        if (budget := getattr(given.target, name)) is not None
    }
    full = {name: getattr(given.target, name) for name in short}
    return Study(
        name="augment_search",
        question="Which augmentation policy suits each arm best, and how much does the choice matter?",
        arms=tuple(map(Arm.parse, arms or SEARCHED[scale])),
        targets=target,
        recipes={"base": given_base(base, given.base), "target": given.target},
        factors=(
            Factor(name="policy", field="policy", levels={"baseline": given.target.policy}, baseline="baseline"),
            Factor(name="rung", levels={f"1/{eta}": short, "full": full}, baseline="full"),
        ),
        # Seed 0 is searched with; the others confirm.
        seeds=tuple(range((seeds or CONFIRMING[scale]) + 1)),
        evaluations=given.evaluations,
        search=Search(
            random=random or RANDOM[scale],
            asked=trials or ASKED[scale],
            rounds=rounds,
            eta=eta,
            winners=winners,
        ),
        **given.network,
    )
