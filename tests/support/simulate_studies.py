"""Runs of any study with a known truth, for tests of what reads them: no training, the schema of the store.

Correctness is drawn from the crossed probit model of ``simulate``, whose seeds and examples all cells of a target share
in all evaluations, as they do in a real run.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hpt_ray.analysis.measures.run import Run
from hpt_ray.core.registry import load
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.grid import depends_on_seed
from hpt_ray.spec.study import Evaluation, Factor, Pretraining, Study
from hpt_ray.store.records import Manifest
from hpt_ray.store.schema import TABLES
from hpt_ray.store.tables import run_schema
from tests.support import records, simulate

CLASSES = 7
TRAIN = 1400
STEP0 = 0.25
ITERATIONS = 100


class Cell(NamedTuple):
    """What a true accuracy is asked for; ``level`` is "" where the arm does not vary with the (first) factor, and
    ``others`` has the levels of further factors."""

    target: str
    arm: str
    level: str
    evaluation: str
    others: tuple[str, ...] = ()


Truth = Callable[[Cell], float]


def study(name: str, arms: tuple[str, ...], **changes: Any) -> Study:
    """A study with a fixed base, a source and a target to pretrain on."""
    given: dict[str, Any] = {
        "name": name,
        "question": "Does it hold together?",
        "arms": arms,
        "targets": ("aerial",),
        "recipes": {
            "base": Pretraining(iterations=600, data="objects", seed=0),
            "source": Pretraining(iterations=100, data="drawings"),
            "target": Pretraining(iterations=100),
        },
        "seeds": (0, 1, 2),
        "evaluations": (Evaluation(probe="linear"),),
        "backbone": "resnet_small",
        "image_size": 32,
        "decode_size": 32,
    }
    return Study(**given | changes)


SEQUENTIAL = ("base", "target", "base>target", "base>source", "source>target", "base>source>target")
FOUR = ("target", "base", "base>target", "base>target:bn")
ADAPT = (*FOUR, "base~0.5~target", "base>target:keep")
METHODS = ("moco_v2", "simclr", "byol")


def adapt(**changes: Any) -> Study:
    """All ways of going on from one base, evaluated on its own data too."""
    linear = Evaluation(probe="linear")
    return study("adapt", ADAPT, **{"evaluations": (linear, linear.on("objects"))} | changes)


def sequential(**changes: Any) -> Study:
    return study("sequential", SEQUENTIAL, **changes)


def advice(**changes: Any) -> Study:
    """Two bases and two recipes of the target."""
    recipes = study("advice", FOUR).recipes
    roles = {"drawings": recipes["source"], "target_30": Pretraining(iterations=30)}
    arms = ("target", "base", "base>target_30", "drawings", "drawings>target", "drawings>target_30:bn")
    return study("advice", arms, **{"recipes": {**recipes, **roles}} | changes)


def low_label(labels: tuple[int, ...] = (50, 200), arms: tuple[str, ...] = FOUR, **changes: Any) -> Study:
    """Fine-tuning with so many labels and with all, and a linear probe."""
    tuned = [Evaluation(probe="finetune", name=f"finetune_{number}", options={"labels": number}) for number in labels]
    all_of_them = Evaluation(probe="finetune", name="finetune_all")
    return study("low_label", arms, **{"evaluations": (*tuned, all_of_them, Evaluation(probe="linear"))} | changes)


def landscape(arms: tuple[str, ...] = FOUR, **changes: Any) -> Study:
    """Two policies by two iteration budgets."""
    policies = {name: load("policies", name) for name in ("baseline", "crop_only")}
    policy = Factor(name="policy", field="policy", levels=policies, baseline="baseline")
    budget = Factor(name="iterations", field="iterations", levels={"30": 30, "270": 270}, baseline="270")
    return study("landscape", arms, **{"factors": (policy, budget)} | changes)


def methods(names: tuple[str, ...] = METHODS, arms: tuple[str, ...] = FOUR, **changes: Any) -> Study:
    levels = {name: {"method": name} for name in names}
    factor = Factor(name="method", roles=("base", "target"), levels=levels, baseline=names[0])
    return study("methods", arms, **{"factors": (factor,)} | changes)


def run(
    spec: Study,
    truth: Truth,
    *,
    examples: int = 300,
    failed: Callable[[Cell, int | None], bool] = lambda cell, seed: False,
    seed: int = 0,
) -> Run:
    """A run with true accuracies ``truth``; cells for which ``failed(cell, seed)`` holds have no result."""
    factors = [factor.name for factor in spec.factors]
    schemas = {name: run_schema(table, factors).names for name, table in TABLES.items()}
    tables: dict[str, list[pd.DataFrame]] = {name: [pd.DataFrame(columns=names)] for name, names in schemas.items()}
    for number, target in enumerate(spec.targets):
        generator = np.random.default_rng([seed, number])
        labels = generator.integers(CLASSES, size=examples)
        cells = list(_cells(spec, target))
        accuracies = [_before(spec, cell, truth) if step0 else truth(cell) for cell, step0 in cells]
        means = np.array([simulate.latent_mean(accuracy) for accuracy in accuracies])
        correct = simulate.crossed(means, len(spec.seeds), examples, generator)
        for (cell, step0), by_seed in zip(cells, correct, strict=True):
            for row, own in enumerate(spec.seeds if _seeded(spec, cell.arm) else (None,)):
                axes = {"study": spec.name, "target": target, "arm": cell.arm, "seed": own}
                axes |= {name: level or None for name, level in zip(factors, (cell.level, *cell.others), strict=False)}
                axes |= {"evaluation": cell.evaluation, "repeat": 0}
                axes |= {"iteration": 0 if step0 else ITERATIONS}
                lost = not step0 and failed(cell, own)
                tables["results"].append(_result(axes, None if lost else by_seed[row].mean(), examples))
                if not lost:
                    prediction = np.where(by_seed[row] > 0, labels, (labels + 1) % CLASSES)
                    found = {"example": np.arange(examples), "label": labels, "prediction": prediction}
                    tables["predictions"].append(pd.DataFrame(axes | found))
                if not lost and not step0 and cell.evaluation == spec.evaluations[0].name:
                    tables["curves"].append(_curve(axes))
    joined = {
        name: pd.concat([part.astype(object) for part in parts], ignore_index=True)[schemas[name]].infer_objects()
        for name, parts in tables.items()
    }
    joined = {name: table.astype({"seed": "Int64"}) for name, table in joined.items()}
    return Run(**joined, views=pd.DataFrame(columns=["policy", "example", "view", "png"]), manifest=_manifest(spec))


def _cells(spec: Study, target: str) -> Iterator[tuple[Cell, bool]]:
    """Every cell, and whether it is its step 0, which direct transfer has too."""
    for arm, evaluation in itertools.product(spec.arms, spec.evaluations):
        own = (factor.levels_of(arm) if factor.varies(arm) else ("",) for factor in spec.factors)
        for levels in itertools.product(*own):
            level, *others = levels or ("",)
            for step0 in (True, False):
                yield Cell(target, arm.chain, level, evaluation.name, tuple(others)), step0


def _before(spec: Study, cell: Cell, truth: Truth) -> float:
    """The true accuracy at step 0: that of the chain without its last link, or of random features."""
    before = cell.arm.rpartition(">")[0]
    return truth(cell._replace(arm=before)) if before in [arm.chain for arm in spec.arms] else STEP0


def _seeded(spec: Study, arm: str) -> bool:
    """Whether an arm depends on the cell's seed."""
    return any(depends_on_seed(spec.recipes[phase.role]) for phase in Arm.parse(arm).phases)


def _result(axes: dict[str, Any], value: float | None, examples: int) -> pd.DataFrame:
    done, trained = value is not None, axes["iteration"] > 0
    found = {
        "metric": "accuracy",
        "split": "test",
        "value": value,
        "n": examples,
        "seconds": 12.0 if done and trained else None,
        "images": 25_600 if done and trained else None,
        "device": "cpu",
        "status": "done" if done else "failed",
        "reason": None if done else "loss is not finite at iteration 37",
        "weights": _stage(axes) if trained else None,
    }
    return pd.DataFrame([axes | found])


def _curve(axes: dict[str, Any]) -> pd.DataFrame:
    """Loss at every tenth iteration, and the monitor's two at every fiftieth, as a run records them."""
    iteration = np.arange(0, ITERATIONS + 1, 10)
    watched = np.where(iteration % 50 == 0, 1.0, np.nan)
    noise = np.random.default_rng(zlib.crc32(_stage(axes).encode())).normal(0, 0.02, len(iteration))
    found = {
        "phase": Arm.parse(axes["arm"]).phases[-1].name,
        "iteration": iteration,
        "loss": np.where(iteration > 0, 2 + 2 * np.exp(-iteration / 40) + noise, np.nan),
        "feature_std": np.where(iteration > 0, 0.06 + noise / 10, np.nan),
        "knn": watched * (0.4 + iteration / 500 + noise),
        "effective_rank": watched * (50 + iteration / 5 + 10 * noise),
        "n": watched * 200,
        "stage": _stage(axes),
    }
    names = {name: value for name, value in axes.items() if name not in ("evaluation", "repeat", "iteration")}
    return pd.DataFrame(names | found)


def _stage(axes: dict[str, Any]) -> str:
    return "/".join(str(value) for name, value in axes.items() if name not in ("evaluation", "repeat", "iteration"))


def _manifest(spec: Study) -> Manifest:
    names = (*spec.targets, "objects", "drawings")
    return records.manifest(spec, datasets={name: records.data_summary(name, train=TRAIN, val=200) for name in names})
