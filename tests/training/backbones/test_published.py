from __future__ import annotations

import copy
import re
import sys

import pytest
import torch
import torchvision
from torch import Tensor, nn

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.arm import Tune
from hpt_ray.training import normalisation
from hpt_ray.training.backbone import build, check, outline
from hpt_ray.training.loop.pretrain import Pretrainer
from tests.support import tiny

#: A network of each family of torchvision's, the name of its classifier, and a size that it takes.
THEIRS = (
    ("resnet18", "fc", 64),
    ("efficientnet_b0", "classifier.1", 64),
    pytest.param("convnext_tiny", "classifier.2", 64, marks=pytest.mark.slow),
    ("vit_b_32", "heads.head", 64),
    pytest.param("swin_t", "head", 64, marks=pytest.mark.slow),
    pytest.param("densenet121", "classifier", 64, marks=pytest.mark.slow),
    ("mobilenet_v3_small", "classifier.3", 64),
    ("shufflenet_v2_x0_5", "fc", 64),
    ("regnet_y_400mf", "fc", 64),
    ("googlenet", "fc", 64),
)


def original(name: str, image_size: int) -> nn.Module:
    """torchvision's network as it is, classifier included."""
    options = {"image_size": image_size} if name.startswith("vit") else {}
    if name == "googlenet":
        options = {"aux_logits": False, "init_weights": True}
    model: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return model.eval()


def before(network: nn.Module, layer: str, x: Tensor) -> Tensor:
    """What a layer of a network is given."""
    given: list[Tensor] = []
    network.get_submodule(layer).register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    with torch.no_grad():
        network(x)
    return given[0]


@pytest.mark.parametrize(("name", "classifier", "size"), THEIRS)
def test_any_network_of_torchvisions_is_itself_without_its_classifier(name: str, classifier: str, size: int) -> None:
    reference = original(name, size)
    theirs = {key: value for key, value in reference.state_dict().items() if not key.startswith(f"{classifier}.")}
    net = build(f"torchvision/{name}", 0, size)
    assert {key: value.shape for key, value in net.state_dict().items()} == {k: v.shape for k, v in theirs.items()}

    net.load_state_dict(theirs)
    x = torch.rand(2, 3, size, size)
    expected = before(reference, classifier, x)
    assert net.dim == expected.shape[1]
    with torch.no_grad():
        torch.testing.assert_close(net.eval()(x), expected, rtol=0, atol=0)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = x.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(net(x), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", torchvision.models.list_models(module=torchvision.models))
def test_which_of_torchvisions_networks_fit(name: str) -> None:
    if name.startswith("squeezenet"):
        with pytest.raises(StudyError, match="no linear classifier"):
            check(f"torchvision/{name}", 224)
    else:
        check(f"torchvision/{name}", 224)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet_gn", "test_nfnet"])
def test_any_network_of_timms_is_itself_without_its_classifier(name: str) -> None:
    timm = pytest.importorskip("timm")
    resized = {"img_size": 64} if "vit" in name else {}
    reference = timm.create_model(name, **resized).eval()
    classifier = reference.default_cfg["classifier"]
    theirs = {key: value for key, value in reference.state_dict().items() if not key.startswith(f"{classifier}.")}
    net = build(f"timm/{name}", 0, 64)
    assert {key: value.shape for key, value in net.state_dict().items()} == {k: v.shape for k, v in theirs.items()}

    net.load_state_dict(theirs)
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = reference.forward_head(reference.forward_features(x), pre_logits=True)
        assert net.dim == expected.shape[1]
        torch.testing.assert_close(net.eval()(x), expected)


def test_a_family_and_a_file_give_the_same_network() -> None:
    one, other = build("resnet18", 3).state_dict(), build("torchvision/resnet18", 3).state_dict()
    assert list(one) == list(other)
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    "name", ["torchvision/efficientnet_b0", pytest.param("torchvision/swin_t", marks=pytest.mark.slow)]
)
def test_nothing_in_training_is_left_to_the_global_generator(name: str) -> None:
    """Both have stochastic depth, and one has dropout: as torchvision makes them, two passes differ."""
    x = torch.rand(4, 3, 32, 32)

    def passes(network: nn.Module) -> list[Tensor]:
        with torch.no_grad():
            outputs = []
            for seed in (1, 2):
                torch.manual_seed(seed)
                outputs.append(network.train()(x))
        return outputs

    theirs = passes(torchvision.models.get_model(name.removeprefix("torchvision/"), weights=None))
    assert not torch.equal(*theirs)
    assert torch.equal(*passes(build(name, 0, 32)))


def test_names_without_prefix_wherever_the_backbone_stands() -> None:
    net = build("torchvision/shufflenet_v2_x0_5", 0)
    whole = nn.ModuleDict({"backbone": net, "head": nn.Linear(3, 3)})
    state = whole.state_dict()
    assert "backbone.conv1.0.weight" in state
    assert not [key for key in state if "network" in key]

    other = copy.deepcopy(whole)  # as a method makes its momentum encoder
    for value in other.state_dict().values():
        value.zero_()
    assert not torch.equal(other.state_dict()["backbone.conv1.0.weight"], state["backbone.conv1.0.weight"])
    other.load_state_dict(state)
    assert all(torch.equal(value, state[key]) for key, value in other.state_dict().items())
    del state["backbone.conv1.0.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*backbone\.network\.conv1\.0\.weight"):
        other.load_state_dict(state)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("resnet19", 64, "timm has no network 'resnet19': nearest are .*resnet18"),
        ("hf-hub:timm/resnet18", 64, "timm has no network"),
        ("gemma4_vit_167m_enc", 768, r"no pooled features \[n, dim\] of n images but \[2, 256, 768\]"),
        ("test_vit", 50, "test_vit"),
        ("resnet18.no_such_tag", 64, "no network 'resnet18.no_such_tag'"),
    ],
)
def test_a_network_of_timms_that_cannot_be_used(name: str, size: int, message: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(StudyError, match=message):
        check(f"timm/{name}", size)


def test_without_timm_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(StudyError, match=r"timm/resnet18 needs timm: pip install 'hpt_ray\[timm\]'"):
        check("timm/resnet18", 64)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet18", None),
        ("vit_nano", r"no batch norm.*scale and shift.*9 LayerNorm"),
        ("torchvision/convnext_tiny", r"no batch norm.*scale and shift.*18 LayerNorm and 5 LayerNorm2d"),
        ("torchvision/vit_b_32", r"25 LayerNorm"),
    ],
)
def test_hpt_bn_says_where_there_is_no_batch_norm(name: str, said: str | None) -> None:
    net = outline(name, 32)
    note = normalisation.describe(net)
    if said is None:
        assert note is None
    else:
        assert note is not None
        assert re.search(said, note)
        # And what it says is what it does: two tensors of each layer, and nothing else.
        trained = normalisation.adapt_only_norm(net)
        assert len(trained) == 2 * sum(isinstance(layer, nn.LayerNorm) for layer in net.modules())


def test_hpt_bn_has_nothing_to_train_without_norms() -> None:
    note = normalisation.describe(nn.Conv2d(3, 3, 3))
    assert note is not None
    assert "nothing to train" in note


def pretrainer(name: str, tune: Tune = "all") -> Pretrainer:
    data = tiny.dataset(size=32)
    return Pretrainer(tiny.recipe(), build(name, 0, 32), data, iterations=4, image_size=32, seed=0, tune=tune)


def test_a_stage_that_was_interrupted_goes_on_to_the_bit() -> None:
    """mobilenet_v3_small has dropout at torchvision, and a state under its own names."""
    whole, first, second = (pretrainer("torchvision/mobilenet_v3_small") for _ in range(3))
    whole.run()
    for _ in range(2):
        first.step()
    torch.manual_seed(1)
    second.restore(first.state())
    second.run()
    assert tiny.largest_difference(whole.backbone.state_dict(), second.backbone.state_dict()) == 0


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_efficientnet_gn"])
def test_hpt_bn_moves_the_norms_that_are_there_and_nothing_else(name: str) -> None:
    pytest.importorskip("timm")
    trained = pretrainer(f"timm/{name}", "bn")
    norms = {
        path for path, layer in trained.backbone.named_modules() if isinstance(layer, (nn.LayerNorm, nn.GroupNorm))
    }
    before = {path: value.clone() for path, value in trained.backbone.named_parameters()}
    trained.run()
    moved = {path for path, value in trained.backbone.named_parameters() if not torch.equal(value, before[path])}
    assert moved == {path for path in before if path.rpartition(".")[0] in norms}
