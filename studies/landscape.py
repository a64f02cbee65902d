"""Where does HPT pay, and where not: which policy, how much data and how long a pretraining does it take?

    hpt-study run landscape
    hpt-study run landscape --set rows=fraction --set columns=iterations

At the quick scale: about seven minutes on two cores, by its images and evaluations beside those of iteration_budget.
Two of augmentation policy, share of the target's images and iteration budget are varied together, and in each cell HPT
is held against pretraining from scratch with the same budget and against direct transfer. The paper varies one at a
time (Reed et al., arXiv 2103.12718, sections 4.1, 4.3 and 4.4) and so cannot say whether, for one, the policy still
matters after a long pretraining.
"""

from typing import Annotated, Literal, Unpack

from hpt_ray.core.errors import StudyError
from hpt_ray.spec import factors
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.recipe import Positive
from hpt_ray.spec.scales import ARMS, BASE, SCALES, TARGET, Base, Budgets, ScaleName, Seeds, Targets, given_base
from hpt_ray.spec.study import Study

POLICIES = {
    "quick": ("baseline", "no_color", "crop_only"),
    "paper": ("baseline", "no_grayscale", "no_color", "crop_blur", "crop_only"),
}
PERCENT = {"quick": (1.0, 10.0, 100.0), "paper": (1.0, 10.0, 25.0, 50.0, 100.0)}
BUDGETS = {"quick": (30, 90, 270), "paper": (500, 5_000, 50_000)}
COMPARED = {"quick": ("target", "base", "base>target"), "paper": ARMS}

Axis = Literal["policy", "fraction", "iterations"]


def study(
    *,
    base: Base = BASE,
    target: Targets = TARGET,
    rows: Annotated[Axis, "what the rows of the map vary: policy, fraction or iterations"] = "policy",
    columns: Annotated[Axis, "what its columns vary"] = "iterations",
    policies: Annotated[tuple[str, ...] | None, "augmentation policies; the first is the baseline", POLICIES] = None,
    percent: Annotated[
        tuple[float, ...] | None, "shares of the target's pretraining images, in per cent", PERCENT
    ] = None,
    budgets: Annotated[tuple[Positive, ...] | None, "target iterations, from scratch and from a base", BUDGETS] = None,
    arms: Annotated[tuple[str, ...] | None, "pretraining hierarchies to compare, written as chains", COMPARED] = None,
    seeds: Seeds = 3,
    scale: ScaleName = "quick",
    **settings: Unpack[Budgets],
) -> Study:
    _check(rows, columns, {"policy": policies, "fraction": percent, "iterations": budgets}, settings)
    given = SCALES[scale].adjusted(**settings)
    recipe = given.target
    if "iterations" in (rows, columns):
        recipe = recipe.model_copy(update={"iterations_from_scratch": None})
    levels = {
        "policy": lambda: factors.policies(policies or POLICIES[scale], recipe),
        "fraction": lambda: factors.fractions(percent or PERCENT[scale]),
        "iterations": lambda: factors.budgets(budgets or BUDGETS[scale]),
    }
    return Study(
        name="landscape",
        question="Where does hierarchical pretraining pay, and where not?",
        arms=tuple(map(Arm.parse, arms or COMPARED[scale])),
        targets=target,
        recipes={"base": given_base(base, given.base), "target": recipe},
        factors=(levels[rows](), levels[columns]()),
        seeds=tuple(range(seeds)),
        evaluations=given.evaluations,
        **given.network,
    )


def _check(rows: Axis, columns: Axis, levels: dict[str, object], settings: Budgets) -> None:
    """Refuse one axis twice, and values of what is no axis or of what an axis sets."""
    if rows == columns:
        raise StudyError(f"landscape: rows and columns both vary {rows}: give two of policy, fraction and iterations.")
    names = {"policy": "policies", "fraction": "percent", "iterations": "budgets"}
    for axis, given in levels.items():
        if given is not None and axis not in (rows, columns):
            raise StudyError(f"landscape: {names[axis]} is given, but neither rows nor columns vary {axis}: set one.")
    if "iterations" in (rows, columns):
        for name in ("iterations", "scratch_iterations"):
            if name in settings:
                raise StudyError(f"landscape: {name} is given, but an axis varies the iterations: give budgets=...")
