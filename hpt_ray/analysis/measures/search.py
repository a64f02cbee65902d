"""The results of a search: every policy tried, the parts of the run behind its claims, and how flat each optimum is.

Three sets of policies must not be mixed up. All that were tried are a biased sample: the sampler crowds around what was
good. The random ones of the first round are a fair sample, the same for every arm, and flatness is measured on them.
The winners were chosen because they did well, by luck among other things: only the seeds that the search never saw
tell how good they are.

Flatness is how much accuracy varies over the random policies: the standard deviation of their test accuracy, without
the luck of a pretraining and without the test sample (``stats.variability``). Each random policy was pretrained once,
so that its luck is not seen; the seeds that confirm show it, on the winner and the baseline. What a policy loses to the
best is shown by policy, but no claim is made on it: luck is in it, which lets the quieter arm look flatter.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hpt_ray.analysis.measures import views
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.analysis.stats.variability import Variation, deviation_difference, of_sample
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.policy_space import random_policies, to_point


@dataclass(frozen=True)
class Flatness:
    """How flat an arm's optimum is, on the random policies.

    Attributes:
        best: the policy that val chooses among them. losses: what each loses to it on test, by policy, luck included.
        variation: how much they vary; None where too little was confirmed to tell it from luck.
    """

    best: str
    losses: dict[str, float]
    variation: Variation | None


def varying(run: Run) -> list[str]:
    """The arms that a search has policies for."""
    return [arm for arm in run.arms if run.study.search is not None and run.varies(arm)]


def tried(run: Run, target: str) -> pd.DataFrame:
    """Every policy an arm tried in the search: ``arm level rung reached value random`` and the parameters.

    One row for each policy and rung, in the order of trying. ``value``: accuracy on val, over the search's seeds, NaN
    where it failed. ``reached``: whether the rung is the full budget. Parameters are NaN for a policy that is not of
    the space.
    """
    assert run.study.search is not None
    policy, rung = run.study.factors
    *_, full = rung.levels
    rows = run.results
    rows = rows[(rows["target"] == target) & rows["arm"].isin(varying(run)) & (rows["iteration"] > 0)]
    rows = rows[(rows["evaluation"] == run.evaluation) & rows["seed"].isin(run.study.search.seeds)]
    if "class" in rows:
        rows = rows[rows["class"].isna()]
    val = rows["value"].where((rows["split"] == "val") & (rows["status"] == "done"))
    keys = ["arm", policy.name, rung.name]
    means = val.astype(float).groupby([rows[key] for key in keys], sort=False).mean()
    table = means.rename("value").reset_index().rename(columns={policy.name: "level", rung.name: "rung"})
    points = {name: to_point(Policy.model_validate(level)) or {} for name, level in policy.levels.items()}
    parameters = pd.DataFrame([points[level] for level in table["level"]], index=table.index)
    opening = random_policies(run.study.search.seed, run.study.search.random)
    return table.assign(reached=table["rung"] == full, random=table["level"].isin(opening)).join(parameters)


@functools.lru_cache(maxsize=4)
def confirmed(run: Run, target: str) -> Run:
    """The run as if it had been planned for the winners of each arm and the baseline, on the seeds that confirm."""
    assert run.study.search is not None
    seeds = [seed for seed in run.study.seeds if seed not in run.study.search.seeds]
    rows = run.results[(run.results["target"] == target) & run.results["seed"].isin(seeds)]
    name = run.study.factors[0].name
    levels = {arm: list(rows.loc[rows["arm"] == arm, name].dropna().unique()) for arm in varying(run)}
    return narrowed(run, target, seeds, levels)


def winners(run: Run, target: str) -> dict[str, str]:
    """The best policy of each arm, as the search chose it on val: the first of those that were confirmed."""
    values = tried(run, target).query("reached").set_index(["arm", "level"])["value"]
    inner = confirmed(run, target)
    best_levels = {}
    for arm in varying(run):
        policies = [level for level in inner.levels_of(arm) if level != inner.baseline]
        if policies:
            best_levels[arm] = max(policies, key=lambda level: values.get((arm, level), -np.inf))
    return best_levels


def narrowed(run: Run, target: str, seeds: Sequence[int], levels: Mapping[str, Iterable[str]]) -> Run:
    """One target of a run with some of its seeds and of each arm's policies, at the full budget: a run of its own."""
    policy, rung = run.study.factors
    policies_of = {arm: tuple(names) for arm, names in levels.items()}
    named = {policy.baseline, *(name for names in policies_of.values() for name in names)}
    factor = policy.model_copy(
        update={"levels": {name: level for name, level in policy.levels.items() if name in named}, "only": policies_of}
    )
    view = views.at(run, **{rung.name: rung.baseline})
    study = view.study.model_copy(update={"targets": (target,), "seeds": tuple(seeds), "factors": (factor,)})

    def kept(table: pd.DataFrame) -> pd.Series:
        selected = (table["target"] == target) & (table["seed"].isna() | table["seed"].isin(seeds))
        at_policy = pd.Series(False, index=table.index)
        for arm in run.arms:
            of_arm = table["arm"] == arm
            at_policy |= of_arm & table[policy.name].isin(policies_of[arm]) if arm in policies_of else of_arm
        return selected & at_policy

    return views.part(view, study, kept)


@functools.lru_cache(maxsize=8)
def flatness(run: Run, target: str) -> dict[str, Flatness]:
    """The flatness of each arm that has results of at least two random policies."""
    by_arm = {}
    for arm, (names, val, test) in _random(run, target).items():
        if len(names) > 1:
            means, best = test.mean(axis=1), int(val.argmax())
            losses = dict(zip(names, (means[best] - means).tolist(), strict=True))
            by_arm[arm] = Flatness(names[best], losses, _variation(run, target, arm, test))
    return by_arm


def flatness_difference(run: Run, target: str, arm: str, other: str) -> Interval | None:
    """How much more ``other`` varies than ``arm`` over the random policies that both have; None where not known."""
    by_arm = _random(run, target)
    if arm not in by_arm or other not in by_arm:
        return None
    variations = []
    for own, rival in ((other, arm), (arm, other)):
        (names, _, test), (rivals, _, _) = by_arm[own], by_arm[rival]
        common = [place for place, name in enumerate(names) if name in rivals]
        variations.append(_variation(run, target, own, test[common]) if len(common) > 1 else None)
    first, second = variations
    return deviation_difference(first, second) if first and second else None


def _variation(run: Run, target: str, arm: str, test: np.ndarray) -> Variation | None:
    """How much an arm's ``test`` answers [policies, examples] vary over the policies, by what was confirmed."""
    assert run.study.search is not None
    inner = confirmed(run, target)
    confirming = [inner.scores(target, arm, level) for level in inner.levels_of(arm)]
    if not confirming:  # of a search that was interrupted
        return None
    return of_sample(test, np.stack(confirming), len(run.study.search.seeds))


@functools.lru_cache(maxsize=4)
def _random(run: Run, target: str) -> dict[str, tuple[list[str], np.ndarray, np.ndarray]]:
    """Per arm the random policies that finished, their accuracy on val [policies] and on test [policies, examples]."""
    search = run.study.search
    if search is None:
        return {}
    names = list(random_policies(search.seed, search.random))
    inner = narrowed(run, target, search.seeds, dict.fromkeys(varying(run), names))
    values = tried(run, target).query("reached").set_index(["arm", "level"])["value"]
    by_arm = {}
    for arm in varying(run):
        test = {name: inner.scores(target, arm, name).mean(axis=0) for name in names}
        finished = [
            name
            for name in names
            if test[name].size and not np.isnan([*test[name], values.get((arm, name), np.nan)]).any()
        ]
        val = np.array([values[arm, name] for name in finished])
        by_arm[arm] = finished, val, np.stack([test[name] for name in finished]) if finished else np.empty((0, 0))
    return by_arm
