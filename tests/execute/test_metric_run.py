"""A metric that a study names, from ``--set metric=`` to the results: tiny studies in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, recall_score

from hpt_ray.analysis.measures.robustness import mean_score
from hpt_ray.core import registry
from hpt_ray.core.errors import StoreError, StudyError
from hpt_ray.execute.finalize import Result
from hpt_ray.execute.prepare import prepare
from hpt_ray.execute.run import run
from hpt_ray.execute.runs import rewrite
from hpt_ray.planning.plan import Plan
from hpt_ray.spec.parameters import make
from hpt_ray.spec.study import Study
from hpt_ray.store.store import Store
from tests.support import small

#: Images of each class, of which every fifth is for test: far from balanced.
COUNTS = {"often": 120, "seldom": 40, "rare": 20}
MINE = """
from hpt_ray.core.metric import Metric

def scores(classes, labels):
    return (abs(classes - labels) <= 1).astype(float)

metric = Metric(label="near hit", plural="near hits", definition="the share of answers that are one class off at most",
                multilabel=False, scores=scores, chance=lambda labels: 1.0)
"""


def study(target: str, metric: str | None) -> Study:
    return small.study(targets=(target,), arms=("target",), factors=(), metric=metric)


@pytest.fixture(scope="module")
def imbalanced(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image list whose classes differ in brightness, hardly."""
    root, rng = tmp_path_factory.mktemp("imbalanced"), np.random.default_rng(0)
    lines = ["path,label,split"]
    for place, (name, count) in enumerate(COUNTS.items()):
        for number in range(count):
            pixels = rng.normal(100 + 25 * place + rng.normal(0, 15), 30, (16, 16, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / f"{name}{number}.png")
            lines.append(f"{name}{number}.png,{name},{('train', 'train', 'train', 'val', 'test')[number % 5]}")
    (root / "list.csv").write_text("\n".join(lines))
    return str(root / "list.csv")


@pytest.fixture(scope="module")
def finished(imbalanced: str, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One finished run by balanced accuracy, which tests only read."""
    return run(study(imbalanced, "balanced_accuracy"), store=tmp_path_factory.mktemp("store"), runner="inline")


def test_every_value_is_sklearns(imbalanced: str, finished: Result) -> None:
    made = finished.run
    rows = made.results[made.results["split"] == "test"].set_index(["evaluation", "iteration", "class"])["value"]
    assert set(made.results["metric"]) == {"balanced_accuracy"} and set(made.results["status"]) == {"done"}
    compared = 0
    for (evaluation, iteration), own in made.predictions.groupby(["evaluation", "iteration"]):
        labels, predicted = own["label"].to_numpy(), own["prediction"].to_numpy()
        assert rows[evaluation, iteration, np.nan] == pytest.approx(balanced_accuracy_score(labels, predicted))
        recalls = [rows[evaluation, iteration, name] for name in sorted(COUNTS)]
        np.testing.assert_allclose(recalls, recall_score(labels, predicted, average=None))
        compared += balanced_accuracy_score(labels, predicted) != pytest.approx(np.mean(labels == predicted))
    assert compared > 0  # somewhere it is not the accuracy
    after = made.predictions.query("evaluation == 'linear' and iteration > 0")
    found = mean_score(made, imbalanced, "target", "")
    assert found is not None
    assert found.estimate == pytest.approx(balanced_accuracy_score(after["label"], after["prediction"]))
    assert "Class by class" in Path(finished.report).read_text()


def ids(plan: Plan, kind: str) -> set[str]:
    return {stage.id for stage in plan.stages.values() if stage.kind == kind}


def test_only_evaluations_by_another_metric_are_other_stages(imbalanced: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    names = [None, "accuracy", "balanced_accuracy", str(tmp_path / "mine.py")]
    plans = [prepare(study(imbalanced, name), Store(tmp_path)).plan for name in names]
    assert len({frozenset(ids(plan, "pretrain")) for plan in plans}) == 1
    evaluations = [ids(plan, "evaluate") for plan in plans]
    assert evaluations[0] == evaluations[1]
    assert evaluations[1].isdisjoint(evaluations[2]) and evaluations[2].isdisjoint(evaluations[3])
    (tmp_path / "mine.py").write_text(MINE + "\n# changed\n")
    again = prepare(study(imbalanced, names[3]), Store(tmp_path)).plan
    assert ids(again, "evaluate").isdisjoint(evaluations[3]) and ids(again, "pretrain") == ids(plans[3], "pretrain")


def test_a_metric_by_path(imbalanced: str, tmp_path: Path) -> None:
    path = tmp_path / "near_hit.py"
    path.write_text(MINE)
    result = run(study(imbalanced, str(path)), store=tmp_path / "store", runner="inline")
    frame, predictions = result.run.results, result.run.predictions
    assert set(frame["metric"]) == {"near_hit"}
    near = (predictions["label"] - predictions["prediction"]).abs() <= 1
    wanted = near.groupby([predictions["evaluation"], predictions["iteration"]]).mean()
    told = frame[frame["split"] == "test"].set_index(["evaluation", "iteration"])["value"]
    np.testing.assert_allclose(told.sort_index(), wanted.sort_index())
    assert "Near hit is the share of answers that are one class off at most" in Path(result.report).read_text()
    # A store may be a stranger's: its Python is run where one says so.
    with pytest.raises(StoreError, match=r"near_hit\.py\), which writing its report would run: .* --trust\.") as caught:
        rewrite(Store(tmp_path / "store"), "small")
    assert "\n" not in str(caught.value)
    assert set(rewrite(Store(tmp_path / "store"), "small", trust=True).run.results["metric"]) == {"near_hit"}


@pytest.mark.parametrize(
    ("metric", "match"),
    [
        ("auroc", "metric auroc needs several labels per image, and .* has one label per image: leave metric"),
        ("ballanced_accuracy", "metric 'ballanced_accuracy'.*balanced_accuracy"),
        ("./none.py", "no metric at"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused_in_one_line(metric: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=match) as caught:
        prepare(small.study(metric=metric), Store(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", registry.names("studies"))
def test_every_study_takes_a_metric(name: str) -> None:
    assert make(name, {"metric": "balanced_accuracy"}).metric == "balanced_accuracy"
    assert make(name).metric is None
