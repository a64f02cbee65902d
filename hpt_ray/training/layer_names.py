"""The names that published vision transformers and ConvNeXts give their layers, reduced to one name for each layer.

The one name is timm's, but for a transformer's MLP, whose layers are ``up``, ``gate`` (of SwiGLU) and ``down``. Read
from the code of torchvision, timm, Hugging Face's transformers (ViT, MAE, DINOv2 and its registers, DINOv3, ConvNeXt)
and facebookresearch (DINO, iBOT, MAE, DINOv2, DINOv3, ConvNeXt).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

Canonical = Callable[[str], str | None]


def _inverse(names: dict[str, str]) -> dict[str, str]:
    return {theirs: ours for ours, known in names.items() for theirs in known.split()}


_TOP = _inverse(
    {
        "cls_token": "cls_token class_token embeddings.cls_token",
        "reg_token": "reg_token register_tokens storage_tokens embeddings.register_tokens",
        "mask_token": "mask_token masked_embed embeddings.mask_token",
        "pos_embed": "pos_embed encoder.pos_embedding embeddings.position_embeddings",
        "patch_embed.proj": "patch_embed.proj conv_proj embeddings.patch_embeddings.projection "
        "embeddings.patch_embeddings",
        "norm": "norm layernorm encoder.ln",
    }
)
_INSIDE = _inverse(
    {
        "norm1": "norm1 layernorm_before ln_1",
        "norm2": "norm2 layernorm_after ln_2",
        "attn.qkv": "attn.qkv self_attention.in_proj",
        "attn.q": "attn.q attn.q_proj attention.attention.query attention.q_proj",
        "attn.k": "attn.k attn.k_proj attention.attention.key attention.k_proj",
        "attn.v": "attn.v attn.v_proj attention.attention.value attention.v_proj",
        "attn.proj": "attn.proj attention.output.dense attention.o_proj self_attention.out_proj",
        "ls1": "ls1.gamma gamma_1 layer_scale1.lambda1",
        "ls2": "ls2.gamma gamma_2 layer_scale2.lambda1",
        # A SwiGLU of one matrix for both halves (DINOv2's w12) stands where a plain MLP has its first layer.
        "mlp.up": "mlp.fc1 mlp.fc1_x mlp.w12 mlp.w2 mlp.weights_in mlp.up_proj intermediate.dense mlp.0",
        "mlp.gate": "mlp.fc1_g mlp.w1 mlp.gate_proj",
        "mlp.down": "mlp.fc2 mlp.w3 mlp.weights_out mlp.down_proj output.dense mlp.3",
    }
)
#: DINOv2 numbers its blocks through, also where it keeps them in chunks: ``blocks.2.11.``
_BLOCK = re.compile(r"(?:blocks\.(?:\d+\.)?|encoder\.layer\.|layers?\.|encoder\.layers\.encoder_layer_)(\d+)\.")

_CONVNEXT_TOP = _inverse(
    {
        "stem.0": "stem.0 features.0.0 downsample_layers.0.0 embeddings.patch_embeddings stages.0.downsample_layers.0",
        "stem.1": "stem.1 features.0.1 downsample_layers.0.1 embeddings.layernorm stages.0.downsample_layers.1",
        "head.norm": "head.norm norm classifier.0 layernorm layer_norm",
    }
)
_CONVNEXT_INSIDE = _inverse(
    {
        "conv_dw": "conv_dw dwconv depthwise_conv block.0",
        "norm": "norm layernorm layer_norm block.2",
        "mlp.fc1": "mlp.fc1 pwconv1 pointwise_conv1 block.3",
        "mlp.fc2": "mlp.fc2 pwconv2 pointwise_conv2 block.5",
        "mlp.grn": "mlp.grn grn",
        "mlp.grn.weight": "grn.gamma",
        "mlp.grn.bias": "grn.beta",
        "gamma": "gamma layer_scale layer_scale_parameter",
    }
)
_DOWN = re.compile(
    r"(?:(?:encoder\.)?stages\.(?P<stage>\d+)\.(?:downsample|downsampling_layer|downsample_layers)"
    r"|downsample_layers\.(?P<number>\d+))\.(?P<layer>\d+\.\w+)$"
)
_STAGE = re.compile(r"(?:encoder\.)?stages\.(\d+)\.(?:blocks\.|layers\.)?(\d+)\.")
_FEATURES = re.compile(r"features\.(\d+)\.")


def vit(name: str) -> str | None:
    """The one name of a vision transformer's tensor; None for what is not known."""
    block = _BLOCK.match(name)
    if block is None:
        return _named(name, _TOP)
    inside = _named(name[block.end() :], _INSIDE)
    return inside and f"blocks.{block[1]}.{inside}"


def convnext(name: str) -> str | None:
    """The one name of a ConvNeXt's tensor; None for what is not known."""
    if top := _named(name, _CONVNEXT_TOP):
        return top
    if numbered := _FEATURES.match(name):  # of torchvision: a stage's blocks, then what leads to the next stage
        stage, blocks = divmod(int(numbered[1]), 2)
        name = f"stages.{stage}.{'blocks' if blocks else 'downsample'}.{name[numbered.end() :]}"
    if down := _DOWN.match(name):
        return f"stages.{down['stage'] or down['number']}.downsample.{down['layer']}"
    block = _STAGE.match(name)
    inside = block and _named(name[block.end() :], _CONVNEXT_INSIDE)
    return f"stages.{block[1]}.blocks.{block[2]}.{inside}" if block and inside else None


#: A name that every network of a family has, and how the family's names are read.
_FAMILIES: dict[str, Canonical] = {
    "blocks.0.attn.qkv.weight": vit,
    "stages.0.blocks.0.conv_dw.weight": convnext,
}


def family(names: Iterable[str]) -> Canonical | None:
    """How the names of a network are read; None for a network of neither family."""
    names = list(names)
    readers = (read for marker, read in _FAMILIES.items() if any(read(name) == marker for name in names))
    return next(readers, None)


def _named(name: str, layers: dict[str, str]) -> str | None:
    """The one name of a tensor, as that of its layer (``in_proj_weight`` is the weight of ``in_proj``) or its own."""
    if name in layers:
        return layers[name]
    layer = re.fullmatch(r"(.+?)[._](weight|bias)", name)
    return f"{layers[layer[1]]}.{layer[2]}" if layer and layer[1] in layers else None
