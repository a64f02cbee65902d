"""Studies of images of other than three channels, from their files to the report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import tifffile
import torch

from hpt_ray.cli.main import main
from hpt_ray.core.errors import StudyError
from hpt_ray.execute.prepare import prepare
from hpt_ray.execute.run import Result, run
from hpt_ray.planning.plan import Plan
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.study import Study
from hpt_ray.store.store import Store
from hpt_ray.training import stem
from hpt_ray.training.backbone import build
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.preview import preview
from tests.support import small, tiny

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def bands(tmp_path_factory: pytest.TempPathFactory) -> str:
    """80 images of five bands whose ranges differ by orders."""
    root = tmp_path_factory.mktemp("data") / "sentinel"
    for number in range(80):
        file = root / "ab"[number % 2] / f"{number:02}.tif"
        file.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).random((20, 24, 5)) * [60, 900, 3_000, 12_000, 250]
        tifffile.imwrite(file, noise.astype(np.uint16), photometric="minisblack", planarconfig="contig")
    return str(root)


def _study(target: str, **changes: Any) -> Study:
    given = {"targets": (target,), "factors": (), "arms": ("target", "base", "base>target", "base>target:bn")}
    return small.study(**given | {"channels": "all"} | changes)


def _stems(plan: Plan, store: Store) -> dict[str, int]:
    """The channels of the first layer that each pretraining ends with, by its data set."""
    stages = [stage for stage in plan.stages.values() if stage.kind == "pretrain"]
    states = [safetensors.torch.load(store.weights(stage.id)) for stage in stages]
    return {stage.data: state["conv1.weight"].shape[1] for stage, state in zip(stages, states, strict=True)}


def _run(study: Study, store: Path) -> tuple[Result, Plan]:
    result = run(study, store=store, runner="inline")
    assert not result.failures
    return result, prepare(study, Store(store)).plan


def test_a_study_of_five_bands_end_to_end(bands: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    results = {}
    for pixels, arms in (("resident", ("target", "base>target:bn")), ("encoded", ("base>target",))):
        study = _study(bands, pixels=pixels, arms=arms)
        result, plan = _run(study, tmp_path / "store")
        assert _stems(plan, Store(tmp_path / "store")) == {bands: 5, small.BASE: 3}
        results[pixels] = result, plan
    # The base is the one of every other study, and resident in both.
    usual = prepare(_study(bands, channels=3), Store(tmp_path / "store")).plan
    (base,) = {stage.id for stage in usual.stages.values() if stage.kind == "pretrain" and stage.data == small.BASE}
    assert all(base in plan.stages for _, plan in results.values())
    assert {stage for _, plan in results.values() for stage in plan.stages} & set(usual.stages) == {base}
    result, plan = results["resident"]
    told = "\n".join(plan.notes)
    widened = (
        "the first layer of 3 channels becomes one of 5: its weights repeated in their order, scaled by 3/5 as timm"
    )
    assert f"From objects to sentinel {widened}" in told
    assert "sentinel: 24 x 20 px, 5 channels of 16 bits (all 5 channels are read)." in told
    colour = "on sentinel (5 channels) grayscale, the jitter of saturation and the jitter of hue are left out of every"
    (line,) = [note for note in plan.notes if colour in note]
    assert "Pictures of views show the first three channels." in line
    assert any(colour in note for note in result.verdicts[0].notes)
    page = re.sub(r"\s+", " ", Path(result.report).read_text())
    assert widened in page and colour in page


def test_channels_by_number_and_policies_that_no_longer_differ(
    bands: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    factor = small.policy_factor({"baseline": Policy(), "no_gray": Policy().without("grayscale")})
    plan = prepare(_study(bands, channels=(5, 1), factors=(factor,)), Store(tmp_path)).plan
    assert any(note.endswith("Without them baseline and no gray are one and the same policy.") for note in plan.notes)
    assert any("bands 5, 1 are read, which count from 1" in note for note in plan.notes)
    three = prepare(_study(bands, channels=(4, 3, 2), factors=(factor,)), Store(tmp_path)).plan
    assert not any("left out of every policy" in note or "first layer" in note for note in three.notes)
    with pytest.raises(StudyError, match=r"has 5 channels, and channels=6,1 names number 6: name others"):
        prepare(_study(bands, channels=(6, 1)), Store(tmp_path))


def test_weights_of_other_channels_meet_the_data(bands: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    given = build("resnet_small", 1, 32, 13).state_dict()
    safetensors.torch.save_file(given, tmp_path / "given.safetensors")
    recipes = {"base": {"source": str(tmp_path / "given.safetensors")}, "target": small.recipe()}
    study = _study(bands, recipes=recipes, arms=("base", "base>target:bn"))
    _, plan = _run(study, tmp_path / "store")
    assert any("to sentinel the first layer of 13 channels becomes one of 5" in note for note in plan.notes)
    stages = {stage.kind: stage.id for stage in plan.stages.values() if stage.kind != "evaluate"}
    state = safetensors.torch.load(Store(tmp_path / "store").weights(stages["weights"]))
    assert torch.equal(state["conv1.weight"], given["conv1.weight"])
    # HPT-BN trains no convolution: the adapted stem stays as it was made.
    state = safetensors.torch.load(Store(tmp_path / "store").weights(stages["pretrain"]))
    assert torch.equal(state["conv1.weight"], stem.adapt(given["conv1.weight"], 5))


@pytest.mark.parametrize("channels", [1, 5])
def test_a_stopped_stage_ends_bit_identical(channels: int) -> None:
    data = tiny.dataset(channels=channels)

    def pretrainer(seed: int) -> Pretrainer:
        network = build("resnet_small", seed, tiny.SIZE, channels)
        recipe = tiny.recipe(policy=Policy())
        return Pretrainer(recipe, network, data, iterations=4, image_size=tiny.SIZE, seed=0)

    whole, first, second = pretrainer(0), pretrainer(0), pretrainer(1)
    whole.run()
    first.run(report=lambda iteration, row: iteration < 2)
    assert first.iteration == 2
    second.restore(first.state())
    second.run()
    assert tiny.largest_difference(whole.backbone.state_dict(), second.backbone.state_dict()) == 0


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_pictures_of_views_show_at_most_three_channels(channels: int) -> None:
    rows = preview(tiny.dataset(channels=channels), {"baseline": Policy()}, tiny.SIZE, examples=2, each=1)
    assert len(rows) == 4 and all(row["png"].startswith(b"\x89PNG") for row in rows)


def test_one_line_refuses_a_choice_that_is_none(
    bands: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["hpt-study", "plan", "augment_ablation", "--set", f"target={bands}", "--set", "channels=13"]
    )
    with pytest.raises(SystemExit) as done:
        main()
    (line,) = capsys.readouterr().err.splitlines()
    assert done.value.code == 2
    assert "channels=13: write 3 (red, green and blue), all, or two or more numbers of bands" in line
