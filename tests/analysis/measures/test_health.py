"""Notes on collapse and forgetting, on tables of known answers. A run that did collapse is in training/test_monitor."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hpt_ray.analysis.measures.health import notes
from hpt_ray.store.schema import CURVES
from hpt_ray.store.tables import run_schema, to_frame, to_table
from tests.support import simulate


def curve(
    arm: str = "base>target",
    stage: str = "a",
    *,
    std: tuple[float, float] = (0.05, 0.05),
    knn: tuple[float, float] | None = None,
    rank: tuple[float, float] | None = None,
    n: int = 100,
    **axes: Any,
) -> list[dict[str, Any]]:
    """A stage's rows from start to end: linear in between, the monitor's at iterations 0, 50 and 100."""
    place = {"study": "s", "target": "t", "arm": arm, "policy": "baseline", "seed": 0, "stage": stage}
    place |= {"phase": arm.rpartition(">")[2]} | axes
    rows = []
    for at in np.linspace(0, 1, 11):
        row = place | {"iteration": round(100 * at)}
        if at > 0:
            row |= {"loss": 1.0, "feature_std": std[0] + (std[1] - std[0]) * (at - 0.1) / 0.9}
        if at in (0, 0.5, 1):
            measures = {"knn": knn, "effective_rank": rank}
            row |= {name: ends[0] + (ends[1] - ends[0]) * at for name, ends in measures.items() if ends} | {"n": n}
        rows.append(row)
    return rows


def frame(*curves: list[dict[str, Any]]) -> pd.DataFrame:
    return to_frame(to_table([row for rows in curves for row in rows], run_schema(CURVES, ["policy"])))


def test_a_healthy_run_has_no_notes() -> None:
    assert notes(frame(curve(knn=(0.4, 0.5), rank=(50, 70)))) == []


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ((0.05, 0.0049), True),  # a tenth of the start
        ((0.05, 0.0055), False),
        ((0.02, 0.0045), True),  # the floor
        ((0.001, 0.001), True),  # it was there from the first logged iteration on
        ((0.003, 0.04), False),  # as from scratch, where features spread as they are learned
        ((0.022, 0.022), False),  # uniform on the sphere of 2,048 dimensions
    ],
)
def test_collapse_of_the_projections(ends: tuple[float, float], told: bool) -> None:
    said = notes(frame(curve(std=ends)))
    assert len(said) == told
    if told:
        assert said[0].startswith("HPT (baseline): collapse in 1 of 1 runs: the projections' standard deviation is ")
        fell = f"down to {ends[1]:.2g} (it started at {ends[0]:.2g})"
        assert ("0.001 (it was 0.001 when it was first logged)" if ends[0] == ends[1] else fell) in said[0]


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ((50, 4.9), True),
        ((50, 5.5), False),
        ((8, 1.9), True),
        ((3, 2.1), False),
        ((2.02, 1.98), False),  # no fall to speak of
        ((1.5, 1.5), False),  # it was there before training: images of a line
        ((1.5, 1.9), False),
        ((1.9, 1.2), False),
        ((0, 0), False),
        ((1.5, 0.1), True),  # a tenth, wherever it started
    ],
)
def test_collapse_of_the_features(ends: tuple[float, float], told: bool) -> None:
    said = notes(frame(curve(rank=ends)))
    assert [("the features' effective rank is down to" in note) for note in said] == [True] * told


@pytest.mark.parametrize(
    ("ends", "n", "told"),
    [
        ((0.5, 0.42), 100, True),  # one standard error is sqrt((0.25 + 0.2436) / 100) = 7.03 points
        ((0.5, 0.44), 100, False),  # 7.05
        ((0.5, 0.44), 400, True),  # 3.5
        ((0.5, 0.9), 100, False),  # a gain
        ((0.5, 0.5), 100, False),
        ((0.0, 0.0), 100, False),  # without any spread
        ((1.0, 0.99), 10_000, True),
    ],
)
def test_forgetting_is_a_fall_by_more_than_its_standard_error(ends: tuple[float, float], n: int, told: bool) -> None:
    assert len(notes(frame(curve(knn=ends, n=n)))) == told


def test_forgetting_says_by_how_much() -> None:
    (said,) = notes(frame(curve(knn=(0.5, 0.4), n=100)))
    assert said == (
        "HPT (baseline): forgetting: the online kNN ended at 40.0 %, 10.0 points below where it started "
        "(standard error 7.0, runs: 1)."
    )


def test_seeds_are_judged_together() -> None:
    """A fall of 5 points is below one run's standard error of 7.0, and above the 3.5 of the mean of four."""
    four = [curve(stage=str(seed), seed=seed, knn=(0.5, 0.45), n=100) for seed in range(4)]
    assert notes(frame(four[0])) == []
    (said,) = notes(frame(*four))
    assert "5.0 points below where it started (standard error 3.5, runs: 4)" in said
    # One bad seed among good ones is no forgetting of the arm; but a collapse is told by run.
    mixed = [*four[:1], *(curve(stage=str(seed), seed=seed, knn=(0.5, 0.6)) for seed in range(1, 4))]
    assert notes(frame(*mixed)) == []
    broken = [*four[:1], curve(stage="1", seed=1, std=(0.05, 0.001)), curve(stage="2", seed=2, std=(0.05, 0.002))]
    (said,) = notes(frame(*broken))
    assert "collapse in 2 of 3 runs: the projections' standard deviation is down to 0.001" in said


def test_the_rate_of_false_alarms_is_below_a_sixth() -> None:
    """Nothing changes between start and end, and the images are even drawn anew; the same ones would vary less."""
    rng = np.random.default_rng(0)
    ends = rng.binomial(200, 0.6, (2000, 2)) / 200
    stages = [curve(stage=str(i), target=str(i), knn=(start, end), n=200) for i, (start, end) in enumerate(ends)]
    rate = len(notes(frame(*stages))) / len(ends)
    assert 0.12 < rate < 1 / 6 + 0.02


def test_arms_levels_and_phases_are_told_apart_and_shared_stages_are_told_once() -> None:
    bad = {"std": (0.05, 0.001)}
    table = frame(
        curve("base", "b", policy=None, seed=None, **bad),
        *(
            rows
            for level in ("baseline", "crop_only")
            for seed in (0, 1)
            for rows in (
                curve("base>target", "b", phase="base", policy=level, seed=seed, **bad),
                curve("base>target", f"{level}{seed}", policy=level, seed=seed, **(bad if level != "baseline" else {})),
            )
        ),
        curve("base>target:bn", "n", policy="crop_only", **bad),
        curve("base>source>target", "s", phase="source", policy="crop_only", **bad),
        curve("target", "t", policy="crop_only"),
    )
    assert [note.partition(": the")[0] for note in notes(table)] == [
        "The base: collapse in 1 of 1 runs",
        "HPT (crop only): collapse in 2 of 2 runs",
        "HPT-BN (crop only): collapse in 1 of 1 runs",
        "base>source (crop only): collapse in 1 of 1 runs",
    ]


def test_targets_are_named_where_there_are_several() -> None:
    bad = {"std": (0.05, 0.001)}
    table = frame(
        curve("base>target", "b", phase="base", target="aerial", **bad),
        curve("base>target", "b", phase="base", target="medical", **bad),
        curve(stage="a", target="aerial", **bad),
        curve(stage="m", target="medical"),
    )
    assert [note.partition(":")[0] for note in notes(table)] == ["The base (baseline)", "HPT on aerial (baseline)"]


def test_tables_without_the_monitors_columns_or_without_rows() -> None:
    table = frame(curve(std=(0.05, 0.001), knn=(0.5, 0.1)))
    assert len(notes(table)) == 2
    empty = table.assign(knn=None, effective_rank=np.nan, n=None)
    without = table.drop(columns=["knn", "effective_rank", "n"])
    assert len(notes(empty)) == len(notes(without)) == 1
    assert notes(table[:0]) == []
    assert notes(table[table["iteration"] == 0]) == []  # where there is no end to compare with


def test_a_simulated_run_is_healthy() -> None:
    assert notes(simulate.run().curves) == []


def test_an_arm_has_one_line_of_a_kind_however_many_levels_went_wrong() -> None:
    runs = [
        curve(stage="a", policy="baseline", std=(0.05, 0.004), knn=(0.6, 0.45)),
        curve(stage="b", policy="no_color", std=(0.06, 0.003), knn=(0.6, 0.30)),
        curve(stage="c", policy="crop_only", std=(0.05, 0.05), knn=(0.6, 0.60)),
    ]
    collapse, forgetting = notes(frame(*runs))
    assert collapse.startswith("HPT (baseline, no color): collapse in 2 of 2 runs: ")
    assert "is down to 0.003 (it started at 0.06)" in collapse
    assert forgetting.startswith(
        "HPT (baseline, no color): forgetting, most at no color: the online kNN ended at 30.0 %, 30.0 points below"
    )
    assert forgetting.endswith("runs: 1).")


@pytest.mark.parametrize(("n", "told"), [(1, False), (19, False), (20, True)])
def test_the_rank_of_a_few_images_raises_no_alarm(n: int, told: bool) -> None:
    """Of n images it is below n, so that it could not fall to a tenth and still be above the floor."""
    assert bool(notes(frame(curve(rank=(18, 1), n=n)))) is told


def test_an_alarm_never_says_that_what_rose_is_down() -> None:
    ends = [0.0, 0.001, 0.00104, 0.0051, 1.0, 1.98, 2.02, 50.0]
    for start, end in itertools.product(ends, repeat=2):
        for note in notes(frame(curve(std=(start, end), rank=(start, end)))):
            down = re.search(r"down to (\S+) \(it started at (\S+)\)", note)
            assert down is None or float(down[1]) < float(down[2])
            assert down or "effective rank" not in note
