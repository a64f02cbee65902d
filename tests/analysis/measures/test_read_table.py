"""Tables as people have them: which column is taken for what, what is refused, and in what words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from hpt_ray.analysis.measures.long_table import LongTable, Options
from hpt_ray.analysis.measures.read_table import read
from hpt_ray.core.errors import StudyError

Read = Callable[..., LongTable]

#: Runs of two models with three seeds each.
RUNS = pd.DataFrame(
    {"model": ["a", "a", "a", "b", "b", "b"], "seed": [0, 1, 2] * 2, "acc": [80.0, 81.0, 82.0, 83.0, 84.0, 85.0]}
)


@pytest.fixture
def judged(tmp_path: Path) -> Read:
    def judged(table: pd.DataFrame, baseline: str = "a", **options: Any) -> LongTable:
        file = tmp_path / "runs.csv"
        table.to_csv(file, index=False)
        return read(str(file), Options(baseline=baseline, **options))

    return judged


def refusal(judged: Read, table: pd.DataFrame, **options: Any) -> str:
    with pytest.raises(StudyError) as caught:
        judged(table, **options)
    return str(caught.value)


def test_usual_names_are_found_and_said(judged: Read) -> None:
    table = judged(RUNS)
    assert (table.arms, table.seeds, table.targets, table.metric) == (
        ("a", "b"),
        ("0", "1", "2"),
        ("runs.csv",),
        "accuracy",
    )
    np.testing.assert_allclose(table.values("runs.csv", "b"), [[0.83], [0.84], [0.85]])
    assert table.reading == (
        "Read as arm = column 'model', value = column 'acc' (accuracy, higher is better, per cent from 0 to 100), seed "
        "= column 'seed'; no column of examples.",
    )


def test_rows_in_any_order_are_the_same_table(judged: Read) -> None:
    shuffled = RUNS.iloc[[5, 2, 0, 1, 4, 3]]
    np.testing.assert_array_equal(judged(shuffled).values("runs.csv", "a"), judged(RUNS).values("runs.csv", "a"))


def test_shares_stay_and_what_is_neither_is_a_plain_number(judged: Read) -> None:
    shares = judged(RUNS.assign(acc=RUNS["acc"] / 100))
    np.testing.assert_allclose(shares.values("runs.csv", "b"), [[0.83], [0.84], [0.85]])
    errors = judged(RUNS.rename(columns={"acc": "rmse"}))
    assert not errors.higher and errors.unit.of_change == "" and errors.margin == 0
    assert errors.values("runs.csv", "b")[0, 0] == 83


def test_a_runs_table_of_weights_and_biases(judged: Read) -> None:
    """One row a run: names that no two share, ``config.`` and ``summary.`` before the others, and a state."""
    runs = RUNS.rename(columns={"model": "config.method", "seed": "config.seed", "acc": "summary.test/acc"})
    runs.insert(0, "Name", [f"brisk-{number}" for number in range(6)])
    runs["State"] = ["finished"] * 5 + ["crashed"]
    runs.loc[5, "summary.test/acc"] = np.nan
    table = judged(runs)
    assert table.arms == ("a", "b") and table.seeds == ("0", "1", "2")
    assert np.isnan(table.values("runs.csv", "b")).ravel().tolist() == [False, False, True]


def test_of_a_history_the_last_step_of_each_run(judged: Read) -> None:
    history = pd.concat([RUNS.assign(_step=step, acc=RUNS["acc"] - 100 / (1 + step)) for step in (1, 5, 9)])
    history = pd.concat([history, RUNS.assign(_step=10, acc=np.nan)])  # steps that log something else
    table = judged(history)
    np.testing.assert_allclose(table.values("runs.csv", "a"), [[0.70], [0.71], [0.72]])
    assert "Of each run its last step is used." in table.reading


def test_a_result_table_of_torchgeo_bench(judged: Read) -> None:
    """Its ``method`` is an evaluation and its ``model`` a class: the arm is in the column that has the baseline."""
    rows = [
        {"dataset": data, "method": probe, "metric_name": "accuracy", "metric_value": 0.5 + 0.1 * (name == "dofa"),
         "ci_lower": 0.4, "n_test": 1000, "seed": 0, "model": "torchgeo_bench.models.Bench", "name": name}
        for data in ("m-eurosat", "m-forestnet")
        for probe in ("knn5", "linear")
        for name in ("resnet50", "dofa")
    ]  # fmt: skip
    bench = pd.DataFrame(rows)
    assert "they differ in method: choose by --where method=knn5" in refusal(judged, bench, baseline="resnet50")
    table = judged(bench, "resnet50", where={"method": "linear"})
    assert (table.arms, table.targets) == (("resnet50", "dofa"), ("m-eurosat", "m-forestnet"))
    paired = judged(bench, "resnet50", where={"method": "linear"}, seed="dataset")
    assert (paired.seeds, paired.targets) == (("m-eurosat", "m-forestnet"), ("runs.csv",)) and paired.over_targets


def test_a_wide_table_of_lightly_asks_which_column(judged: Read) -> None:
    wide = pd.DataFrame(
        {"Model": ["BYOL", "DINO"], "Backbone": ["Res50"] * 2, "Epochs": [100, 100], "Linear Top1": [62.4, 68.2],
         "kNN Top1": [45.3, 49.9]}
    )  # fmt: skip
    assert "--value 'Linear Top1'" in refusal(judged, wide, baseline="BYOL")
    table = judged(wide, "BYOL", value="Linear Top1, kNN Top1")
    assert table.targets == ("Linear Top1", "kNN Top1")
    assert table.values("kNN Top1", "DINO")[0, 0] == pytest.approx(0.499)


def test_answers_are_scored(judged: Read) -> None:
    answers = pd.DataFrame(
        {"model": ["a", "a", "b", "b"], "image": ["x", "y"] * 2, "label": [0, 1] * 2, "prediction": [0, 0, 0, 1]}
    )
    table = judged(answers)
    assert table.values("runs.csv", "a").tolist() == [[1.0, 0.0]] and table.by_example


def test_scores_of_several_labels_are_those_of_the_auroc(tmp_path: Path) -> None:
    """Of one example, its part in the area may be above 1; the values are shares nonetheless."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, (60, 3))
    answers = {arm: labels + noise * generator.normal(size=labels.shape) for arm, noise in (("a", 1.5), ("b", 0.8))}
    parts = [
        pd.DataFrame({"model": arm, "image": range(60), "labels": labels.tolist(), "scores": scores.tolist()})
        for arm, scores in answers.items()
    ]
    pd.concat(parts).to_parquet(tmp_path / "runs.parquet")
    table = read(str(tmp_path / "runs.parquet"), Options(baseline="a"))
    assert table.metric == "AUROC" and table.unit.of_change == " points"
    for arm, scores in answers.items():
        assert table.values("runs.parquet", arm).mean() == pytest.approx(roc_auc_score(labels, scores, average="macro"))


def test_examples_that_not_all_runs_have_are_left_out(judged: Read) -> None:
    rows = [("a", "x", 1), ("a", "y", 0), ("b", "y", 1), ("b", "z", 1)]
    table = judged(pd.DataFrame(rows, columns=["model", "image", "correct"]))
    assert table.values("runs.csv", "b").tolist() == [[1.0]]
    assert table.scores["runs.csv"].left_out == 2


LONG = RUNS.melt(["model", "seed"], value_vars=["acc"], var_name="metric")


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        (RUNS, {"baseline": "aa"}, "unknown arm of the column 'model': 'aa'. Did you mean 'a'?"),
        (RUNS, {"value": "ac"}, "unknown column 'ac'. Did you mean 'acc'?"),
        (RUNS, {"where": {"seeds": "0"}}, "unknown column 'seeds'"),
        (RUNS, {"where": {"model": "a"}}, "has no other arm than 'a'"),
        (RUNS.rename(columns={"model": "who"}), {}, "no column is called like one of arms"),
        (RUNS.rename(columns={"acc": "x"}), {}, "name one of seed, x by --value"),
        (RUNS.assign(f1=0.5), {}, "the columns acc, f1 may be the value"),
        (pd.concat([RUNS, RUNS[:1]]), {}, "rows 1 and 7 are both of arm 'a', seed 0: leave one of them out"),
        (pd.concat([RUNS, RUNS]).assign(bands=["rgb"] * 6 + ["all"] * 6), {}, "in bands: choose by --where bands=rgb"),
        (RUNS.assign(acc=RUNS["acc"].where(RUNS["seed"] < 2)), {}, "2 of 6 rows have no value in the column 'acc'"),
        (RUNS.assign(acc=["75.7 ± 0.3"] * 6), {}, "has the text '75.7 ± 0.3' in row 1"),
        (RUNS.assign(acc=[np.inf] * 6), {}, "infinite values"),
        (pd.concat([LONG, LONG.assign(metric="f1")]), {}, "has acc and f1: choose one, such as --metric 'acc'"),
        (RUNS.assign(level="x"), {"at": "y"}, "unknown level 'y'"),
        (RUNS[:0], {}, "has no rows"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(
    judged: Read, table: pd.DataFrame, options: dict[str, Any], said: str
) -> None:
    assert said in refusal(judged, table, **options)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "runs.parquet").write_text("model,acc")
    (tmp_path / "runs.txt").write_text("model,acc")
    for name, said in (("none.csv", "no such file"), ("runs.parquet", "cannot be read"), ("runs.txt", "as .csv")):
        with pytest.raises(StudyError, match=said):
            read(str(tmp_path / name), Options(baseline="a"))


def test_a_table_separated_by_semicolons(tmp_path: Path) -> None:
    RUNS.to_csv(tmp_path / "runs.csv", sep=";", index=False)
    assert read(str(tmp_path / "runs.csv"), Options(baseline="a")).arms == ("a", "b")


def test_seeds_are_the_same_whether_they_are_written_with_a_point(judged: Read) -> None:
    seeds = ["0", "1", "two", "0.0", "1.0", "two"]
    assert judged(RUNS.assign(seed=seeds)).seeds == ("0", "1", "two")


def test_runs_that_did_not_finish_are_counted_and_their_arm_is_told_of(judged: Read) -> None:
    crashed = RUNS[:3].assign(model="c", State="crashed")
    table = judged(pd.concat([RUNS.assign(State="finished"), crashed]))
    assert table.arms == ("a", "b", "c") and table.runs("runs.csv", "c") == 0
    assert "3 of 9 rows are left out, of runs that did not finish: crashed." in table.reading


def test_that_runs_end_at_different_steps_is_said(judged: Read) -> None:
    history = pd.concat([RUNS.assign(epoch=1), RUNS[1:].assign(epoch=9)])
    assert "Not all runs end at the same step: the last one with a value is from 1 to 9." in judged(history).reading


def test_an_arm_without_a_seed_is_one_run(judged: Read) -> None:
    published = pd.concat([RUNS, pd.DataFrame({"model": ["c"], "acc": [90.0]})])
    table = judged(published, "c")
    assert [table.runs("runs.csv", arm) for arm in table.arms] == [3, 3, 1]
    assert "c without a seed: held against every seed" in table.reading[1]


def test_columns_of_one_metric_have_its_direction(judged: Read) -> None:
    two = RUNS.rename(columns={"acc": "eurosat/loss"}).assign(**{"resisc/loss": 1.0})
    table = judged(two, value="eurosat/loss, resisc/loss")
    assert table.metric == "loss" and not table.higher
    assert "not of one metric" in refusal(judged, two.assign(acc=1.0), value="eurosat/loss,acc")


def test_a_metric_without_a_column_of_metrics_is_that_of_a_column(judged: Read) -> None:
    table = judged(RUNS.assign(**{"Top-1 (%)": RUNS["acc"] / 2}), metric="top_1")
    assert table.values("runs.csv", "a")[0, 0] == pytest.approx(0.4) and table.metric == "top 1"
    assert "unknown metric 'f1'" in refusal(judged, RUNS, metric="f1")


ANSWERED = pd.DataFrame(
    {
        "model": ["a", "a", "b", "b"],
        "image": ["x", "y"] * 2,
        "label": ["0", "1"] * 2,
        "prediction": ["0", "0", "0", "1"],
    }
)


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        (RUNS.assign(seed=[0, 1, None] * 2), {}, "row 3 names no run in the column 'seed'"),
        (RUNS.assign(dataset=["x"] * 5 + [None]), {}, "row 6 names no target in the column 'dataset'"),
        (RUNS.drop(columns="seed").assign(epoch=range(6)), {}, "no column names the run that each is of"),
        (RUNS, {"value": "acc", "seed": "acc"}, "is taken for two things"),
        (RUNS.assign(seed=0, acc=range(80, 86)), {}, "leave one of them out, or name a column"),
        (RUNS, {"margin": np.inf}, "--margin inf is no difference"),
        (ANSWERED.assign(image=["x", None] * 2), {}, "row 2 names no example"),
        (ANSWERED.assign(patient=["p", "q", "q", "q"]), {}, "example x is in several groups"),
        (ANSWERED.assign(prediction=["cat", "dog"] * 2), {}, "no prediction is any label, such as cat and 0"),
        (ANSWERED.assign(prediction=["0", None] * 2), {}, "row 2 has no prediction or no label"),
        (ANSWERED.drop(columns="image"), {}, "no column names these: name it by --example"),
        (RUNS.drop(columns="seed").assign(acc=[0, 1, 1] * 2), {}, "every value is 0 or 1"),
        (ANSWERED.rename(columns={"label": "labels", "prediction": "scores"}), {}, "give the table as Parquet"),
    ],
)  # fmt: skip
def test_what_would_give_a_wrong_number_is_refused(
    judged: Read, table: pd.DataFrame, options: dict[str, Any], said: str
) -> None:
    assert said in refusal(judged, table, **options)
