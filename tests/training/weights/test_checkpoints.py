from __future__ import annotations

import argparse
import io
import json
import os
import sys
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor

from hpt_ray.core.errors import WeightsError
from hpt_ray.spec.weights_source import WeightSource
from hpt_ray.training.backbone import Backbone, build
from hpt_ray.training.weights import checkpoints
from hpt_ray.training.weights.audit import lines

State = dict[str, Tensor]


@pytest.fixture
def source() -> State:
    """Torchvision's own ResNet-18, classifier included."""
    return dict(torchvision.models.resnet18().state_dict())


def prefixed(state: State, prefix: str) -> State:
    return {prefix + key: value for key, value in state.items()}


def differences(backbone: Backbone, state: State) -> list[str]:
    own = {key: value for key, value in backbone.state_dict().items() if not key.endswith("num_batches_tracked")}
    return [key for key, value in own.items() if not torch.equal(value, state[key])]


@pytest.mark.parametrize(
    "prefix",
    ["", "module.", "backbone.", "model.", "encoder.", "module.encoder_q.", "student.", "_feature_blocks.", "a.b.c."],
)
def test_prefixes_are_found(source: State, prefix: str) -> None:
    backbone = build("resnet18", 0)
    audit = checkpoints.load(backbone, prefixed(source, prefix), threshold=1.0)
    assert audit.prefix == prefix
    assert not differences(backbone, source)
    assert len(audit.matched) == 100  # 20 convolutions, 20 batch norms of 4 tensors
    assert (audit.how, audit.missing, audit.unexpected, audit.reshaped) == ("name", (), (), {})
    assert json.loads(audit.model_dump_json())["prefix"] == prefix


@pytest.mark.parametrize(
    ("wanted", "copy"),
    [
        ("module.encoder_q.", "module.encoder_k."),
        ("teacher.backbone.", "student.backbone."),
        ("backbone.", "backbone_momentum."),
        ("online_network.", "target_network."),
    ],
)
def test_the_copy_of_a_network_is_not_taken_for_it(source: State, wanted: str, copy: str) -> None:
    other = {key: value + 1 for key, value in source.items()}
    for state in (
        prefixed(other, copy) | prefixed(source, wanted),
        prefixed(source, wanted) | prefixed(other, copy) | {"queue": torch.rand(128, 8)},
    ):
        backbone = build("resnet18", 0)
        assert checkpoints.load(backbone, state).prefix == wanted
        assert not differences(backbone, source)


@pytest.mark.parametrize(
    "nest",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 800, "arch": "resnet18"},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {"model_ema": {k: v + 1 for k, v in state.items()}, "model": state},
        lambda state: {"optimizer": {"state": {0: {"momentum_buffer": torch.rand(3)}}}, "state_dict": state},
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".pth.tar", ".ckpt"])
def test_nested_files_are_read(tmp_path: Path, source: State, nest: Callable[[State], Any], suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    torch.save(nest(source), path)
    backbone = build("resnet18", 0)
    checkpoints.load(backbone, checkpoints.read(WeightSource.parse(str(path))), threshold=1.0)
    assert not differences(backbone, source)


def test_a_tensor_is_named_by_its_place(tmp_path: Path) -> None:
    content = {"model": {"fc.weight": torch.rand(2)}, "optimizer": [{"state": {0: torch.rand(3)}}], "epoch": 3}
    torch.save(content, tmp_path / "weights.pt")
    read = checkpoints.read(WeightSource.parse(str(tmp_path / "weights.pt")))
    assert {key: len(value) for key, value in read.items()} == {"model/fc.weight": 2, "optimizer/0/state/0": 3}


def test_a_safetensors_file_is_read(tmp_path: Path, source: State) -> None:
    safetensors.torch.save_file(source, tmp_path / "weights.safetensors")
    read = checkpoints.read(WeightSource.parse(str(tmp_path / "weights.safetensors")))
    assert all(torch.equal(read[key], source[key]) for key in source)


def test_a_command_line_beside_the_weights_does_no_harm(tmp_path: Path, source: State) -> None:
    args = argparse.Namespace(lr=0.03, arch="resnet18", schedule=[120, 160], resume=None)
    torch.save({"state_dict": source, "args": args}, tmp_path / "weights.pth")
    assert len(checkpoints.read(WeightSource.parse(str(tmp_path / "weights.pth")))) == len(source)


@pytest.mark.parametrize("hidden", [False, True])
def test_a_file_that_would_run_code_is_refused_and_nothing_ran(tmp_path: Path, hidden: bool) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "owned"),)

    path = tmp_path / "weights.pth"
    args = argparse.Namespace(harmless=Malicious()) if hidden else Malicious()
    torch.save({"state_dict": {"conv1.weight": torch.rand(2)}, "args": args}, path)
    with pytest.raises(WeightsError, match=r"weights\.pth .*not read.*state_dict"):
        checkpoints.read(WeightSource.parse(str(path)))
    assert not (tmp_path / "owned").exists()
    torch.load(path, weights_only=False)  # the file is what it claims to be: executed, it does harm
    assert (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("absent.pth", None),
        ("text.pth", b"not a checkpoint"),
        ("empty.pth", b""),
        ("zip.ckpt", b"PK\x03\x04 torn"),
        ("text.safetensors", b"not a checkpoint"),
        ("empty.safetensors", b""),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        checkpoints.read(WeightSource.parse(str(tmp_path / name)))


@pytest.mark.parametrize("name", ["folder.pth", "folder.safetensors"])
def test_a_folder_is_no_checkpoint(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(WeightsError, match=name):
        checkpoints.read(WeightSource.parse(str(tmp_path / name)))


def test_a_file_without_tensors(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "list": ["no", "tensor"]}, tmp_path / "odd.pt")
    with pytest.raises(WeightsError, match="no tensors"):
        checkpoints.read(WeightSource.parse(str(tmp_path / "odd.pt")))


def test_a_different_network_is_refused_with_counts_and_the_backbone_untouched(source: State) -> None:
    backbone = build("resnet50", 0)
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    with pytest.raises(WeightsError, match=r"only \d+ of 265 tensors .*missing such as .*reshaped such as") as refusal:
        checkpoints.load(backbone, source)
    assert "\n" not in str(refusal.value)
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


def test_a_deeper_network_is_refused_though_it_has_every_tensor() -> None:
    deeper = dict(torchvision.models.resnet34().state_dict())
    with pytest.raises(WeightsError, match=r"only 100 of the file's network's 180 tensors .*80 unexpected such as"):
        checkpoints.load(build("resnet18", 0), deeper)


def test_nothing_in_common_is_refused() -> None:
    with pytest.raises(WeightsError, match="only 0 of 100"):
        checkpoints.load(build("resnet18", 0), {"something.else": torch.rand(3)})


@pytest.mark.parametrize("fault", ["missing", "reshaped", "NaN", "infinite", "int8", "complex64"])
def test_a_part_of_a_network_never_loads(source: State, fault: str) -> None:
    """99 of 100 tensors are no network: with a random stem, a base is little better than none."""
    backbone, stem = build("resnet18", 0), source["conv1.weight"]
    if fault == "missing":
        del source["conv1.weight"]
    elif fault == "reshaped":
        source["conv1.weight"] = torch.rand(64, 3, 3, 3)
    elif fault in ("NaN", "infinite"):
        source["conv1.weight"] = torch.cat([stem[:-1], torch.full_like(stem[-1:], float(fault[:3]))])
    else:
        source["conv1.weight"] = stem.to(getattr(torch, fault))
    kept = backbone.state_dict()["conv1.weight"].clone()
    with pytest.raises(WeightsError, match=fault) as caught:
        checkpoints.load(backbone, source)
    assert "conv1.weight" in str(caught.value)
    assert torch.equal(backbone.state_dict()["conv1.weight"], kept)


@pytest.mark.parametrize(
    ("name", "number", "says"),
    [
        ("conv1.weight", 1e300, "conv1.weight' that float32 cannot hold"),
        ("layer4.1.bn2.bias", -1e39, "bn2.bias' that float32 cannot hold"),
        ("conv1.weight", float("nan"), "NaN or infinite numbers in 'conv1.weight'"),
        ("bn1.running_var", -1.0, "negative variances in 'bn1.running_var'"),
    ],
)
def test_numbers_that_would_not_arrive_finite_are_refused(source: State, name: str, number: float, says: str) -> None:
    state = {key: value.double() if value.is_floating_point() else value for key, value in source.items()}
    state[name].view(-1)[-1] = number
    with pytest.raises(WeightsError, match=says):
        checkpoints.load(build("resnet18", 0), state)


def test_weights_of_one_number_load_and_are_remarked_upon(source: State) -> None:
    """Batch norm begins with ones and zeros, and some of a trained one's may stay there: those are no sign."""
    assert checkpoints.load(build("resnet18", 0), source).constant == ()
    source["layer1.0.conv1.weight"] = torch.full((64, 64, 3, 3), 0.5, dtype=torch.bfloat16)
    assert checkpoints.load(build("resnet18", 0), source).constant == ("layer1.0.conv1.weight",)
    zeros = {key: torch.zeros_like(value) for key, value in source.items()}
    assert len(checkpoints.load(build("resnet18", 0), zeros).constant) == 20  # all convolutions


def test_what_a_user_should_know_of_a_load_is_said_in_lines(source: State) -> None:
    def said(state: State) -> list[str]:
        return lines("a.pth", checkpoints.load(build("resnet18", 0), state))

    heads = "left out: 2 of heads such as fc.weight"
    assert said(source) == [f"weights a.pth: 100 of 100 tensors, from its top; {heads}."]
    layers = {name: value for name, value in source.items() if not name.startswith("fc.")}
    assert said(layers) == ["weights a.pth: 100 of 100 tensors, from its top; left out: none."]
    numbers = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    split = {name: name.partition(".") for name in layers}
    numbered = {f"net.{numbers[first]}.{rest}": layers[name] for name, (first, _, rest) in split.items()}
    assert said(numbered)[1].startswith("weights a.pth: matched by number: the file has a Sequential's numbers")
    layers["conv1.weight"] = torch.zeros(64, 3, 7, 7)
    (constant,) = said(layers)[1:]
    assert constant == (
        "weights a.pth: never trained, as they are one number throughout: 1 of its tensors such as conv1.weight."
    )


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_load(source: State, precision: torch.dtype) -> None:
    changed = {key: value.to(precision) if value.is_floating_point() else value for key, value in source.items()}
    assert len(checkpoints.load(build("resnet18", 0), changed).matched) == 100


def test_what_the_backbone_has_no_place_for_is_named(source: State) -> None:
    source["surplus"] = torch.rand(1)
    assert checkpoints.load(build("resnet18", 0), source).unexpected == ("surplus",)


def test_weights_come_back_bit_by_bit_in_equal_bytes() -> None:
    saved, other = build("resnet_small", 0), build("resnet_small", 1)
    saved(torch.rand(4, 3, 32, 32))  # moves the running statistics
    data = checkpoints.to_bytes(saved)
    assert checkpoints.to_bytes(saved.to(memory_format=torch.channels_last)) == data  # type: ignore[call-overload]
    checkpoints.load(other, checkpoints.from_bytes(data), threshold=1.0)
    assert not differences(other, dict(saved.state_dict()))
    assert checkpoints.to_bytes(other) == data
    with pytest.raises(WeightsError, match="stored weights"):
        checkpoints.from_bytes(data[:-1])


def test_torchvisions_loader_is_used(tmp_path: Path, source: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    url = torchvision.models.ResNet18_Weights.DEFAULT.url
    (tmp_path / "checkpoints").mkdir()
    torch.save(source, tmp_path / "checkpoints" / url.rsplit("/", 1)[1])
    read = checkpoints.read(WeightSource.parse("torchvision:resnet18"))
    assert all(torch.equal(read[key], source[key]) for key in source)


def test_no_network_and_no_such_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> io.BytesIO:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", unreachable)
    with pytest.raises(WeightsError, match=r"download .*resnet18.*no route.*give a file"):
        checkpoints.read(WeightSource.parse("torchvision:resnet18"))
    with pytest.raises(WeightsError, match="no model 'resnet19'"):
        checkpoints.read(WeightSource.parse("torchvision:resnet19"))


def test_timms_weights_come_from_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    theirs = timm.create_model("test_resnet")

    def create(name: str, pretrained: bool) -> Any:
        assert (name, pretrained) == ("test_resnet", True)
        return theirs

    monkeypatch.setattr(timm, "create_model", create)
    read = checkpoints.read(WeightSource.parse("timm:test_resnet"))
    monkeypatch.undo()
    backbone = build("timm/test_resnet", 0)
    audit = checkpoints.load(backbone, read, threshold=1.0)
    assert audit.heads == ("fc.weight", "fc.bias")
    assert not differences(backbone, dict(theirs.state_dict()))


def test_timms_weights_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route")

    with pytest.raises(WeightsError, match="timm has no model 'resnet19'"):
        checkpoints.read(WeightSource.parse("timm:resnet19"))
    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(WeightsError, match=r"download timm's weights for resnet18 .*no route.*give a file"):
        checkpoints.read(WeightSource.parse("timm:resnet18"))
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(WeightsError, match=r"timm:resnet18 need timm: pip install 'hpt_ray\[timm\]'"):
        checkpoints.read(WeightSource.parse("timm:resnet18"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_short_numbers_load_and_two_equal_copies_are_one(source: State, dtype: torch.dtype) -> None:
    """Torch neither orders nor compares float8."""
    short = {key: value.to(dtype) if value.is_floating_point() else value for key, value in source.items()}
    twice = {f"{place}.{key}": value for place in ("model", "model_ema") for key, value in short.items()}
    network = build("resnet18", 0)
    assert checkpoints.load(network, twice).rivals == ()
    assert torch.equal(network.state_dict()["conv1.weight"], short["conv1.weight"].float())


@pytest.mark.parametrize("name", ["²", "٣", "9" * 5_000])
def test_odd_digits_in_names_are_names(source: State, name: str) -> None:
    beside = {f"net.0.{key}": value for key, value in source.items()} | {f"net.{name}.weight": torch.ones(3)}
    assert checkpoints.load(build("resnet18", 0), beside).matched
