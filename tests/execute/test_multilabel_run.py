"""Several labels an image, from an image list to the report: a tiny study in this process."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from hpt_ray.analysis.by_class import by_class
from hpt_ray.analysis.cells import cells
from hpt_ray.analysis.measures.robustness import difference, mean_score
from hpt_ray.core import registry
from hpt_ray.core.errors import StudyError
from hpt_ray.execute.finalize import Result
from hpt_ray.execute.prepare import prepare
from hpt_ray.execute.run import run
from hpt_ray.spec.parameters import make, parameters
from hpt_ray.spec.study import Evaluation
from hpt_ray.store import schema as results
from hpt_ray.store.store import Store
from hpt_ray.store.tables import run_schema
from tests.support import small

CLASSES = ("red", "green", "blue", "never")
SPLITS = ("train", "train", "train", "val", "test")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Result]:
    """The list and one finished run on it, which tests only read: channels are brighter by class, a tenth unknown."""
    root = tmp_path_factory.mktemp("several")
    rng = np.random.default_rng(0)
    targets = np.concatenate([rng.integers(0, 2, (120, 3)), np.zeros((120, 1), int)], axis=1)
    lines = ['path,"{}",split'.format(",".join(CLASSES))]
    for i, row in enumerate(targets):
        pixels = rng.normal(110, 40, (16, 16, 3)) + rng.normal(8, 15, 3) * row[:3]
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / f"{i}.png")
        marks = np.where(rng.random(4) < 0.1, -1, row)
        lines.append(f'{i}.png,"{",".join(map(str, marks))}",{SPLITS[i % 5]}')
    (root / "list.csv").write_text("\n".join(lines))
    target = str(root / "list.csv")
    return target, run(small.study(targets=(target,)), store=root / "store", runner="inline")


def test_results_have_a_row_for_the_mean_and_one_for_each_class(finished: tuple[str, Result]) -> None:
    _, result = finished
    table = pq.read_table(result.results)
    assert table.schema == run_schema(results.RESULTS, ["policy"])
    frame = table.to_pandas()
    assert set(frame["metric"]) == {"auroc"} and set(frame["status"]) == {"done"}
    # 3 arms x 2 policies and direct transfer; 2 probes, 2 splits, before and after; the mean and four classes.
    assert len(frame) == 7 * 2 * 2 * 2 * 5
    never = frame["class"] == "never"
    assert frame["value"].isna().tolist() == never.tolist()
    assert (frame["reason"] != "").tolist() == never.tolist()
    assert set(frame.loc[never, "reason"]) == {
        f"train or {split} has not both values of it" for split in ("val", "test")
    }
    axes = ["arm", "policy", "seed", "iteration", "evaluation", "split", "repeat"]
    mean = frame[frame["class"].isna()].set_index(axes)["value"]
    by_hand = frame[frame["class"].notna()].groupby(axes, dropna=False)["value"].mean()
    pd.testing.assert_series_equal(mean.sort_index(), by_hand.sort_index())


def test_the_values_are_sklearns_of_the_predictions(finished: tuple[str, Result]) -> None:
    target, result = finished
    found = result.run.predictions
    assert found["label"].isna().all() and found["prediction"].isna().all()
    where = "arm == 'base>target' and policy == 'crop_only' and iteration == 2 and evaluation == '{}'"
    for evaluation in ("linear", "knn"):
        own = found.query(where.format(evaluation))
        scores, targets = (np.stack(list(own[name])) for name in ("scores", "labels"))
        assert len(own) == 24
        areas = [roc_auc_score(targets[rows, c], scores[rows, c]) for c, rows in enumerate((targets >= 0).T[:3])]
        told = result.run.results.query(where.format(evaluation) + " and split == 'test'").set_index("class")["value"]
        np.testing.assert_allclose([told[name] for name in CLASSES[:3]], areas)
        assert result.run.scores(target, "base>target", "crop_only", evaluation).mean() == pytest.approx(np.mean(areas))


def test_what_claims_are_made_on_is_the_mean(finished: tuple[str, Result]) -> None:
    target, result = finished
    made = result.run
    table = cells(made)
    table = table.assign(level=table["levels"].str[0]).set_index(["arm", "level"])
    for arm in ("target", "base>target"):
        found = mean_score(made, target, arm, "baseline")
        assert found is not None and found.low < found.estimate < found.high
        assert found.estimate == pytest.approx(table.loc[(arm, "baseline"), "linear"].item())
    between = difference(made, target, "base>target", "target", "baseline")
    assert between is not None
    values = table["linear"]
    wanted = values["base>target", "baseline"].item() - values["target", "baseline"].item()
    assert between.estimate == pytest.approx(wanted)
    classes = by_class(made, target)
    assert classes is not None
    assert [row[0] for row in classes.rows] == list(CLASSES)
    assert classes.rows[3][1:] == ("–",) * 4
    assert all(value.endswith(" %") for row in classes.rows[:3] for value in row[1:])


def test_the_report_says_auroc(finished: tuple[str, Result]) -> None:
    target, result = finished
    page = Path(result.report).read_text()
    said = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "Class by class" in said and '<span class="name">never</span>' in said
    assert "AUROC at baseline" in said and '"text":"test AUROC, %"' in said
    assert re.findall(r"(?<!kNN )[Aa]ccurac\w+", said) == []
    assert result.verdicts[0].table.columns[1] == "AUROC at baseline"
    assert result.verdicts[0].sentence.startswith(f"On {target}, ")


def test_targets_of_several_and_of_one_label_are_not_mixed(finished: tuple[str, Result], tmp_path: Path) -> None:
    target, _ = finished
    with pytest.raises(StudyError, match=r"shape,n=80 has one label .*list\.csv has several labels") as caught:
        prepare(small.study(targets=(small.TARGET, target)), Store(tmp_path))
    assert "\n" not in str(caught.value)


def test_probes_that_train_hand_in_scores(finished: tuple[str, Result], tmp_path: Path) -> None:
    target, _ = finished
    evaluations = (
        Evaluation(probe="sgd", options={"lr": 0.5, "iterations": 10, "batch": 16, "repeats": 2}),
        Evaluation(probe="finetune", options={"iterations": 8, "batch": 16, "labels": 20}),
    )
    tiny = small.study(targets=(target,), arms=("base",), factors=(), evaluations=evaluations)
    result = run(tiny, store=tmp_path / "store", runner="inline")
    frame = result.run.results.query("split == 'test'")
    for (evaluation, repeat, at), own in result.run.predictions.groupby(["evaluation", "repeat", "iteration"]):
        scores, targets = (np.stack(list(own[name])) for name in ("scores", "labels"))
        assert np.isnan(scores).all(axis=0).tolist() == [False, False, False, True]
        areas = [roc_auc_score(targets[rows, c], scores[rows, c]) for c, rows in enumerate((targets >= 0).T[:3])]
        chosen = (frame["evaluation"] == evaluation) & (frame["repeat"] == repeat) & (frame["iteration"] == at)
        told = frame[chosen].set_index("class")["value"]
        np.testing.assert_allclose([told[name] for name in CLASSES[:3]], areas)
    assert frame.groupby("evaluation")["repeat"].nunique().to_dict() == {"sgd": 2, "finetune": 1}


@pytest.mark.parametrize("name", registry.names("studies"))
def test_every_study_is_planned_by_the_papers_protocol(name: str, finished: tuple[str, Result], tmp_path: Path) -> None:
    target, _ = finished
    takes = {item.name for item in parameters(registry.load("studies", name))}
    given = {"scale": "paper", "target": target, "base": small.BASE, "source": target, "batch": "32", "group": "16"}
    given |= {"labels": "20", "precision": "float32"}
    if name == "adapt":  # its base is retained, which has one label per image
        given["retain"] = "none"
    plan = prepare(make(name, {key: given[key] for key in given if key in takes}), Store(tmp_path)).plan
    probes = {stage.content.probe for stage in plan.stages.values() if stage.kind == "evaluate"}
    assert probes == ({"sgd", "finetune"} if name == "low_label" else {"sgd", "knn"})
