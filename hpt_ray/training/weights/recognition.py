"""Which backbone a file of weights is of: the known one that shares most tensors with it.

Known are the built-in backbones and torchvision's ResNets; for a vision transformer or a ConvNeXt the published
networks of its width and depth, of which timm has most.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping

from torch import Tensor

from hpt_ray.core import registry
from hpt_ray.core.errors import StudyError
from hpt_ray.training.backbone import outline
from hpt_ray.training.layer_names import Canonical, convnext, vit
from hpt_ray.training.weights.audit import fits, tensors_in_file
from hpt_ray.training.weights.checkpoints import tensors
from hpt_ray.training.weights.places import match
from hpt_ray.training.weights.translation import named, translate

#: Width -> size, as the papers call the networks (DeiT, ViT, DINOv2; ConvNeXt and ConvNeXt V2, by their first stage).
_VIT_SIZES = {192: "tiny", 384: "small", 768: "base", 1024: "large", 1280: "huge", 1536: "giant", 4096: "7b"}
_CONVNEXT_SIZES = {
    40: ["atto"],
    48: ["femto"],
    64: ["pico"],
    80: ["nano"],
    96: ["tiny", "small"],
    128: ["base"],
    192: ["large"],
    256: ["xlarge"],
    352: ["huge"],
}


def recognise(file: Mapping[str, Tensor], place: str | None = None) -> tuple[str, float]:
    """The known backbone that shares most tensors with a file, and that share (0 to 1).

    Args:
        file: the file's tensors by key. place: how the keys of the wanted network begin; None: all are looked at.
    """
    file = {key: value for key, value in file.items() if key.startswith((place or "").strip("./"))}
    return _nearest(file, [*_transformers(file), *_convnexts(file)]) or _nearest(file, _residuals()) or ("", 0.0)


def _nearest(file: Mapping[str, Tensor], names: Iterable[str]) -> tuple[str, float] | None:
    """Of backbones the one that shares most with a file; None where none of them can be made here."""
    shares = dict[str, float]()
    for name in names:
        try:
            expected = tensors(outline(name))
        except StudyError:
            continue  # a size that was never published, or its library is not installed
        load = match(expected, translate(expected, file).file)
        shares[name] = fits(load) / max(len(expected), tensors_in_file(load))
    return max(shares.items(), key=lambda item: item[1], default=None)


def _residuals() -> list[str]:
    from torchvision import models

    built_in = [name for name in registry.names("backbones") if not _is_family(name)]
    return [*built_in, *(f"torchvision/{name}" for name in models.list_models(module=models) if "resne" in name)]


def _is_family(name: str) -> bool:
    return bool(inspect.signature(registry.load("backbones", name)).parameters)


def _transformers(file: Mapping[str, Tensor]) -> list[str]:
    """The published vision transformers of a file's width and patches."""
    shapes = _shapes(file, vit)
    patches = shapes.get("patch_embed.proj.weight", ())
    if "blocks.0.norm1.weight" not in shapes or len(patches) != 4:
        return []
    size, patch = _VIT_SIZES.get(patches[0]), patches[-1]
    timm = f"timm/vit_{size}_patch{patch}"
    if "blocks.0.ls1" not in shapes:
        return [f"torchvision/vit_{str(size)[0]}_{patch}", f"{timm}_224"]
    if "pos_embed" in shapes:
        return [f"{timm}_reg4_dinov2" if "reg_token" in shapes else f"{timm}_dinov2"]
    plus = f"timm/vit_{size}_plus_patch{patch}"
    return [f"{start}_dinov3{end}" for start in (timm, plus) for end in ("", "_qkvb")]


def _convnexts(file: Mapping[str, Tensor]) -> list[str]:
    """The published ConvNeXts of a file's width."""
    shapes = _shapes(file, convnext)
    stem = shapes.get("stem.0.weight", ())
    if "stages.0.blocks.0.conv_dw.weight" not in shapes or not stem:
        return []
    sizes = _CONVNEXT_SIZES.get(stem[0], [])
    if "stages.0.blocks.0.mlp.grn.weight" in shapes:
        return [f"timm/convnextv2_{size}" for size in sizes]
    return [f"{library}/convnext_{size}" for size in sizes for library in ("torchvision", "timm")]


def _shapes(file: Mapping[str, Tensor], canonical: Canonical) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor that a family has a name for."""
    shapes = dict[str, tuple[int, ...]]()
    for key, _, known in named(file, canonical):
        shapes.setdefault(known, tuple(file[key].shape))
    return shapes
