"""Compiled backbones: refused where there is no compiler, and (slow) trained to nearly the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from hpt_ray.core.errors import StudyError
from hpt_ray.execute.prepare import prepare
from hpt_ray.store.store import Store
from hpt_ray.training import compiler
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.loop.pretrain import Pretrainer
from tests.support import small, tiny


@pytest.mark.parametrize("gpu", [False, True])
def test_without_a_compiler_it_is_refused_in_one_line(
    gpu: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "default_device", lambda: torch.device("cuda" if gpu else "cpu"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(StudyError, match=f"compile=true needs {'Triton' if gpu else 'no-such-compiler'}, which"):
        prepare(small.study(compile=True), Store(tmp_path, create=False))


def test_it_is_part_of_the_identity_of_pretraining_alone() -> None:
    eager, compiled = (small.plan(small.study(compile=wanted)).stages for wanted in (False, True))
    pretrained = {name for name, stage in eager.items() if stage.kind == "pretrain"}
    assert pretrained and pretrained.isdisjoint(compiled)
    assert not any("compile" in stage.content.model_dump() for stage in eager.values())  # earlier ids stay
    of_random_weights = {name for name, stage in eager.items() if stage.kind == "evaluate" and not stage.needs}
    assert of_random_weights and of_random_weights <= compiled.keys()


def trained(compile: bool, state: bytes | None = None) -> tuple[Pretrainer, bytes]:
    """Four iterations of two groups; what a checkpoint has after two."""
    torch.manual_seed(0)
    layers = {"conv": nn.Conv2d(3, 8, 3), "bn": nn.BatchNorm2d(8), "pool": nn.AdaptiveAvgPool2d(1)}
    stage = Pretrainer(
        tiny.recipe(batch=32, group=16),
        Backbone(layers, 8),
        tiny.dataset(),
        iterations=4,
        image_size=tiny.SIZE,
        seed=0,
        compile=compile,
    )
    if state is not None:
        stage.restore(state)
    kept = b""
    while stage.iteration < stage.iterations:
        kept = stage.state() if stage.iteration == 2 else kept
        stage.step()
    return stage, kept


@pytest.mark.slow
def test_compiled_and_eager_weights_agree_and_a_resumed_stage_to_the_bit() -> None:
    (eager, _), (compiled, kept) = trained(compile=False), trained(compile=True)
    assert any(module._compiled_call_impl is not None for module in compiled.method.modules())
    resumed, _ = trained(compile=True, state=kept)
    whole = compiled.method.state_dict()
    assert tiny.largest_difference(resumed.method.state_dict(), whole) == 0
    assert tiny.largest_difference(eager.method.state_dict(), whole) < 1e-4
