"""A search for augmentation policies, as a plan that grows round by round: Optuna's TPE with successive halving.

The first round is random, and the same for every arm and target: it says how flat each arm's optimum is without the
sampler's bias, on the same policies. Later rounds are proposed by a tree-structured Parzen estimator (TPE; Bergstra et
al. 2011; Watanabe 2023, arXiv 2304.11127), one for each arm and target. In them a policy is first pretrained on a short
budget and the best 1 / eta go on to the next rung (successive halving; Jamieson and Talwalkar 2016, arXiv 1502.07943);
each rung has its own schedule and is an ordinary stage. The random policies take every rung, which shows whether the
short budget ranks policies as the full one does. Winners and baseline are then pretrained on seeds it never saw.

What is maximised is accuracy on val. Test is for what is claimed afterwards.

Everything is synchronous. ASHA (Li et al. 2020, arXiv 1810.05934) promotes whatever is best when a worker becomes free,
so which policies go on, and with them the numbers, depend on how fast each worker was. Here a rung is ranked once all
its results exist, in a fixed order, and ``unfold`` is a pure function of the values: a search that was interrupted, or
ran on another number of workers, comes to the same policies, and running it again trains nothing.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hpt_ray.core.identity import derived_seed
from hpt_ray.data.dataset import Dataset
from hpt_ray.planning.plan import Cell, Plan
from hpt_ray.planning.trunks import with_trunks
from hpt_ray.planning.unfold import make_plan
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.policy_space import DIGITS, SPACE, Point, random_policies, to_point, to_policy
from hpt_ray.spec.study import Search, Study

#: A cell's accuracy on val: NaN if it failed, None if it has not been computed yet.
Value = Callable[[Cell], float | None]


@dataclass
class Trial:
    """A policy that an arm tried on a target, and its value at each rung it reached, from the shortest on."""

    level: str
    policy: Policy
    values: list[float] = field(default_factory=list)

    @property
    def rank(self) -> float:
        """Its value at the highest rung it reached; failed trials come last."""
        return -math.inf if math.isnan(self.values[-1]) else self.values[-1]


#: What every arm tried on every target, in the order in which it was tried.
Tried = dict[tuple[str, Arm], list[Trial]]


@dataclass(frozen=True)
class Unfolded:
    """A search unfolded with the values that exist so far.

    Attributes:
        plan: the whole search; policies that depend on missing values are replaced by others, so that the size of the
            plan is right.
        known: how many cells, from the first on, are certain: all of them, once the search is done.
    """

    plan: Plan
    known: int

    @property
    def ready(self) -> Plan:
        """The plan of the certain cells, with the policies that they use."""
        cells, (policy, rung) = self.plan.cells[: self.known], self.plan.study.factors
        named = {policy.baseline, *(cell.levels[policy.name] for cell in cells)}
        chosen = policy.model_copy(
            update={
                "levels": {name: level for name, level in policy.levels.items() if name in named},
                "only": {arm: tuple(name for name in names if name in named) for arm, names in policy.only.items()},
            }
        )
        return Plan(
            self.plan.study.model_copy(update={"factors": (chosen, rung)}),
            self.plan.stages_of(cells),
            cells,
            self.plan.basis,
        )


def declared(study: Study) -> Study:
    """A search as its user declared it, before any policy is tried: the baseline is the only level."""
    policy, rung = study.factors
    baseline_only = policy.model_copy(update={"levels": {policy.baseline: policy.levels[policy.baseline]}, "only": {}})
    return study.model_copy(update={"factors": (baseline_only, rung)})


def unfold(study: Study, datasets: Mapping[str, Dataset], value: Value) -> Unfolded:
    """Replay a search from its beginning with the values that exist so far.

    Raises:
        StudyError: as ``make_plan``.
    """
    study = declared(study)
    assert study.search is not None
    opening = make_plan(study, datasets)
    basis = [study.search.model_dump(mode="json"), [cell.model_dump() for cell in opening.cells]]
    replay = _Replay(Plan(study, basis=basis), study.search, datasets, value)
    replay.run()
    replay.plan.stages = with_trunks(replay.plan.stages)  # a rung is planned by itself, and goes on from those before
    return Unfolded(replay.plan, len(replay.plan.cells) if replay.known is None else replay.known)


@dataclass
class _Replay:
    """The state of a search while it is replayed."""

    plan: Plan
    search: Search
    datasets: Mapping[str, Dataset]
    value: Value
    known: int | None = None

    def run(self) -> None:
        study = self.plan.study
        policy = study.factors[0]
        varying = [arm for arm in study.arms if policy.varies(arm)]
        for target, arm in itertools.product(study.targets, study.arms):
            if arm not in varying:
                self._cells((target, arm), None, None, study.seeds)
        baseline = Policy.model_validate(policy.levels[policy.baseline])
        first = {policy.baseline: baseline, **random_policies(self.search.seed, self.search.random)}
        tried: Tried = {
            place: [Trial(name, each) for name, each in first.items()]
            for place in itertools.product(study.targets, varying)
        }
        self._climb({place: list(trials) for place, trials in tried.items()}, 1)
        for number in range(1, self.search.rounds + 1):
            count = itertools.count(1)
            batch = {}
            for (target, arm), trials in tried.items():
                points = _ask(
                    trials, self.search.asked, derived_seed(self.search.seed, f"{target} {arm.chain}", number)
                )
                batch[target, arm] = [Trial(f"tpe {number}.{next(count):02}", to_policy(point)) for point in points]
            self._climb(batch, self.search.eta)
            for place, trials in batch.items():
                tried[place] += trials
        self._confirm(tried)
        self.plan.study = _with_tried_levels(study, tried)

    def _climb(self, batch: Tried, eta: int) -> None:
        """Run a round of policies through the rungs: the best 1 / eta of each arm's policies reach the next rung."""
        surviving = dict(batch)
        for rung in self.plan.study.factors[1].levels:
            cells_at = {
                place: self._cells(place, _levels(trials), rung, self.search.seeds)
                for place, trials in surviving.items()
                if trials
            }
            if self.known is None and any(self.value(cell) is None for cells in cells_at.values() for cell in cells):
                self.known = len(self.plan.cells)
            for place, trials in surviving.items():
                for trial in trials:
                    values = [self.value(cell) for cell in cells_at[place] if trial.level in cell.levels.values()]
                    # Zero replaces a missing value: how many policies reach the next rung does not depend on it.
                    trial.values.append(float(np.mean([0.0 if value is None else value for value in values])))
                best = {trial.level for trial in _best(trials, math.ceil(len(trials) / eta))}
                surviving[place] = [trial for trial in trials if trial.level in best]

    def _confirm(self, tried: Tried) -> None:
        """Plan each arm's best policies and the baseline at the full budget, on seeds that the search did not use."""
        study = self.plan.study
        seeds = tuple(seed for seed in study.seeds if seed not in self.search.seeds)
        rungs = list(study.factors[1].levels)
        for place, (baseline, *others) in tried.items():
            best = _best([trial for trial in others if len(trial.values) == len(rungs)], self.search.winners)
            self._cells(place, _levels([baseline, *best]), rungs[-1], seeds)

    def _cells(
        self, place: tuple[str, Arm], levels: dict[str, Policy] | None, rung: str | None, seeds: Sequence[int]
    ) -> list[Cell]:
        """Plan one arm on one target at some policies and one rung. Returns its cells, also those planned before."""
        policy, rungs = self.plan.study.factors
        if levels is not None:
            policy = policy.model_copy(update={"levels": levels, "baseline": next(iter(levels))})
        if rung is not None:
            rungs = rungs.model_copy(update={"levels": {rung: rungs.levels[rung]}, "baseline": rung})
        target, arm = place
        changes = {"targets": (target,), "arms": (arm,), "factors": (policy, rungs), "seeds": tuple(seeds)}
        part = make_plan(self.plan.study.model_copy(update=changes), self.datasets)
        planned = {cell.axes for cell in self.plan.cells}
        self.plan.cells += [cell for cell in part.cells if cell.axes not in planned]
        for stage in part.stages.values():
            self.plan.stages.setdefault(stage.id, stage)
        return part.cells


def _best(trials: Sequence[Trial], number: int) -> list[Trial]:
    """The best trials that did not fail; of equal ones, the first."""
    succeeded = [trial for trial in trials if trial.rank > -math.inf]
    return sorted(succeeded, key=lambda trial: -trial.rank)[:number]


def _levels(trials: Sequence[Trial]) -> dict[str, Policy]:
    return {trial.level: trial.policy for trial in trials}


def _with_tried_levels(study: Study, tried: Tried) -> Study:
    """The study with every policy that was tried as a level, for the arms that tried it."""
    policy, rung = study.factors
    levels: dict[str, Policy] = {}
    only: dict[str, dict[str, None]] = {}
    for (_, arm), trials in tried.items():
        levels |= _levels(trials)
        only[arm.chain] = only.get(arm.chain, {}) | dict.fromkeys(_levels(trials))
    tried_policies = policy.model_copy(
        update={"levels": levels, "only": {chain: tuple(names) for chain, names in only.items()}}
    )
    return study.model_copy(update={"factors": (tried_policies, rung)})


def _ask(trials: Sequence[Trial], number: int, seed: int) -> list[Point]:
    """Ask the sampler for one round of policies, given all earlier trials; none if all of these failed.

    A new sampler is created for every round, so that its proposals depend on the trials and the seed alone. Within a
    round it treats its own proposals as poor ones, so that they differ from each other ("constant liar").
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space: dict[str, optuna.distributions.BaseDistribution]
    space = {name: optuna.distributions.FloatDistribution(*ends) for name, ends in SPACE.items()}
    reached = max((len(trial.values) for trial in trials), default=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=seed % 2**32, n_startup_trials=1, multivariate=True, constant_liar=True
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for trial in trials:
            point = to_point(trial.policy)
            if point is None or trial.rank == -math.inf:
                continue
            # A policy that was stopped ranks below every one that was not, and by the highest rung it reached.
            stopped = len(trial.values) < reached
            study.add_trial(
                optuna.trial.create_trial(
                    params=point,
                    distributions=space,
                    state=optuna.trial.TrialState.PRUNED if stopped else optuna.trial.TrialState.COMPLETE,
                    value=None if stopped else trial.rank,
                    intermediate_values=dict(enumerate(trial.values)),
                )
            )
        proposals = [study.ask(space).params for _ in range(number if study.trials else 0)]
    return [{name: round(value, DIGITS) for name, value in params.items()} for params in proposals]
