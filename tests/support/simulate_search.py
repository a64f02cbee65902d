"""Runs of a policy search with a known truth: the real plan, with accuracies that a formula gives instead of training.

``surface(arm, point)`` is an arm's true accuracy at a point of the policy space; each pretraining adds luck of its own.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from hpt_ray.analysis.measures.run import Run
from hpt_ray.core.identity import stream
from hpt_ray.planning.plan import Cell
from hpt_ray.planning.search import Unfolded, Value, unfold
from hpt_ray.spec.grid import data_of
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.policy_space import Point, to_point
from hpt_ray.spec.study import Factor, Search, Study
from tests.support import simulate, small

TARGET = "synthetic:shape,n=80"
Surface = Callable[[str, Point], float]

#: How far a short budget falls behind.
SHORT = 0.05


def study(*, seeds: int = 3, **search: Any) -> Study:
    """A search for three arms and direct transfer; seed 0 is searched with, ``seeds`` others confirm."""
    rungs = Factor(name="rung", levels={"1/3": {"iterations": 1}, "full": {"iterations": 2}}, baseline="full")
    return small.study(
        name="augment_search",
        factors=(small.policy_factor({"baseline": Policy()}), rungs),
        seeds=tuple(range(seeds + 1)),
        search=Search(**{"random": 12, "asked": 12} | search),
    )


def played(made: Study, value: Value) -> Unfolded:
    """The search, all of it known."""
    return unfold(made, {spec: small.dataset(spec) for spec in data_of(made)}, value)


class Truth:
    """Accuracies of cells, on val and by test example."""

    def __init__(self, surface: Surface, luck: float, own: float, val: int, examples: int, seed: int) -> None:
        self.surface, self.luck, self.own, self.val_size, self.seed = surface, luck, own, val, seed
        self.difficulty = stream(seed, "examples").standard_normal(examples)
        self.policies: dict[str, Policy] = {}

    def accuracy(self, cell: Cell, policies: dict[str, Any]) -> float:
        level = cell.levels["policy"]
        point = to_point(Policy.model_validate(policies[level])) if level else None
        lag = SHORT if cell.levels["rung"] == "1/3" else 0.0
        own = self.draw(cell, "luck").normal(0, self.luck) if level else 0.0
        return float(np.clip(self.surface(cell.arm, point or {}) - lag + own, 0.01, 0.99))

    def val(self, cell: Cell, accuracy: float) -> float:
        return float(self.draw(cell, "val").binomial(self.val_size, accuracy)) / self.val_size

    def correct(self, cell: Cell, accuracy: float) -> np.ndarray:
        mean = stats.norm.ppf(accuracy) * math.sqrt(1 + self.own**2)
        return mean + self.difficulty + self.draw(cell, "test").normal(0, self.own, len(self.difficulty)) > 0

    def draw(self, cell: Cell, what: str) -> np.random.Generator:
        # By the stage, which is the policy itself: a name may stand for another one while a search is foreseen.
        return stream(self.seed, f"{what} {cell.evaluations[0]}")


def run(
    surface: Surface,
    *,
    luck: float = 0.005,
    own: float = 1.0,
    val: int = 400,
    examples: int = 400,
    failed: Callable[[Cell], bool] = lambda cell: False,
    seeds: int = 3,
    seed: int = 0,
    **search: Any,
) -> Run:
    """A whole search as tables; cells for which ``failed`` holds have no result.

    ``luck`` is the standard deviation of a pretraining's accuracy, ``own`` that of what is hard for one network alone,
    in units of what is hard for all.
    """
    made, truth = study(seeds=seeds, **search), Truth(surface, luck, own, val, examples, seed)
    known: dict[str, float] = {}

    # As in a run, the policies are those of the plan so far: play until nothing new comes up.
    def value(cell: Cell) -> float | None:
        return known.get(cell.evaluations[0])

    while True:
        found = played(made, value)
        policies = found.plan.study.factors[0].levels
        new = [cell for cell in found.plan.cells[: found.known] if cell.evaluations[0] not in known]
        if not new:
            break
        for cell in new:
            accuracy = truth.accuracy(cell, policies)
            known[cell.evaluations[0]] = math.nan if failed(cell) else truth.val(cell, accuracy)
    return _run(found, truth, failed)


def _run(found: Unfolded, truth: Truth, failed: Callable[[Cell], bool]) -> Run:
    plan, results, predictions = found.plan, [], []
    policies, examples = plan.study.factors[0].levels, len(truth.difficulty)
    for cell in plan.cells:
        accuracy = truth.accuracy(cell, policies)
        axes = {"study": plan.study.name, "target": cell.target, "arm": cell.arm, **cell.levels, "seed": cell.seed}
        lost, right = failed(cell), truth.correct(cell, accuracy)
        for evaluation in plan.study.evaluations:
            for split, score in (("val", truth.val(cell, accuracy)), ("test", float(right.mean()))):
                if lost and split == "val":
                    continue
                results.append(
                    axes
                    | {"iteration": cell.iterations, "evaluation": evaluation.name, "metric": "accuracy"}
                    | {"split": split, "repeat": 0, "value": None if lost else score, "n": examples}
                    | {"seconds": None if lost else 0.1, "images": None if lost else 32, "device": "cpu"}
                    | {"status": "failed" if lost else "done", "reason": "the loss is nan" if lost else ""}
                    | {"stage": cell.evaluations[0], "weights": cell.phases[-1], "parents": list(cell.phases)}
                )
            if not lost:
                table = pd.DataFrame(
                    {**axes, "evaluation": evaluation.name, "repeat": 0, "example": np.arange(examples)}
                    | {"label": 0, "prediction": np.where(right, 0, 1), "iteration": cell.iterations}
                )
                predictions.append(table.astype({"policy": object, "rung": object, "seed": "Int64"}))
    given = simulate.run(examples=20, target=plan.study.targets[0])
    frame = pd.DataFrame(results).astype({"seed": "Int64", "value": "float64", "seconds": "float64"})
    curves = given.curves.iloc[:0].assign(rung=pd.Series(dtype=object))
    manifest = given.manifest.model_copy(update={"study": plan.study, "failures": ()})
    return dataclasses.replace(
        given,
        results=frame,
        predictions=pd.concat(predictions, ignore_index=True),
        curves=curves,
        manifest=manifest,
    )


def hump(name: str, height: float, best: float, width: float) -> Callable[[Point], float]:
    """An accuracy that falls with the square of one parameter's distance from its best value."""
    return lambda point: height - ((point.get(name, best) - best) / width) ** 2


def flat_and_peaked(arm: str, point: Point) -> float:
    """HPT does not care for the policy, from scratch needs the right crop, HPT-BN lies between."""
    width = {"base>target": 100.0, "target": 0.8, "base>target:bn": 3.0, "base": 100.0}[arm]
    height = {"base>target": 0.80, "target": 0.70, "base>target:bn": 0.75, "base": 0.72}[arm]
    return hump("crop_scale", height, 0.3, width)(point)
