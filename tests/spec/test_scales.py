"""What a study's base is: data to pretrain on, or weights."""

from __future__ import annotations

from pathlib import Path

import pytest

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
