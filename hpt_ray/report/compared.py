"""What a run compared, in words: arms with their chains, data, network, budget and seeds, and what a gain cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hpt_ray.analysis.claim import Claim
from hpt_ray.analysis.measures.robustness import difference
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.measures.spending import before, costs
from hpt_ray.analysis.measures.text_format import change_interval, duration, level_name, listed, lowered
from hpt_ray.analysis.measures.views import one_factor
from hpt_ray.analysis.scope import scope
from hpt_ray.analysis.sentence import scope_text
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.analysis.verdict import Verdict
from hpt_ray.core.registry import is_path, names, summary
from hpt_ray.spec.arm import Arm, Phase
from hpt_ray.spec.study import Factor, Pretraining, Weights

#: How a phase learns, where not all of the network does.
TUNES = {
    "all": "",
    "bn": ", where only batch-norm parameters and statistics change",
    "keep": ", where features are kept near those that it starts from",
}

#: Levels that are named one by one.
MOST_LEVELS = 12


@dataclass(frozen=True)
class ComparedArm:
    """An arm: its label, its chain, and what is done in it, in words."""

    label: str
    chain: str
    words: str


@dataclass(frozen=True)
class Compared:
    """What a run compared.

    Attributes:
        arms: in the study's order. facts: headings with their text.
        costs: of each target on which HPT has results, what its gain over the other arms cost, as a sentence.
    """

    arms: tuple[ComparedArm, ...]
    facts: tuple[tuple[str, str], ...]
    costs: dict[str, str]


def compared(run: Run, verdicts: Iterable[Verdict] = ()) -> Compared:
    """What a run compared; costs are those at the levels at which its arms are compared.

    Args:
        verdicts: whose claims say what was gained, so that a page has one interval of a difference.
    """
    arms = tuple(ComparedArm(arm.label, arm.chain, arm_words(run, arm)) for arm in run.study.arms)
    view = one_factor(run)
    claims = {verdict.target: verdict.claims for verdict in verdicts}
    sentences = {target: cost_of_gain(view, target, claims.get(target, ())) for target in run.study.targets}
    return Compared(arms, tuple(_facts(run)), {target: each for target, each in sentences.items() if each})


def arm_words(run: Run, arm: Arm) -> str:
    """What is done in an arm: "pretrained on cifar10 from random weights, then on the target's images"."""
    first, *later = arm.phases
    recipe = run.study.recipes[first.role]
    start = (
        f"starts from the weights {recipe.source}"
        if isinstance(recipe, Weights)
        else f"pretrained on {_images(run, first)} from random weights{_tuned(first)}"
    )
    parts = [start, *(f"then pretrained on {_images(run, phase)}{_tuned(phase)}" for phase in later)]
    last = run.study.recipes[arm.phases[-1].role]
    if isinstance(last, Weights) or last.data is not None:
        parts.append("and evaluated on the target as it is")
    meaning = "hierarchical pretraining: " if arm.chain == HPT else ""
    return meaning + ", ".join(parts)


def cost_of_gain(run: Run, target: str, claims: Sequence[Claim] = ()) -> str:
    """What HPT's gain over the other two arms of the question cost, with and without its base; "" without results."""
    level, gains = run.standard_level(HPT) if HPT in run.arms else "", []
    spent = costs(run, target, HPT, "seconds")
    own = spent.get(level, spent.get(""))
    if own is None:
        return ""
    for other in (arm for arm in (DIRECT, SCRATCH) if arm in run.arms):
        interval = _claimed(run, claims, other, level) or difference(run, target, HPT, other, level)
        others = costs(run, target, other, "seconds")
        price = others.get(level, others.get("")) if other == SCRATCH else None
        if interval is not None:
            costing = f", which costs {duration(price)}" if price is not None else ""
            gains.append(f"{change_interval(interval)} points against {lowered(run.arms[other])}{costing}")
    if not gains:
        return ""
    base = before(run, target, HPT, "seconds")
    with_base = f"{duration(own + base)} with its base" if base is not None else "the cost of its base is not known"
    return f"HPT costs {duration(own)} of pretraining on the target a seed ({with_base}) and gives {listed(gains)}."


def _claimed(run: Run, claims: Sequence[Claim], other: str, level: str) -> Interval | None:
    """HPT's difference from another arm at a level, where the verdict has a claim on it."""
    sides = (run.metric.label, run.evaluation, run.arms[HPT], run.arms[other])
    for claim in claims:
        named = claim.measure, claim.evaluation, claim.subject, claim.against
        if named == sides and level in (*claim.levels.values(), ""):
            return claim.difference
    return None


def _images(run: Run, phase: Phase) -> str:
    """Whose images a phase sees."""
    recipe = run.study.recipes[phase.role]
    data = recipe.data if isinstance(recipe, Pretraining) else None
    if data is None:
        return "the target's images"
    return run.manifest.datasets[data].name if data in run.manifest.datasets else data


def _tuned(phase: Phase) -> str:
    averaged = f", and averaged with what it starts from (weight {phase.weight:g})" if phase.weight is not None else ""
    return TUNES.get(phase.tune, f" ({phase.tune})") + averaged


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    study = run.study
    for factor in study.factors:
        yield f"Varied: {level_name(factor.name)}", _levels(factor)
    for name, data in run.manifest.datasets.items():
        roles = [role for role, recipe in study.recipes.items() if getattr(recipe, "data", None) == name]
        kept = study.retained and study.retained.data == name
        uses = listed([*(["target"] if name in study.targets else []), *roles, *(["forgetting"] if kept else [])])
        classes = f" in {len(data.classes):,} classes" if data.classes else ""
        images = f"{data.train:,} train, {data.val:,} val and {data.test:,} test images{classes}"
        yield f"Data: {data.name}", f"{images} ({uses})" if uses else images
    recipes = {role: recipe for role, recipe in study.recipes.items() if isinstance(recipe, Pretraining)}
    methods = dict.fromkeys(recipe.method for recipe in recipes.values())
    trained = f", pretrained by {listed([level_name(method) for method in methods])}" if methods else ""
    yield "Network", f"{study.backbone} on images of {study.image_size} × {study.image_size} pixels{trained}"
    if budgets := [_budget(role, recipe, study.factors) for role, recipe in recipes.items()]:
        yield "Budget", "; ".join(budgets)
    seeds = listed([str(seed) for seed in study.seeds])
    yield "Seeds", f"{seeds}: claims are {scope_text(scope(study))}"
    for evaluation in study.evaluations:
        known = not is_path(evaluation.probe) and evaluation.probe in names("probes")
        text = summary("probes", evaluation.probe) if known else evaluation.probe
        elsewhere = run.manifest.datasets.get(evaluation.data or "")
        yield f"Evaluation: {evaluation.name}", f"{text} On {elsewhere.name}." if elsewhere else text


def _levels(factor: Factor) -> str:
    levels = [level_name(level) for level in factor.levels]
    shown = levels if len(levels) <= MOST_LEVELS else [*levels[: MOST_LEVELS - 1], f"{len(levels)} in all"]
    return f"{', '.join(shown)} (arms are compared at {level_name(factor.baseline)})"


def _budget(role: str, recipe: Pretraining, factors: tuple[Factor, ...]) -> str:
    """How long a role is pretrained: "base for 600 iterations of 256 images"."""
    varied = [
        changes["iterations"]
        for factor in factors
        if role in factor.roles
        for changes in map(factor.changes, factor.levels)
        if "iterations" in changes
    ]
    if len(set(varied)) > 1:
        return f"{role} for {min(varied):,} to {max(varied):,} iterations of {recipe.batch:,} images"
    longer = recipe.iterations_from_scratch
    scratch = f" ({longer:,} from scratch)" if longer not in (None, recipe.iterations) else ""
    return f"{role} for {recipe.iterations:,} iterations{scratch} of {recipe.batch:,} images"
