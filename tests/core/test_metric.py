"""Metrics as objects: found by name or path, in words, and how well one does without looking at the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpt_ray.core.errors import StudyError, UnknownNameError
from hpt_ray.core.metric import find
from hpt_ray.core.registry import names

MINE = """
from hpt_ray.core.metric import Metric
from hpt_ray.core.metrics.accuracy import correct

metric = Metric(
    label="hit rate", plural="hit rates", definition="the share of hits", multilabel=False, scores=correct,
    chance=lambda labels: 0.25,
)
"""


def test_the_shipped_ones() -> None:
    assert {"accuracy", "auroc", "balanced_accuracy"} <= set(names("metrics"))
    assert [find(name).name for name in names("metrics")] == names("metrics")


def test_a_metric_by_path_has_the_name_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "hit_rate.py"
    path.write_text(MINE)
    found = find(str(path))
    assert (found.name, found.heading, found.axis) == ("hit_rate", "Hit rate", "test hit rate, %")
    assert found.value(np.array([0, 1, 1]), np.array([0, 1, 0])) == pytest.approx(2 / 3)


def test_what_is_no_metric_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="balanced_accuracy"):
        find("ballanced_accuracy")
    path = tmp_path / "mine.py"
    for text, match in (("metric = 3", "is no Metric but 3"), ("x = 3", "defines no `metric`")):
        path.write_text(text)
        with pytest.raises(StudyError, match=match) as caught:
            find(str(path))
        assert "\n" not in str(caught.value)
    with pytest.raises(StudyError, match="no metric at"):
        find(str(tmp_path / "none.py"))


def test_words() -> None:
    text = "{Metric} at baseline. {Metrics} rise; a low loss says nothing of {metric}, nor of {metrics}"
    assert find("balanced_accuracy").worded(text) == (
        "Balanced accuracy at baseline. Balanced accuracies rise; a low loss says nothing of balanced accuracy, "
        "nor of balanced accuracies"
    )
    assert find("auroc").worded("{Metrics} and {metric}, {n} of them") == "AUROCs and AUROC, {n} of them"


@pytest.mark.parametrize("name", [name for name in names("metrics") if not find(name).multilabel])
def test_no_constant_answer_is_above_chance(name: str) -> None:
    labels = np.repeat([0, 1, 3], [70, 20, 10])
    metric = find(name)
    constant = [metric.value(np.full(len(labels), answer), labels) for answer in range(4)]
    assert max(constant) == pytest.approx(metric.chance(labels))


def test_constant_scores_are_at_chance() -> None:
    targets = np.random.default_rng(0).integers(-1, 2, (50, 3)).astype(np.int8)
    metric = find("auroc")
    assert metric.value(np.zeros((50, 3)), targets) == metric.chance(targets) == 0.5
