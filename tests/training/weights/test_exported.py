"""Exported files: where their weights come from, and that they are read as they were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torchvision

import hpt_ray
from hpt_ray.core.errors import WeightsError
from hpt_ray.spec.study import Weights
from hpt_ray.spec.weights_source import WeightSource
from hpt_ray.store.store import Store
from hpt_ray.training.backbone import build
from hpt_ray.training.weights import exported
from hpt_ray.training.weights.checkpoints import tensors
from hpt_ray.training.weights.exported import KEY, Provenance, to_bytes
from hpt_ray.training.weights.sources import check_weights, load_weights
from tests.support import extensions, small, tiny


def provenance(**changes: Any) -> Provenance:
    given = {
        "study": "small",
        "run": "small-0123",
        "target": "shape",
        "arm": "base>target",
        "levels": {"policy": "baseline"},
        "seed": 1,
        "stage": "ab12",
        "parents": ("cd34",),
        "method": "moco_v2",
        "backbone": "resnet_small",
        "image_size": 32,
        "decode_size": 40,
        "mean": (0.1, 0.2, 1 / 3),
        "std": (0.3, 0.4, 0.5),
        "data": {"shape": "fingerprint"},
        "chosen": "HPT, seed 1",
        "verdict": "On shape, …",
        "versions": {"torch": "2"},
    }
    return Provenance(**given | changes)


@pytest.fixture(params=[".pth", ".safetensors"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"weights{request.param}"
    path.write_bytes(to_bytes(tensors(build("resnet_small", 1)), provenance(), request.param))
    return path


def test_a_file_is_read_as_it_was_written(file: Path) -> None:
    assert exported.provenance(file, "weights") == provenance()
    network = hpt_ray.load_backbone(file)
    assert (network.mean, network.std, network.image_size, network.dim) == ((0.1, 0.2, 1 / 3), (0.3, 0.4, 0.5), 32, 128)
    assert network.provenance == provenance() and not network.training
    written = build("resnet_small", 1).eval()
    assert tiny.largest_difference(tensors(network.network), tensors(written)) == 0.0
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(images), written(images))


def test_it_is_a_base_with_the_same_numbers_and_says_how_its_images_were_normalised(file: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    net = build("resnet_small", 0)
    load = load_weights(net, WeightSource.parse(str(file)), store.weights)
    assert (len(load.matched), load.missing, load.unexpected) == (len(tensors(net)), (), ())
    assert tiny.largest_difference(tensors(net), tensors(build("resnet_small", 1))) == 0.0
    recipe = Weights(source=str(file))
    study = small.study(recipes={"base": recipe, "target": small.recipe()})
    (note,) = [line for line in check_weights(study, recipe, store.weights).notes if "exported" in line]
    assert "arm base>target, stage ab12. Its images were normalised by mean 0.100, 0.200, 0.333" in note


def test_what_it_says_breaks_no_other_reader(tmp_path: Path) -> None:
    """Strict loading by torchvision, and the plain readers of torch and safetensors."""
    state = tensors(build("resnet18", 1))
    one, other = tmp_path / "a.pth", tmp_path / "a.safetensors"
    for path in (one, other):
        path.write_bytes(to_bytes(state, provenance(backbone="resnet18"), path.suffix))
    assert torch.load(one, weights_only=True)._metadata[KEY] == provenance(backbone="resnet18").model_dump_json()
    for loaded in (torch.load(one, weights_only=True), safetensors.torch.load_file(other)):
        network = torchvision.models.resnet18()
        network.fc = torch.nn.Identity()
        network.load_state_dict(loaded, strict=True)
        assert tiny.largest_difference(dict(loaded), state) == 0.0


def test_a_file_from_elsewhere_is_one_line(tmp_path: Path) -> None:
    torch.save(dict(tensors(build("resnet_small", 0))), tmp_path / "theirs.pth")
    assert exported.provenance(tmp_path / "theirs.pth", "theirs.pth") is None
    with pytest.raises(WeightsError, match=r"does not say which network it holds.*--set base="):
        hpt_ray.load_backbone(tmp_path / "theirs.pth")
    with pytest.raises(WeightsError, match="cannot read the checkpoint"):
        hpt_ray.load_backbone(tmp_path / "none.pth")
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        hpt_ray.load_backbone(tmp_path / "broken.safetensors")
    odd = safetensors.torch.save(tensors(build("resnet_small", 0)), {KEY: '{"study": 3}'})
    (tmp_path / "odd.safetensors").write_bytes(odd)
    with pytest.raises(WeightsError, match="was not exported by this version"):
        hpt_ray.load_backbone(tmp_path / "odd.safetensors")


def test_python_that_a_file_names_is_not_executed(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(extensions.BACKBONE + "\nfrom pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    file = tmp_path / "weights.safetensors"
    state = tensors(build(str(mine), 0))
    file.write_bytes(to_bytes(state, provenance(backbone=str(mine)), file.suffix))
    (tmp_path / "ran").unlink()
    with pytest.raises(WeightsError, match="which is not executed because a file names it"):
        hpt_ray.load_backbone(file)
    assert not (tmp_path / "ran").exists()
    assert hpt_ray.load_backbone(file, backbone=str(mine)).dim == 8
    with pytest.raises(WeightsError, match="does not fit"):
        hpt_ray.load_backbone(file, backbone="resnet18")
