"""Options of methods and probes by --set, so that the paper's scale can be tried small."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from hpt_ray.core.errors import StudyError, UnknownNameError
from hpt_ray.core.registry import load
from hpt_ray.execute.prepare import prepare
from hpt_ray.spec.options import merged, parse
from hpt_ray.spec.parameters import make
from hpt_ray.spec.scales import SCALES
from hpt_ray.spec.study import Pretraining, Study
from hpt_ray.store.store import Store

SMALL = {"base": "synthetic:objects,n=80", "target": "synthetic:shape,n=80", "batch": 16, "group": 8}


def pretraining(study: Study, role: str = "target") -> Pretraining:
    recipe = study.recipes[role]
    assert isinstance(recipe, Pretraining)
    return recipe


@pytest.mark.parametrize(
    ("typed", "options"),
    [
        ("a.x=3", {"a": {"x": 3}}),
        ("a.x=-2e-3", {"a": {"x": -0.002}}),
        ("./plug.in/b.py.x=1.0", {"./plug.in/b.py": {"x": 1.0}}),
    ],
)
def test_an_option_is_a_number_of_a_name(typed: str, options: dict[str, Any]) -> None:
    found = parse([typed], ["a", "./plug.in/b.py"])
    assert found == options
    assert [type(value) for own in found.values() for value in own.values()] == [
        type(*own.values()) for own in options.values()
    ]


@pytest.mark.parametrize("typed", ["x=3", "a.x", "a.=3", "a.x=", "a.x=many", "a.x=nan", "a.x y=3", "=3"])
def test_what_is_written_otherwise_is_refused_in_one_line(typed: str) -> None:
    with pytest.raises(StudyError, match=r"write NAME.OPTION=NUMBER, such as moco_v2.queue=512\.$"):
        parse([typed], ["a"])


def test_new_options_join_those_of_the_same_name() -> None:
    known = {"a": {"x": 1, "y": 2}, "b": {"z": 3}}
    assert merged(known, {"a": {"y": 5}, "c": {"w": 4}}) == {"a": {"x": 1, "y": 5}, "b": {"z": 3}, "c": {"w": 4}}
    assert known == {"a": {"x": 1, "y": 2}, "b": {"z": 3}}


def test_every_option_of_the_papers_scale_can_be_set() -> None:
    method = {"queue": 32, "key_momentum": 0.9, "temperature": 0.5, "dim": 8}
    probe = {"lr": 0.5, "iterations": 3, "batch": 16, "repeats": 1}
    assert set(method) == set(load("methods", "moco_v2").Options.model_fields)
    assert list(probe) == list(inspect.signature(load("probes", "sgd")).parameters)[1:]
    typed = [f"moco_v2.{name}={value}" for name, value in method.items()]
    typed += [f"sgd.{name}={value}" for name, value in probe.items()]
    settings = {"scale": "paper", "options": ",".join(typed), "hue": "0.2", "decode_size": "300"}
    study = make("augment_ablation", settings)
    for role in ("base", "target"):
        assert pretraining(study, role).options == method
        jitter = pretraining(study, role).policy.color_jitter
        assert jitter is not None
        assert jitter.hue == 0.2
    assert {policy.color_jitter.hue for policy in study.factors[0].levels.values() if policy.color_jitter} == {0.2}
    assert [evaluation.options for evaluation in study.evaluations] == [probe, {}]
    assert study.decode_size == 300


def test_at_the_quick_scale_the_other_options_stay() -> None:
    study = make("augment_ablation", {"options": "moco_v2.queue=512"})
    assert pretraining(study).options == SCALES["quick"].target.options | {"queue": 512}


@pytest.mark.parametrize("scale", SCALES)
def test_what_is_set_to_the_scales_own_value_changes_nothing(scale: str) -> None:
    own, jitter = SCALES[scale], SCALES[scale].target.policy.color_jitter
    assert jitter is not None
    settings = {"scale": scale, "hue": jitter.hue, "decode_size": own.decode_size}
    settings |= {"options": tuple(f"moco_v2.{name}={value}" for name, value in own.target.options.items()) or None}
    plain = make("augment_ablation", {"scale": scale})
    assert make("augment_ablation", settings).model_copy(update={"parameters": plain.parameters}) == plain


@pytest.mark.parametrize(
    ("study", "option", "known"),
    [
        ("augment_ablation", "sgd.iterations=3", "knn, linear, moco_v2"),  # the quick scale's are not
        ("augment_ablation", "simclr.dim=8", "knn, linear, moco_v2"),
        ("low_label", "simclr.dim=8", "finetune, knn, linear, moco_v2"),
        ("methods", "sgd.lr=1", "byol, knn, linear, moco_v2, simclr"),
    ],
)
def test_what_a_study_does_not_use_is_refused(study: str, option: str, known: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"unknown method or probe of this study .* Available: {known}\."):
        make(study, {"options": option})


def test_studies_that_use_more_take_their_options() -> None:
    study = make("methods", {"options": "simclr.dim=8,byol.hidden=32"})
    levels = {name: level["options"] for name, level in study.factors[0].levels.items()}
    assert (levels["simclr"]["dim"], levels["byol"]["hidden"]) == (8, 32)
    study = make("low_label", {"options": "finetune.batch=8"})
    assert [evaluation.options.get("batch") for evaluation in study.evaluations] == [8, 8, 8, None]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("moco_v2.depth=3", "has no option 'depth'; it has: dim, key_momentum, queue, temperature"),
        ("moco_v2.queue=-1", r"^MoCoV2: queue: Input should be greater than 0\.$"),
        ("moco_v2.dim=64.5", r"^MoCoV2: dim: Input should be a valid integer"),
        ("linear.depth=3", "evaluation 'linear': .*'depth'; its options: none"),
    ],
)
def test_the_method_or_probe_says_what_options_it_has(option: str, message: str, tmp_path: Path) -> None:
    study = make("augment_ablation", SMALL | {"options": option})
    with pytest.raises(StudyError, match=message) as caught:
        prepare(study, Store(tmp_path, create=False))
    assert "\n" not in str(caught.value)


def test_the_numbers_of_labels_are_given_by_their_own_parameter() -> None:
    with pytest.raises(StudyError, match=r"^finetune.labels is what this study varies: give it by --set labels=\.$"):
        make("low_label", {"options": "finetune.labels=8"})
