"""The results of a search: every policy tried, the parts of the run behind its claims, and how flat each optimum is.

Three sets of policies must not be mixed up. All that were tried are a biased sample: the sampler crowds around what was
good. The random ones of the first round are a fair sample, the same for every arm, and flatness is measured on them.
The winners were chosen because they did well, by luck among other things: only the seeds that the search never saw
tell how good they are.

Flatness. The best of the random policies is chosen by accuracy on val, and every policy is held against it on test: an
arm's share of policies within the margin of the best, and what one of them loses on average. Chosen and measured on the
same images, the best would look better than it is, and the more so the noisier the arm. An interval comes from
resampling policies and test images together, the same ones for every arm (choosing the best again each time), with
Student's quantile for that many policies; each policy is a pretraining of its own, so that its luck is in the scatter.
A share of which every policy falls on one side has no scatter to resample: the variance is at least that of Agresti
and Coull's interval (1998), for a difference Agresti and Min's (2005). Noise blurs the margin, for all arms alike.

Measured on simulated arms (120 studies each; 12 and 32 policies, 400 and 1,500 test images): of arms that are equally
flat, p of the difference is below 0.05 in 1 to 5 %. It takes large differences, or large test sets, to be shown: the
noise of the best alone is of the size of the margin. A flat arm against one that loses 2.5 to 4 points at the edge of
one parameter's range is told from it in 16 to 28 %.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from hpt_ray.analysis.measures import views
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.stats.bootstrap import LEVEL, REPLICATES, Interval
from hpt_ray.analysis.stats.comparisons import MARGIN
from hpt_ray.analysis.stats.groups import number, widening
from hpt_ray.core.identity import stream
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.policy_space import random_policies, to_point


@dataclass(frozen=True)
class Flatness:
    """How flat an arm's optimum is, on the random policies, whose number stands in place of the intervals' seeds.

    Attributes:
        near: share of the policies within the margin of the best. loss: what they lose to it on average, as a share.
        best: the policy that val chooses among them. losses: what each loses to it on test, by policy.
    """

    near: Interval
    loss: Interval
    best: str
    losses: dict[str, float]


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
            near, draws = _near(val[None], test[None], MARGIN)
            losses = means[best] - means
            by_arm[arm] = Flatness(
                near=_interval(near[0].mean(), draws.near[:, 0], _one(near[0]), len(names), (0.0, 1.0)),
                loss=_interval(losses.mean(), draws.loss[:, 0], 0.0, len(names), (-1.0, 1.0)),
                best=names[best],
                losses=dict(zip(names, losses.tolist(), strict=True)),
            )
    return by_arm


def flatness_difference(run: Run, target: str, arm: str, other: str) -> Interval | None:
    """Share of random policies within the margin of ``arm`` minus that of ``other``, on the policies that both have."""
    random_policies_of = _random(run, target)
    if arm not in random_policies_of or other not in random_policies_of:
        return None
    common = [name for name in random_policies_of[arm][0] if name in random_policies_of[other][0]]
    if len(common) < 2:
        return None
    rows = [
        [names.index(name) for name in common] for names, _, _ in (random_policies_of[arm], random_policies_of[other])
    ]
    val = np.stack([random_policies_of[name][1][row] for name, row in zip((arm, other), rows, strict=True)])
    test = np.stack([random_policies_of[name][2][row] for name, row in zip((arm, other), rows, strict=True)])
    return near_difference(val, test, MARGIN)


def near_difference(val: np.ndarray, test: np.ndarray, margin: float) -> Interval:
    """The difference of two arms' shares near their best, from ``val`` [2, policies] and ``test`` [2, policies,
    examples], the policies and the examples of both being the same."""
    near, draws = _near(val, test, margin)
    first, second = near
    policies = len(first)
    # Agresti and Min add half a pair to each of the four cells of the table of pairs.
    apart = np.array([(first & ~second).sum(), (~first & second).sum()]) + 0.5
    shares = apart / (policies + 2)
    least = (shares.sum() - (shares[0] - shares[1]) ** 2) / (policies + 2)
    estimate = first.mean() - second.mean()
    return _interval(estimate, draws.near[:, 0] - draws.near[:, 1], least, policies, (-1.0, 1.0))


@dataclass(frozen=True)
class _Draws:
    """Replicates [replicates, arms] of the share near the best and of the mean loss."""

    near: np.ndarray
    loss: np.ndarray


def _near(val: np.ndarray, test: np.ndarray, margin: float, seed: int = 0) -> tuple[np.ndarray, _Draws]:
    """Which policies are near the best [arms, policies], and replicates of both measures."""
    arms, policies, examples = test.shape
    generator = stream(seed, "flatness", policies, examples)
    weights = generator.multinomial(policies, np.full(policies, 1 / policies), size=REPLICATES)
    means = test.mean(axis=2)
    # Means over resampled images are normal, with the covariance that the policies of all arms have on these images.
    covariance = np.atleast_2d(np.cov(test.reshape(-1, examples), ddof=0)) / examples
    covariance *= widening(number(test), LEVEL) ** 2
    drawn = generator.multivariate_normal(means.ravel(), covariance, REPLICATES, method="eigh")
    near, loss = np.empty((REPLICATES, arms)), np.empty((REPLICATES, arms))
    for arm, accuracy in enumerate(np.split(drawn, arms, axis=1)):
        best = np.where(weights > 0, val[arm], -np.inf).argmax(axis=1)
        losses = np.take_along_axis(accuracy, best[:, None], axis=1) - accuracy
        near[:, arm] = (weights * (losses <= margin + ROUNDING)).sum(axis=1) / policies
        loss[:, arm] = (weights * losses).sum(axis=1) / policies
    is_near = np.take_along_axis(means, val.argmax(axis=1)[:, None], axis=1) - means <= margin + ROUNDING
    return is_near, _Draws(near, loss)


#: A loss of exactly the margin is within it.
ROUNDING = 1e-9


def _one(near: np.ndarray) -> float:
    """The variance of Agresti and Coull's interval: two successes and two failures are added."""
    share = (near.sum() + 2) / (len(near) + 4)
    return float(share * (1 - share) / (len(near) + 4))


def _interval(estimate: float, draws: np.ndarray, least: float, policies: int, ends: tuple[float, float]) -> Interval:
    variance = max(float(draws.var()) * policies / (policies - 1), least)
    half = float(stats.t.ppf((1 + LEVEL) / 2, policies - 1)) * variance**0.5
    p = 2 * float(stats.t.sf(abs(estimate) / variance**0.5, policies - 1)) if variance else float(estimate == 0)
    estimate = float(estimate)
    return Interval(estimate, max(ends[0], estimate - half), min(ends[1], estimate + half), policies, p)


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
        test = {name: inner.correct(target, arm, name).mean(axis=0) for name in names}
        finished = [
            name
            for name in names
            if test[name].size and not np.isnan([*test[name], values.get((arm, name), np.nan)]).any()
        ]
        val = np.array([values[arm, name] for name in finished])
        by_arm[arm] = finished, val, np.stack([test[name] for name in finished]) if finished else np.empty((0, 0))
    return by_arm
