"""Vision transformers and ConvNeXts in the layouts that they are published in: the features are those of the original.

The originals are timm's and torchvision's own networks, small ones; files in other layouts are made by renaming.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.convnext import ConvNeXt as TorchvisionConvNeXt
from torchvision.models.vision_transformer import VisionTransformer as TorchvisionViT

from hpt_ray.core.errors import WeightsError
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.backbones._published import published
from hpt_ray.training.weights import checkpoints
from hpt_ray.training.weights.audit import Audit, lines

timm = pytest.importorskip("timm")
State = dict[str, Tensor]
WIDTH, SIDE = 64, 32


def vit(**options: Any) -> nn.Module:
    shape = {"embed_dim": WIDTH, "depth": 2, "num_heads": 2, "img_size": SIDE, "patch_size": 8, "num_classes": 0}
    model: nn.Module = timm.models.vision_transformer.VisionTransformer(**shape | options)
    return model


DINOV2: dict[str, Any] = {"init_values": 1.0}
REGISTERS: dict[str, Any] = {**DINOV2, "reg_tokens": 4, "no_embed_class": True}
SWIGLU: dict[str, Any] = {**DINOV2, "mlp_layer": timm.layers.SwiGLUPacked, "act_layer": nn.SiLU, "mlp_ratio": 5.5}


def dinov3(**options: Any) -> nn.Module:
    rotary = {"rope_type": "dinov3", "rope_temperature": 100, "use_rot_pos_emb": True, "rope_rotate_half": True}
    more = {"use_abs_pos_emb": False, "init_values": 1, "num_reg_tokens": 4, "use_fc_norm": False, "global_pool": "avg"}
    shape = {"embed_dim": WIDTH, "depth": 2, "num_heads": 2, "img_size": SIDE, "patch_size": 8, "num_classes": 0}
    norm = {"norm_layer": partial(timm.layers.LayerNorm, eps=1e-5), "dynamic_img_size": True}
    model: nn.Module = timm.models.eva.Eva(**rotary, **more, **shape, **norm, **options)
    return model


def convnext(**options: Any) -> nn.Module:
    model: nn.Module = timm.models.convnext.ConvNeXt(
        dims=(8, 16, 24, 32), depths=(1, 1, 2, 1), num_classes=0, **options
    )
    return model


GRN: dict[str, Any] = {"use_grn": True, "ls_init_value": None}


def trained(network: nn.Module) -> nn.Module:
    """A network with numbers in place of its initial zeros and ones."""
    torch.manual_seed(1)
    for value in network.state_dict().values():
        value.copy_(0.3 * torch.randn(value.shape))
    return network.eval()


def torchvision_vit() -> nn.Module:
    network = TorchvisionViT(SIDE, 8, 2, 2, WIDTH, 4 * WIDTH)
    network.heads = nn.Sequential()
    return network


def torchvision_convnext() -> nn.Module:
    blocks = [CNBlockConfig(8, 16, 1), CNBlockConfig(16, 24, 1), CNBlockConfig(24, 32, 2), CNBlockConfig(32, None, 1)]
    network = TorchvisionConvNeXt(blocks)
    network.classifier[2] = nn.Identity()
    return network


def loaded(make: Callable[[], nn.Module], file: State, size: int = SIDE) -> tuple[Backbone, Audit]:
    backbone = published(make, "the network", size)
    return backbone, checkpoints.load(backbone, file)


def assert_same_features(backbone: nn.Module, original: nn.Module, size: int = SIDE) -> None:
    images = torch.rand(2, 3, size, size)
    with torch.no_grad():
        expected = original.eval()(images)
        assert expected.std() > 0.1
        torch.testing.assert_close(backbone.eval()(images), expected, atol=1e-5, rtol=1e-5)


# Layouts: timm's own network under other names


def renamed(state: State, *rules: tuple[str, str]) -> State:
    out = {}
    for key, value in state.items():
        new = key
        for pattern, name in rules:
            new = re.sub(pattern, name, new)
        out[new] = value
    return out


def under(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


def token(name: str) -> State:
    return {name: torch.randn(1, WIDTH)}


def facebook_dinov2(state: State) -> State:
    return renamed(state, (r"mlp\.fc1", "mlp.w12"), (r"mlp\.fc2", "mlp.w3")) | token("mask_token")


def with_class_position(state: State, registers: str) -> State:
    """As DINOv2 keeps it: timm has the class token's position added to the token."""
    position = torch.randn(1, 1, WIDTH)
    changed = {"cls_token": state["cls_token"] - position, "pos_embed": torch.cat([position, state["pos_embed"]], 1)}
    return renamed(state | changed, ("reg_token", registers))


def huggingface(state: State) -> State:
    out = {}
    for key, value in state.items():
        if ".qkv." in key:
            for name, part in zip(("query", "key", "value"), value.chunk(3), strict=True):
                out[key.replace("attn.qkv", f"attention.attention.{name}")] = part
        else:
            out[key] = value
    return renamed(
        out,
        (r"^(cls_token)", r"embeddings.\1"),
        (r"^pos_embed", "embeddings.position_embeddings"),
        (r"^patch_embed\.proj", "embeddings.patch_embeddings.projection"),
        (r"^norm\.", "layernorm."),
        (r"^blocks\.", "encoder.layer."),
        (r"attn\.proj", "attention.output.dense"),
    )


def huggingface_vit(state: State) -> State:
    names = ("norm1", "layernorm_before"), ("norm2", "layernorm_after")
    mlp = (r"mlp\.fc1", "intermediate.dense"), (r"mlp\.fc2", "output.dense")
    body = under("vit.", renamed(huggingface(state), *names, *mlp))
    return body | {"classifier.weight": torch.rand(5, WIDTH), "vit.pooler.dense.weight": torch.rand(WIDTH, WIDTH)}


def huggingface_dinov2(state: State) -> State:
    scales = renamed(huggingface(state), (r"ls(\d)\.gamma", r"layer_scale\1.lambda1"))
    return renamed(scales, (r"mlp\.fc1", "mlp.weights_in"), (r"mlp\.fc2", "mlp.weights_out")) | token(
        "embeddings.mask_token"
    )


def dinov2_training(state: State) -> State:
    """Blocks in chunks, as DINOv2's own training keeps them, and a student that differs."""
    chunked = renamed(state, (r"^blocks\.(\d+)", r"blocks.0.\1")) | token("mask_token")
    head = {"teacher/dino_head.mlp.0.weight": torch.rand(3, 3)}
    student = {f"student/backbone.{key}": value + 1 for key, value in chunked.items()}
    return student | under("teacher/backbone.", chunked) | head | {"student/dino_head.mlp.0.weight": torch.rand(3, 3)}


def ibot(state: State) -> State:
    student = {f"student/module.backbone.{key}": value + 1 for key, value in state.items()}
    heads = {"teacher/head.mlp.0.weight": torch.rand(3, 3), "student/module.head.mlp.0.weight": torch.rand(3, 3)}
    return student | under("teacher/backbone.", state | token("masked_embed")) | heads


def mae(state: State) -> State:
    blocks = {key.replace("blocks", "decoder_blocks"): value for key, value in state.items() if "blocks" in key}
    rest = {"decoder_embed.weight": torch.rand(16, WIDTH), "decoder_pos_embed": torch.rand(1, 17, 16)}
    more = {"decoder_norm.bias": torch.rand(16), "decoder_pred.weight": torch.rand(48, 16)}
    return under("model/", state | token("mask_token") | rest | more | {f"{k}x": v for k, v in blocks.items()} | blocks)


def moco_v3(state: State) -> State:
    momentum = {f"state_dict/module.momentum_encoder.{key}": value + 1 for key, value in state.items()}
    heads = {
        "state_dict/module.predictor.0.weight": torch.rand(3),
        "state_dict/module.base_encoder.head.0.weight": torch.rand(3),
    }
    return momentum | under("state_dict/module.base_encoder.", state) | heads


def averaged(state: State) -> State:
    return {f"model_ema/{key}": value + 1 for key, value in state.items()} | under("model/", state)


def only_averaged(state: State) -> State:
    return under("state_dict_ema/", state)


#: layout -> (the network, how its file is named, the prefix of the network, the kinds of what is dropped)
LAYOUTS: dict[str, tuple[Callable[[], nn.Module], Callable[[State], State], str, set[str]]] = {
    "DINOv2": (partial(vit, **DINOV2), lambda s: s | token("mask_token"), "", {"ignored"}),
    "DINOv2, SwiGLU": (partial(vit, **SWIGLU), facebook_dinov2, "", {"ignored"}),
    "DINOv2, registers": (
        partial(vit, **REGISTERS),
        lambda s: with_class_position(s, "register_tokens") | token("mask_token"),
        "",
        {"ignored"},
    ),
    "DINOv2, its training": (partial(vit, **DINOV2), dinov2_training, "teacher/backbone.", {"ignored", "heads"}),
    "iBOT": (vit, ibot, "teacher/backbone.", {"ignored", "heads"}),
    "MAE": (vit, mae, "model/", {"ignored", "heads"}),
    "MoCo v3": (vit, moco_v3, "state_dict/module.base_encoder.", {"ignored", "heads"}),
    "an average beside": (vit, averaged, "model/", {"ignored"}),
    "an average alone": (vit, only_averaged, "state_dict_ema/", set()),
    "Hugging Face, ViT": (vit, huggingface_vit, "vit.", {"heads"}),
    "Hugging Face, DINOv2": (partial(vit, **SWIGLU), huggingface_dinov2, "", {"ignored"}),
    "Hugging Face, registers": (
        partial(vit, **REGISTERS),
        lambda s: renamed(
            huggingface_dinov2(with_class_position(s, "embeddings.register_tokens")),
            ("weights_in", "fc1"),
            ("weights_out", "fc2"),
        ),
        "",
        {"ignored"},
    ),
}


def listed(audit: Audit) -> list[str]:
    """Every key of the file that an audit speaks of."""
    by_name: Iterable[str] = (*audit.matched.values(), *audit.resampled.values(), *audit.reshaped.values())
    own = [key for keys in by_name for key in keys.split(" + ")]
    return [*own, *audit.unexpected, *audit.heads, *audit.ignored]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_features_are_those_of_the_original(layout: str) -> None:
    make, write, prefix, dropped = LAYOUTS[layout]
    original = trained(make())
    file = write({key: value.clone() for key, value in original.state_dict().items()})
    backbone, audit = loaded(make, file)
    assert_same_features(backbone, original)
    assert audit.prefix == prefix
    assert {kind for kind in ("unexpected", "heads", "ignored") if getattr(audit, kind)} == dropped
    assert sorted(listed(audit)) == sorted(file)


@pytest.mark.parametrize(("options", "biases"), [({"qkv_bias": True}, "trained"), ({"qkv_bias": False}, "zero")])
@pytest.mark.parametrize("gated", [False, True], ids=["plain", "SwiGLU"])
def test_dinov3_as_timm_reads_it(options: dict[str, Any], biases: str, gated: bool) -> None:
    """facebookresearch's layout; the reference is timm's own conversion."""
    options = options | ({"swiglu_mlp": True, "swiglu_align_to": 8} if gated else {})
    make = partial(dinov3, **options)
    original = trained(make())
    file = dict(original.state_dict())
    for layer in ("blocks.0.attn", "blocks.1.attn"):
        queries, values = (file.pop(f"{layer}.{part}_bias", torch.zeros(WIDTH)) for part in "qv")
        file[f"{layer}.qkv.bias"] = torch.cat([queries, torch.zeros(WIDTH), values])
        file[f"{layer}.qkv.bias_mask"] = torch.ones(3 * WIDTH)
    mlp = ("fc1_g", "w1"), ("fc1_x", "w2"), ("fc2", "w3" if gated else "fc2")
    file = renamed(file, (r"gamma_(\d)", r"ls\1.gamma"), ("reg_token", "storage_tokens"), *mlp)
    file |= token("mask_token") | {"rope_embed.periods": torch.rand(8)}
    reference = make()
    reference.load_state_dict(timm.models.eva.checkpoint_filter_fn(dict(file), reference))
    assert_same_features(reference, original)

    backbone, audit = loaded(make, file)
    assert_same_features(backbone, original)
    assert len(audit.ignored) == 4  # two masks, the token for masked patches, the periods
    if biases == "zero":  # a network without these biases takes a file with zeros for them, and no other
        with pytest.raises(WeightsError, match=r"computes with 1 tensors such as 'blocks\.0\.attn\.qkv\.bias'"):
            loaded(make, file | {"blocks.0.attn.qkv.bias": torch.ones(3 * WIDTH)})


def facebook_convnext(state: State) -> State:
    return renamed(
        state,
        (r"^stem", "downsample_layers.0"),
        (r"^stages\.(\d)\.downsample", r"downsample_layers.\1"),
        (r"\.blocks", ""),
        ("conv_dw", "dwconv"),
        (r"mlp\.fc", "pwconv"),
        (r"mlp\.grn\.weight", "grn.gamma"),
        (r"mlp\.grn\.bias", "grn.beta"),
        (r"^head\.norm", "norm"),
    )


def huggingface_convnext(state: State) -> State:
    return under(
        "convnext.",
        renamed(
            state,
            (r"^stem\.0", "embeddings.patch_embeddings"),
            (r"^stem\.1", "embeddings.layernorm"),
            (r"^stages\.(\d)\.downsample", r"encoder.stages.\1.downsampling_layer"),
            (r"^stages\.(\d)\.blocks", r"encoder.stages.\1.layers"),
            (r"\.norm\.", ".layernorm."),
            ("conv_dw", "dwconv"),
            (r"mlp\.fc", "pwconv"),
            (r"mlp\.grn", "grn"),
            (r"\.gamma$", ".layer_scale_parameter"),
            (r"^head\.", ""),
        ),
    )


@pytest.mark.parametrize("options", [{}, GRN], ids=["ConvNeXt", "ConvNeXt V2"])
@pytest.mark.parametrize("write", [facebook_convnext, huggingface_convnext])
def test_convnexts_of_other_libraries(write: Callable[[State], State], options: dict[str, Any]) -> None:
    original = trained(convnext(**options))
    file = write(dict(original.state_dict()))
    file = {key: value.reshape(1, 1, 1, -1) if ".grn." in key else value for key, value in file.items()}
    backbone, audit = loaded(partial(convnext, **options), file)
    assert_same_features(backbone, original)
    assert sorted(listed(audit)) == sorted(file)
    if not options:  # timm's other kind, whose matrices are convolutions
        assert_same_features(loaded(partial(convnext, conv_mlp=True), file)[0], original)


@pytest.mark.parametrize(("theirs", "ours"), [(torchvision_vit, vit), (torchvision_convnext, convnext)])
def test_torchvisions_and_timms_networks_read_each_others_files(
    theirs: Callable[[], nn.Module], ours: Callable[[], nn.Module]
) -> None:
    for one, other in ((theirs, ours), (ours, theirs)):
        original = trained(one())
        backbone, audit = loaded(other, dict(original.state_dict()))
        assert_same_features(backbone, original)
        assert len(audit.matched) == len(original.state_dict())
        assert any("other names than the backbone's" in line for line in lines("file.pth", audit))


def test_patches_of_another_size_are_those_of_timm() -> None:
    """14 px patches of 56 px images in a network of 16 px patches of 64 px images."""
    original, target = trained(vit(img_size=56, patch_size=14)), partial(vit, img_size=64, patch_size=16)
    reference = target()
    state = dict(original.state_dict())
    reference.load_state_dict(timm.models.vision_transformer.checkpoint_filter_fn(dict(state), reference))
    backbone, audit = loaded(target, state, size=64)
    assert list(audit.resampled) == ["patch_embed.proj.weight"]
    assert_same_features(backbone, reference, 64)
    assert any("patch_embed.proj.weight converted" in line for line in lines("file.pth", audit))


@pytest.mark.parametrize(
    ("file", "backbone", "named"),
    [
        (partial(vit, **REGISTERS), partial(vit, **DINOV2, no_embed_class=True), "reg_token"),
        (partial(vit, qkv_bias=True), partial(vit, qkv_bias=False), "qkv.bias"),
        (convnext, partial(convnext, ls_init_value=None), "gamma"),
    ],
)
def test_what_a_file_computes_with_and_a_backbone_has_not_is_refused(
    file: Callable[[], nn.Module], backbone: Callable[[], nn.Module], named: str
) -> None:
    with pytest.raises(WeightsError, match=rf"(computes with|only \d+ of) .*{named}"):
        loaded(backbone, dict(trained(file()).state_dict()))


@pytest.mark.parametrize("missing", ["patch_embed.proj.weight", "norm.weight", "pos_embed", "blocks.1.norm2.bias"])
def test_the_stem_and_norms_must_be_there(missing: str) -> None:
    file = dict(trained(vit()).state_dict())
    del file[missing]
    with pytest.raises(WeightsError, match=f"1 missing such as '{missing}'"):
        loaded(vit, file)
