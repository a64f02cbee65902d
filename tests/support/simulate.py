"""Run tables with a known truth, for tests of what reads them: no training, the schema of ``hpt_ray.store.schema``.

Correctness is drawn from a crossed probit model: example i of cell c at seed s is correct where
mu[c] + seed effect + example effect + noise > 0, so that the true accuracy is a formula (``true_accuracy``).
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy import stats

from hpt_ray.analysis.measures.run import Run
from hpt_ray.core.registry import load
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.study import Evaluation, Factor, Pretraining, Study
from hpt_ray.store.records import Manifest
from hpt_ray.store.schema import CURVES
from hpt_ray.store.tables import run_schema
from tests.support import records

POLICIES = ("baseline", "no_grayscale", "no_color", "crop_blur", "crop_only")
ARMS = ("target", "base", "base>target", "base>target:bn")

#: Effects of the latent scale that all cells share, and each cell's own: (seed, example, own seed, own example).
EFFECTS = (0.05, 1.0, 0.03, 0.3)

#: True accuracies at each policy, in the order of POLICIES.
ACCURACY: dict[str, tuple[float, ...]] = {
    "target": (0.70, 0.69, 0.66, 0.62, 0.58),
    "base": (0.74,),
    "base>target": (0.82, 0.82, 0.81, 0.80, 0.79),
    "base>target:bn": (0.77, 0.77, 0.765, 0.76, 0.755),
}
STEP0 = {"target": 0.45, "base>target": 0.74, "base>target:bn": 0.74}

Cell = tuple[str, str | None, int | None]


def latent_mean(accuracy: float) -> float:
    """The latent mean at which the true accuracy over seeds and examples is ``accuracy``."""
    return float(stats.norm.ppf(accuracy)) * float(np.sqrt(1 + np.square(EFFECTS).sum()))


def crossed(
    means: np.ndarray,
    seeds: int,
    examples: int,
    generator: np.random.Generator,
    effects: tuple[float, float, float, float] = EFFECTS,
) -> np.ndarray:
    """Correctness [cells, seeds, examples] of cells with latent means ``means`` that share seeds and examples."""
    seed, example, own_seed, own_example = effects
    draw, cells = generator.standard_normal, len(means)
    shared = seed * draw((1, seeds, 1)) + example * draw((1, 1, examples))
    own = own_seed * draw((cells, seeds, 1)) + own_example * draw((cells, 1, examples))
    return (means[:, None, None] + shared + own + draw((cells, seeds, examples)) > 0).astype(np.float64)


def study(name: str = "augment_ablation", target: str = "rsscn7", seeds: int = 3) -> Study:
    """The augmentation study of the simulated run."""
    levels: dict[str, Policy] = {policy: load("policies", policy) for policy in POLICIES}
    return Study(
        name=name,
        question="Is hierarchical pretraining more robust to the augmentation policy than pretraining from scratch?",
        arms=ARMS,  # type: ignore[arg-type]  # parsed by the validator
        targets=(target,),
        recipes={
            "base": Pretraining(iterations=600, data="cifar10", seed=0),
            "target": Pretraining(iterations=200),
        },
        factors=(Factor(name="policy", field="policy", levels=levels, baseline="baseline"),),
        seeds=tuple(range(seeds)),
        evaluations=(Evaluation(probe="linear"), Evaluation(probe="knn")),
        backbone="resnet_small",
        image_size=32,
        decode_size=40,
    )


def run(
    *,
    name: str = "augment_ablation",
    target: str = "rsscn7",
    class_name: str = "river",
    seeds: int = 3,
    examples: int = 300,
    accuracy: dict[str, tuple[float, ...]] | None = None,
    step0: dict[str, float] | None = None,
    failed: Callable[[Cell], bool] = lambda cell: False,
    seed: int = 0,
) -> Run:
    """A run with true accuracies ``accuracy``; cells for which ``failed(arm, policy, seed)`` holds have no result."""
    spec = study(name, target, seeds)
    truth = {**ACCURACY, **(accuracy or {})}
    generator = np.random.default_rng(seed)
    cells: list[tuple[str, str | None, int, float]] = []  # arm, policy, iteration, accuracy
    for arm in ARMS:
        if arm in STEP0:
            cells.append((arm, None, 0, (step0 or STEP0)[arm]))
            cells += [(arm, policy, 200, value) for policy, value in zip(POLICIES, truth[arm], strict=True)]
        else:
            cells.append((arm, None, 600, truth[arm][0]))
    results: list[dict[str, Any]] = []
    predictions: list[pd.DataFrame] = []
    labels = generator.integers(7, size=examples)
    for evaluation, penalty in (("linear", 0.0), ("knn", 0.04)):
        means = np.array([latent_mean(value - penalty) for *_, value in cells])
        correct = crossed(means, seeds, examples, generator)
        for (arm, policy, iteration, _), by_seed in zip(cells, correct, strict=True):
            # Direct transfer and step 0 of a chain are one given: no policy and no seed.
            alone = arm == "base" or (iteration == 0 and arm != "target")
            for number, row in enumerate(by_seed[:1] if alone else by_seed):
                axes = {
                    "study": name,
                    "target": target,
                    "arm": arm,
                    "policy": policy,
                    "seed": None if alone else number,
                }
                lost = failed((arm, policy, axes["seed"])) and iteration > 0
                results += _result_rows(axes, iteration, evaluation, None if lost else float(row.mean()), examples)
                if not lost:
                    table = pd.DataFrame(
                        {
                            **axes,
                            "evaluation": evaluation,
                            "repeat": 0,
                            "example": np.arange(examples),
                            "label": labels,
                            "prediction": np.where(row > 0, labels, (labels + 1) % 7),
                            "iteration": iteration,
                        }
                    )
                    predictions.append(table.astype({"policy": object, "seed": "Int64"}))
    found = pd.DataFrame(results).astype({"seed": "Int64", "value": "float64", "seconds": "float64"})
    return Run(
        found, pd.concat(predictions, ignore_index=True), _curves(found), _views(), _manifest(spec, found, class_name)
    )


def _result_rows(
    axes: dict[str, Any], iteration: int, evaluation: str, value: float | None, examples: int
) -> Iterable[dict[str, Any]]:
    cell = f"{axes['arm']}/{axes['policy']}/{axes['seed']}"
    trained = iteration > 0
    for split in ("val", "test"):
        yield axes | {
            "iteration": iteration,
            "evaluation": evaluation,
            "metric": "accuracy",
            "split": split,
            "repeat": 0,
            "value": value,
            "n": examples,
            "seconds": 0.01 * iteration if trained and value is not None else None,
            "images": 256 * iteration if trained and value is not None else None,
            "device": "cpu",
            "status": "done" if value is not None else "failed",
            "reason": None if value is not None else "loss is not finite at iteration 37 (lr 0.03)",
            "stage": f"{evaluation}-{cell}-{iteration}",
            "weights": cell if trained else (None if axes["arm"] == "target" else "base/None/None"),
            "parents": ["base/None/None"],
            "version": "1",
        }


def _curves(results: pd.DataFrame) -> pd.DataFrame:
    parts = [pd.DataFrame(columns=run_schema(CURVES, ["policy"]).names)]
    done = results[(results["iteration"] > 0) & (results["status"] == "done")]
    for cell in done.drop_duplicates(["arm", "policy", "seed"]).itertuples():
        steps = np.arange(0, cell.iteration + 1, 5)
        noise = np.random.default_rng(zlib.crc32(cell.weights.encode())).normal(0, 0.03, len(steps))
        start = 4.8 if cell.arm in ("target", "base") else 3.4
        parts.append(
            pd.DataFrame(
                {
                    "study": cell.study,
                    "target": cell.target,
                    "arm": cell.arm,
                    "policy": cell.policy,
                    "seed": cell.seed,
                    "phase": cell.arm.split(">")[-1],
                    "iteration": steps,
                    "loss": 2.2 + (start - 2.2) * np.exp(-steps / 60) + noise,
                    "lr": 0.03 * (1 + np.cos(np.pi * steps / cell.iteration)) / 2,
                    "images_per_second": 2500.0,
                    "feature_std": 0.09 - 0.05 * np.exp(-steps / 30) + noise / 20,
                    "stage": cell.weights,
                }
            )
        )
    return pd.concat(parts, ignore_index=True).astype({"loss": "float64", "feature_std": "float64"})


def _views() -> pd.DataFrame:
    """A smooth picture under each policy's name: what the views look like does not matter here."""
    rows = []
    for policy in ("original", *POLICIES):
        for example in range(3):
            for view in range(1 if policy == "original" else 4):
                generator = np.random.default_rng([example, view, len(policy)])
                small = generator.integers(0, 255, (4, 4, 3), dtype=np.uint8)
                picture = Image.fromarray(small).resize((32, 32), Image.Resampling.BICUBIC)
                buffer = io.BytesIO()
                picture.save(buffer, "PNG")
                rows.append({"policy": policy, "example": example, "view": view, "png": buffer.getvalue()})
    return pd.DataFrame(rows)


def _manifest(spec: Study, results: pd.DataFrame, class_name: str) -> Manifest:
    lost = results[results["status"] == "failed"].drop_duplicates("weights")
    cells = results.drop_duplicates(["arm", "policy", "seed", "iteration"])
    target = spec.targets[0]
    return records.manifest(
        spec,
        command=f"hpt-study run {spec.name} --set target={target}",
        stages={"total": len(cells) + 130, "cached": 4, "trained": len(cells) - len(lost), "failed": len(lost)},
        datasets={
            "cifar10": records.data_summary("cifar10", classes=["bird", "cat"], excluded=2),
            target: records.data_summary(target, classes=["forest", "field", class_name], excluded=2),
        },
        failures=[
            {
                "stage": f"pretrain {row.arm} {row.policy} seed {row.seed}",
                "reason": row.reason,
                "cells": [f"{row.arm} {row.policy} seed {row.seed}"],
            }
            for row in lost.itertuples()
        ],
        notes=["2 images of the test split also stood in train and were left out of pretraining."],
    )
