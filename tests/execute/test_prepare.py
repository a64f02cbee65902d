"""Precision ``auto`` comes from the backend that will run the stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt_ray.execute import prepare
from hpt_ray.execute.prepare import with_precision
from hpt_ray.training.device import Hardware
from tests.support import small

ASKED = """
def backend(request):
    raise NotImplementedError
def precision(address, gpus):
    return "bfloat16" if (address, gpus) == ("auto", 3) else "float32"
"""


def test_a_backend_may_say_what_auto_is(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(ASKED)
    study, runner = small.study(precision="auto"), str(tmp_path / "mine.py")
    assert with_precision(study, runner, "auto", 3) == study.model_copy(update={"precision": "bfloat16"})
    assert with_precision(study, runner).precision == "float32"


@pytest.mark.parametrize(("gpus", "expected"), [(None, "bfloat16"), (1, "bfloat16"), (0, "float32")])
def test_otherwise_it_is_this_machine_s(gpus: int | None, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "hardware", lambda gpu: Hardware("bfloat16" if gpu else "float32", 0))
    assert with_precision(small.study(precision="auto"), "inline", gpus=gpus).precision == expected


def test_a_precision_that_was_set_stays() -> None:
    study = small.study(precision="float32")
    assert with_precision(study, "no backend is asked") is study
