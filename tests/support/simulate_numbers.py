"""Runs whose factor is a number, with a known truth: iteration budgets, data fractions, bases of several lengths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from hpt_ray.analysis.measures.run import Run
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.study import Evaluation, Factor, Pretraining, Study
from hpt_ray.store.records import Manifest
from hpt_ray.store.schema import CURVES
from hpt_ray.store.tables import run_schema
from tests.support import records, simulate

ARMS = ("target", "base", "base>target", "base>target:bn")
BATCH, BASE_ITERATIONS, ITERATIONS = 64, 1200, 90

BUDGETS = Factor(
    name="iterations",
    field="iterations",
    levels={"10": 10, "30": 30, "90": 90, "270": 270, "810": 810},
    baseline="810",
)
FRACTIONS = Factor(
    name="fraction",
    field="fraction",
    levels={"1 %": 0.01, "10 %": 0.1, "25 %": 0.25, "50 %": 0.5, "100 %": 1.0},
    baseline="100 %",
)
BASES = Factor(
    name="base_model",
    roles=("base",),
    levels={
        "60": {"iterations": 60},
        "300": {"iterations": 300},
        "1200": {"iterations": 1200},
        "supervised": {"method": "supervised", "options": {}, "iterations": 1200},
    },
    baseline="1200",
)

#: A true accuracy: one for all levels, or one for each.
Truth = float | tuple[float, ...]

#: True accuracies, in the order of each factor's levels.
BUDGET_TRUTH: dict[str, Truth] = {
    "target": (0.36, 0.42, 0.50, 0.58, 0.64),
    "base": 0.60,
    "base>target": (0.61, 0.64, 0.68, 0.71, 0.72),
    "base>target:bn": (0.61, 0.63, 0.65, 0.66, 0.66),
}
FRACTION_TRUTH: dict[str, Truth] = {
    "target": (0.40, 0.50, 0.57, 0.62, 0.66),
    "base": 0.60,
    "base>target": (0.63, 0.69, 0.74, 0.74, 0.74),
    "base>target:bn": (0.64, 0.66, 0.67, 0.67, 0.67),
}
BASE_TRUTH: dict[str, Truth] = {
    "target": 0.55,
    "base": (0.42, 0.52, 0.60, 0.63),
    "base>target": (0.63, 0.66, 0.69, 0.70),
    "base>target:bn": (0.52, 0.60, 0.65, 0.67),
}
RANDOM_FEATURES = 0.33

Cell = tuple[str, str | None, int | None]


def study(
    factor: Factor, targets: tuple[str, ...] = ("rsscn7",), seeds: int = 3, arms: tuple[str, ...] = ARMS
) -> Study:
    return Study(
        name=f"{factor.name}_study",
        question=f"What does {factor.name} change?",
        arms=arms,  # type: ignore[arg-type]  # parsed by the validator
        targets=targets,
        recipes={
            "base": Pretraining(iterations=BASE_ITERATIONS, data="cifar10", seed=0, batch=BATCH),
            "target": Pretraining(iterations=ITERATIONS, batch=BATCH),
        },
        factors=(factor,),
        seeds=tuple(range(seeds)),
        evaluations=(Evaluation(probe="linear"),),
        backbone="resnet_small",
        image_size=32,
        decode_size=32,
    )


def run(
    spec: Study,
    truth: Mapping[str, Truth],
    *,
    examples: int = 300,
    exact: bool = False,
    failed: Callable[[Cell], bool] = lambda cell: False,
    seconds: Callable[[str, int], float] = lambda arm, iterations: 0.1 * iterations,
    seed: int = 0,
) -> Run:
    """A run with true accuracies ``truth`` by arm; cells for which ``failed(arm, level, seed)`` holds have no result.

    Step 0 of a chain is the very cell of the chain without its last phase, as in a run of the real thing, and that of a
    first phase is ``RANDOM_FEATURES``. ``seconds(arm, iterations)`` is what the last phase took. An ``exact`` run has
    its true accuracies to the last example, at every seed: the first examples are those classified correctly.
    """
    (factor,) = spec.factors
    tables = [
        _target(spec, factor, truth, target, examples, None if exact else seed + place)
        for place, target in enumerate(spec.targets)
    ]
    table = pd.concat(tables, ignore_index=True)
    lost = [
        not step0 and failed((arm, level, None if pd.isna(number) else int(number)))
        for arm, level, number, step0 in zip(
            table["arm"], table["level"], table["seed"], table["iteration"] == 0, strict=True
        )
    ]
    table = table.assign(lost=lost).rename(columns={"level": factor.name})
    kept = table[~table["lost"]]
    predictions = kept.assign(prediction=np.where(kept["correct"] > 0, kept["label"], (kept["label"] + 1) % 7))
    results = _results(table, factor.name, seconds)
    return Run(
        results,
        predictions.drop(columns=["correct", "lost"]).reset_index(drop=True),
        _curves(results, factor.name),
        pd.DataFrame(columns=["policy", "example", "view", "png"]),
        _manifest(spec, results),
    )


def _target(
    spec: Study, factor: Factor, truth: Mapping[str, Truth], target: str, examples: int, seed: int | None
) -> pd.DataFrame:
    """Every example of every cell of one target: the axes, ``level``, ``iteration``, ``label`` and ``correct``."""
    cells: dict[tuple[str, str | None], float] = {("", None): RANDOM_FEATURES}
    for arm in spec.arms:
        own, varies = truth[arm.chain], factor.varies(arm)
        for place, level in enumerate(factor.levels):
            value = own[place] if isinstance(own, tuple) else own
            if level in factor.levels_of(arm) or not varies:
                cells[arm.chain, level if varies else None] = value
    correct = dict(zip(cells, _correct(list(cells.values()), len(spec.seeds), examples, seed), strict=True))
    labels = np.arange(examples) % 7
    parts = []
    for (chain, level), by_seed in list(correct.items())[1:]:
        before = chain.rpartition(">")[0]
        at_start = correct.get((before, level if factor.varies(Arm.parse(before)) else None)) if before else None
        start = correct["", None] if at_start is None else at_start
        iterations = _iterations(spec, factor, chain, level)
        for iteration, rows in ((0, start), (iterations, by_seed)):
            # The base is one given: it has no seed, and what stands on it starts from the same features at every seed.
            given = chain == "base" or (iteration == 0 and before == "base")
            for number in spec.seeds[:1] if chain == "base" else spec.seeds:
                axes = {"study": spec.name, "target": target, "arm": chain, "level": level}
                axes |= {"seed": None if chain == "base" else number, "evaluation": "linear", "repeat": 0}
                row = rows[0 if given else number]
                values = {"example": np.arange(examples), "label": labels, "iteration": iteration, "correct": row}
                parts.append(pd.DataFrame({**axes, **values}))
    return pd.concat(parts, ignore_index=True).astype({"level": object, "seed": "Int64"})


def _correct(accuracies: list[float], seeds: int, examples: int, seed: int | None) -> np.ndarray:
    """Correctness [cells, seeds, examples] of cells with these true accuracies; without a ``seed`` exactly these."""
    if seed is None:
        wanted = np.round(np.array(accuracies) * examples)
        return np.broadcast_to(np.arange(examples) < wanted[:, None, None], (len(wanted), seeds, examples)) * 1.0
    means = np.array([simulate.latent_mean(accuracy) for accuracy in accuracies])
    return simulate.crossed(means, seeds, examples, np.random.default_rng(seed))


def _iterations(spec: Study, factor: Factor, chain: str, level: str | None) -> int:
    """Iterations of a chain's last phase."""
    role = Arm.parse(chain).phases[-1].role
    changes = factor.changes(level) if level is not None and role in factor.roles else {}
    recipe = spec.recipes[role]
    assert isinstance(recipe, Pretraining)
    return int(changes.get("iterations", recipe.iterations))


def _results(table: pd.DataFrame, factor: str, seconds: Callable[[str, int], float]) -> pd.DataFrame:
    keys = ["study", "target", "arm", factor, "seed", "evaluation", "repeat", "iteration", "lost"]
    found = table.groupby(keys, dropna=False, sort=False)["correct"].agg(["mean", "size"]).reset_index()
    trained, done = found["iteration"] > 0, ~found["lost"]
    cell = found["arm"] + "/" + found[factor].fillna("").astype(str) + "/" + found["seed"].astype(str)
    time = [seconds(arm, count) for arm, count in zip(found["arm"], found["iteration"], strict=True)]
    return found.assign(
        metric="accuracy",
        split="test",
        value=found["mean"].where(done),
        n=found["size"],
        seconds=pd.Series(time).where(trained & done),
        images=(BATCH * found["iteration"]).where(trained & done).astype("Int64"),
        device="cpu",
        status=np.where(done, "done", "failed"),
        reason=np.where(done, "", "loss is not finite at iteration 37 (lr 0.03)"),
        stage="linear/" + cell + "/" + found["iteration"].astype(str),
        weights=(found["target"] + "/" + cell).where(trained),
        parents=[[]] * len(found),
        version="1",
    ).drop(columns=["mean", "size", "lost"])


def _curves(results: pd.DataFrame, factor: str) -> pd.DataFrame:
    """Each run's loss, which falls, and its features' spread, which stays."""
    parts = [pd.DataFrame(columns=run_schema(CURVES, [factor]).names)]
    for cell in results[results["iteration"].gt(0) & results["status"].eq("done")].to_dict("records"):
        steps = np.linspace(0, cell["iteration"], 20).astype(int)
        axes: dict[str, Any] = {name: cell[name] for name in ("study", "target", "arm", factor, "seed")}
        measured = {"loss": 2.2 + 2 * np.exp(-steps / 60), "lr": 0.03, "images_per_second": 640.0, "feature_std": 0.09}
        own = {"phase": cell["arm"].split(">")[-1], "iteration": steps, "stage": cell["weights"]}
        parts.append(pd.DataFrame({**axes, **own, **measured}))
    return pd.concat(parts, ignore_index=True).astype({"loss": "float64", "feature_std": "float64"})


def _manifest(spec: Study, results: pd.DataFrame) -> Manifest:
    lost = results[results["status"] == "failed"]
    return records.manifest(
        spec,
        stages={"total": len(results), "cached": 0, "trained": len(results) - len(lost), "failed": len(lost)},
        datasets={name: records.data_summary(name) for name in ("cifar10", *spec.targets)},
        failures=[{"stage": str(row), "reason": why, "cells": [str(row)]} for row, why in lost["reason"].items()],
    )
