"""Decide whether weights fit well enough to load, or why not."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from hpt_ray.training.weights.audit import Audit, fits, tensors_in_file


def refusal(load: Audit, expected: Mapping[str, Tensor], file: Mapping[str, Tensor], threshold: float) -> str | None:
    """Why weights are refused, in one line; None where they would load.

    Every tensor of the backbone must be in the file, with finite numbers; otherwise training would silently start from
    random ones. At least the threshold's share of the file's network must fit, since a deeper network of the same
    family has every name of a shallower one. If tensors were matched by order and shape, all must fit.
    """
    if complete(load, threshold):
        return _undecided(load) if load.rivals else _more(load, file) or _unusable(load, expected, file)
    if fits(load) < len(expected):
        counted = f"only {fits(load)} of {len(expected)} tensors fit the backbone (all must)"
    else:
        counted = (
            f"only {fits(load)} of the file's network's {tensors_in_file(load)} tensors have a place in the backbone"
        )
        counted += f" (at least {threshold:.0%} must)"
    reasons = [counted]
    if load.missing:
        reasons.append(f"{len(load.missing)} missing such as {load.missing[0]!r}")
    if load.reshaped:
        name, key = next(iter(load.reshaped.items()))
        shapes = f"{list(file[key].shape)} for {list(expected[name].shape)}"
        reasons.append(f"{len(load.reshaped)} reshaped such as {name!r} {shapes}")
    if load.unexpected:
        reasons.append(f"{len(load.unexpected)} unexpected such as {load.unexpected[0]!r}")
    return (
        f"the checkpoint does not fit: {'; '.join(reasons)}. Check that backbone and checkpoint are the same network."
    )


def complete(load: Audit, threshold: float = 0.9) -> bool:
    """Whether the file has all of the backbone's tensors, and enough of the file's network fits."""
    if load.how == "order":
        threshold = 1.0
    return not (load.missing or load.reshaped) and fits(load) >= threshold * tensors_in_file(load)


#: Tensors that a transformer or ConvNeXt computes with wherever it has them: more tokens, scales of its branches.
_COMPUTED = ("reg_token", "dist_token", "ls1", "ls2", "gamma")


def _more(load: Audit, file: Mapping[str, Tensor]) -> str | None:
    """The message that the file's network computes with more than the backbone has; None if it does not.

    That is a bias beside a weight that is loaded, unless it is zero, or one of ``_COMPUTED``.
    """
    layers = {key.rpartition(".")[0] for key in load.matched.values()}
    more = []
    for key in load.unexpected:
        layer, _, kind = key.rpartition(".")
        if kind in _COMPUTED or (kind in ("weight", "bias") and layer in layers and file[key].count_nonzero()):
            more.append(key)
    if not more:
        return None
    return (
        f"the checkpoint's network computes with {len(more)} tensors such as {more[0]!r} for which the backbone has no "
        "place, so its features would be others: take the backbone that has them."
    )


def _undecided(load: Audit) -> str:
    """The message that a user must choose among several networks, and how."""
    places = [load.prefix, *load.rivals]
    shown = ", ".join(place or "its top" for place in places[:6]) + (", ..." if len(places) > 6 else "")
    return (
        f"the checkpoint holds {len(places)} networks that fit equally well and differ, at {shown}: add the place of "
        f"the one you want to the file, as weights:FILE#{load.rivals[-1]} does."
    )


def _unusable(load: Audit, expected: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> str | None:
    """Why numbers that would be loaded cannot be weights; None if they can."""
    for name, key in (load.matched | load.resampled | load.adapted).items():
        numbers = file[key]
        if expected[name].is_floating_point() and not numbers.is_floating_point():
            return (
                f"the checkpoint holds {str(numbers.dtype).removeprefix('torch.')} numbers in {key!r}, which are no "
                "weights: save the network in float32, before it is quantized."
            )
        values = numbers.to(expected[name].dtype)  # torch compares no float8 numbers
        if expected[name].is_floating_point() and not values.isfinite().all():
            if numbers.double().isfinite().all():
                kind = str(values.dtype).removeprefix("torch.")
                return f"the checkpoint holds numbers in {key!r} that {kind} cannot hold: take a sound one."
            return f"the checkpoint holds NaN or infinite numbers in {key!r}: its training failed; take an earlier one."
        if name.endswith("running_var") and (values < 0).any():
            return f"the checkpoint holds negative variances in {key!r}: it is damaged; take a sound one."
    return None
