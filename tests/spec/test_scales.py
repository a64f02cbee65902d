"""What a study's base is: data to pretrain on, or weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt_ray.core.errors import UnknownNameError
from hpt_ray.spec.parameters import make
from hpt_ray.spec.scales import SCALES, given_base
from hpt_ray.spec.study import Weights


@pytest.mark.parametrize(
    ("base", "weights"),
    [
        ("moco.torch", True),
        ("pytorch_model.bin", True),
        ("weights.pkl", True),
        ("moco.pth.tar", True),
        ("MODEL.PTH", True),
        ("there/checkpoint", True),
        ("there/model_best.e200", True),
        ("there/checkpoint#teacher/", True),
        ("moco.pth#state_dict/encoder_q.", True),
        ("nowhere", False),
        ("there", False),
        ("there/list.csv", False),
        ("there/train.parquet", False),
        ("digits", False),
        ("synthetic:objects,n=80", False),
        ("image_folder:there/x.tar", False),
    ],
)
def test_a_base_is_weights_by_its_suffix_or_as_a_file_that_is_no_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str, weights: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    for name in ("there/checkpoint", "there/model_best.e200", "there/list.csv", "there/train.parquet", "digits"):
        (tmp_path / name).touch()
    made = given_base(base, SCALES["quick"].base)
    if weights:
        assert made == Weights(source=base)
    else:
        assert made.data == base  # type: ignore[union-attr]


@pytest.mark.parametrize("scale", SCALES)
def test_a_probe_and_a_method_that_a_scale_does_not_know_have_their_own_defaults(scale: str) -> None:
    given = SCALES[scale].adjusted(probe=("knn", "./mine.py", "finetune"), method="./mine.py")
    assert [evaluation.probe for evaluation in given.evaluations] == ["knn", "./mine.py", "finetune"]
    assert given.evaluations[1].options == {} and given.base.options == given.target.options == {}
    assert given.evaluations[2].options == SCALES[scale].probes["finetune"]


def test_an_unknown_method_is_refused_with_the_nearest_that_exists() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown method 'simcrl'. Did you mean 'simclr'\?.* byol, dino, lejepa, mae, moco_v2"
    ):
        SCALES["quick"].adjusted(method="simcrl")


def test_low_label_is_evaluated_by_the_probes_that_are_asked_for() -> None:
    def others(**settings: str) -> list[str]:
        probes = [evaluation.probe for evaluation in make("low_label", settings).evaluations]
        return [probe for probe in probes if probe != "finetune"]

    assert others() == ["linear"]
    assert others(probe="knn,sgd") == ["knn", "sgd"]
