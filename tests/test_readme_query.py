"""The README's query is run as it stands there, on files of the real schema."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hpt_ray.store.schema import RESULTS
from hpt_ray.store.tables import run_schema, to_table
from tests.support.places import ROOT

duckdb = pytest.importorskip("duckdb", reason="duckdb, of the test extra, is not installed")

README = ROOT / "README.md"
TARGETS, POLICIES = ("aerial", "medical"), ("baseline", "crop_only")
#: The cell that has no value, as one that failed.
FAILED = ("medical", "base>target", "crop_only", 1)


def value(target: str, arm: str, policy: str | None, seed: int | None) -> float:
    return (
        0.5
        + 0.2 * TARGETS.index(target)
        + 0.1 * (arm == "base>target")
        + 0.05 * (policy == "crop_only")
        + 0.01 * (seed or 0)
    )


def rows(seeds: int) -> list[dict[str, Any]]:
    """All rows of a run with so many seeds: a study's cells, before and after training, on two splits, by two probes,
    one of them in two repeats that agree, and with a value of a class."""
    found = []
    cells = [("base", None, None), *itertools.product(("target", "base>target"), POLICIES, range(seeds))]
    for target, (arm, policy, seed) in itertools.product(TARGETS, cells):
        for evaluation, split, iteration, repeat, kind in itertools.product(
            ("linear", "knn"), ("val", "test"), (0, 90), (0, 1), (None, "river")
        ):
            failed = (target, arm, policy, seed) == FAILED
            own = None if failed else value(target, arm, policy, seed)
            asked = evaluation == "linear" and split == "test" and iteration and kind is None
            found.append(
                {
                    "study": "augment_ablation",
                    "target": target,
                    "arm": arm,
                    "policy": policy,
                    "seed": seed,
                    "iteration": iteration,
                    "evaluation": evaluation,
                    "metric": "accuracy",
                    "class": kind,
                    "split": split,
                    "repeat": repeat,
                    "value": own if asked or failed else 0.0,
                    "n": 100,
                    "status": "failed" if failed else "done",
                    "reason": "out of memory" if failed else None,
                    "stage": f"{target} {arm} {policy} {seed} {evaluation} {iteration}",
                }
            )
    return found


def test_seeds_and_means_are_those_of_all_runs_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of one, two and three seeds repeat each other's rows, and one seed of a cell failed."""
    schema = run_schema(RESULTS, ["policy"])
    for seeds in (1, 2, 3):
        folder = tmp_path / "hpt-store" / "runs" / f"augment_ablation-{seeds}"
        folder.mkdir(parents=True)
        pq.write_table(to_table(rows(seeds), schema), folder / "results.parquet")
    monkeypatch.chdir(tmp_path)
    (query,) = re.findall(r"```sql\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    found = {tuple(row[:4]): row[4:] for row in duckdb.sql(query).fetchall()}
    expected: dict[tuple[Any, ...], tuple[float, int]] = {}
    for target in TARGETS:
        expected[target, "base", None, 90] = value(target, "base", None, None), 0  # one given, whatever the seed
        for arm, policy in itertools.product(("target", "base>target"), POLICIES):
            seeds = [seed for seed in range(3) if (target, arm, policy, seed) != FAILED]
            mean = sum(value(target, arm, policy, seed) for seed in seeds) / len(seeds)
            expected[target, arm, policy, 90] = mean, len(seeds)
    assert found.keys() == expected.keys()
    for cell, (mean, seeds_there) in expected.items():
        assert found[cell][0] == pytest.approx(mean)
        assert found[cell][1] == seeds_there
