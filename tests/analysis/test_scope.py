"""What claims are about, in words: page, terminal and ``verdict.json`` have it in the sentence of the verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hpt_ray.analysis.scope import scope
from hpt_ray.analysis.sentence import scope_text
from hpt_ray.core.registry import load
from hpt_ray.report.render import verdicts
from hpt_ray.report.verdict_file import verdict_file
from hpt_ray.spec.parameters import make
from hpt_ray.spec.study import Pretraining
from tests.support import simulate_studies as simulate

GIVEN = {"base": "weights:torchvision:resnet18", "backbone": "resnet18"}


@pytest.mark.parametrize(
    ("study", "settings", "text"),
    [
        ("augment_ablation", {}, "over 3 seeds, each with a base of its own"),
        ("augment_ablation", {"base_seeds": 1, "seeds": 5}, "for this base over 5 seeds"),
        ("augment_ablation", {"base_seeds": 2, "seeds": 6}, "over 6 seeds on 2 bases"),
        ("augment_ablation", {"seeds": 1}, "for this base and one seed"),
        ("augment_ablation", GIVEN, "for this checkpoint over 3 seeds"),
        ("augment_ablation", {"arms": "target"}, "over 3 seeds"),
        ("augment_ablation", {"arms": "target", "seeds": 1}, "for one seed"),
        ("base_robustness", {}, "over 3 seeds, each with bases of its own"),
        ("methods", {"base_seeds": 1}, "for these bases over 3 seeds"),
        ("sequential", {"base_seeds": 1}, "for this base over 3 seeds"),
        ("augment_search", {"seeds": 4}, "over 4 seeds, each with a base of its own"),
        ("augment_search", {"seeds": 4, "base_seeds": 1}, "for this base over 4 seeds"),
    ],
)
def test_the_scope_in_words(study: str, settings: dict[str, Any], text: str) -> None:
    assert scope_text(scope(make(study, settings))) == text


@pytest.mark.parametrize(
    ("seeds", "text", "bases"), [(None, "over 3 seeds, each with a base of its own", 3), (1, "for this base", 1)]
)
def test_sentences_and_the_verdict_file_have_the_scope(seeds: int | None, text: str, bases: int) -> None:
    spec = simulate.sequential(targets=("one", "two"))
    base = Pretraining(iterations=600, data="cifar10", seeds=seeds)
    run = simulate.run(
        spec.model_copy(update={"recipes": {**spec.recipes, "base": base}}), lambda cell: 0.6, examples=40
    )
    found = verdicts(run, load("dashboards", "sequential"))
    file = json.loads(verdict_file(run, found))
    sentences = [*(part["sentence"] for part in file["targets"]), file["across_targets"]["sentence"]]
    assert len(sentences) == 3
    assert all(sentence.count(f", {text}") == 1 for sentence in sentences)
    assert file["scope"] == {"text": file["scope"]["text"], "seeds": 3, "bases": bases, "given_weights": False}
