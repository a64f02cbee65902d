"""Whether an audit is good enough to load, and in one line why not."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from hpt_ray.training.weights.audit import Audit, fits, theirs


def refusal(found: Audit, own: Mapping[str, Tensor], file: Mapping[str, Tensor], threshold: float) -> str | None:
    """Why weights are refused, in one line; None where they would load.

    Every tensor of the backbone must be there, with finite numbers, or it would be trained on from random ones without
    a word. Of the file's network as many must have a place as the threshold says, since a deeper network of the same
    family holds every name of a shallower one. Where only order and shape speak for them, all must.
    """
    if complete(found, threshold):
        return _undecided(found) if found.rivals else _unusable(found, own, file)
    if fits(found) < len(own):
        counted = f"only {fits(found)} of {len(own)} tensors fit the backbone (all must)"
    else:
        counted = f"only {fits(found)} of the file's network's {theirs(found)} tensors have a place in the backbone"
        counted += f" (at least {threshold:.0%} must)"
    reasons = [counted]
    if found.missing:
        reasons.append(f"{len(found.missing)} missing such as {found.missing[0]!r}")
    if found.reshaped:
        name, key = next(iter(found.reshaped.items()))
        shapes = f"{list(file[key].shape)} for {list(own[name].shape)}"
        reasons.append(f"{len(found.reshaped)} reshaped such as {name!r} {shapes}")
    if found.unexpected:
        reasons.append(f"{len(found.unexpected)} unexpected such as {found.unexpected[0]!r}")
    return (
        f"the checkpoint does not fit: {'; '.join(reasons)}. Check that backbone and checkpoint are the same network."
    )


def complete(found: Audit, threshold: float = 0.9) -> bool:
    """Whether all of the backbone's tensors are there, and of the file's network as many as the threshold says."""
    if found.how == "order":
        threshold = 1.0
    return not (found.missing or found.reshaped) and fits(found) >= threshold * theirs(found)


def _undecided(found: Audit) -> str:
    """That a user must choose among networks, and how."""
    places = [found.prefix, *found.rivals]
    shown = ", ".join(place or "its top" for place in places[:6]) + (", ..." if len(places) > 6 else "")
    return (
        f"the checkpoint holds {len(places)} networks that fit equally well and differ, at {shown}: add the place of "
        f"the one you want to the file, as weights:FILE#{found.rivals[-1]} does."
    )


def _unusable(found: Audit, own: Mapping[str, Tensor], file: Mapping[str, Tensor]) -> str | None:
    """Why numbers that would be taken over are no weights; None where they are."""
    for name, key in (found.matched | found.resampled).items():
        numbers = file[key]
        if own[name].is_floating_point() and not numbers.is_floating_point():
            return (
                f"the checkpoint holds {str(numbers.dtype).removeprefix('torch.')} numbers in {key!r}, which are no "
                "weights: save the network in float32, before it is quantized."
            )
        taken = numbers.to(own[name].dtype)  # torch compares no float8 numbers
        if own[name].is_floating_point() and not taken.isfinite().all():
            if numbers.double().isfinite().all():
                kind = str(taken.dtype).removeprefix("torch.")
                return f"the checkpoint holds numbers in {key!r} that {kind} cannot hold: take a sound one."
            return f"the checkpoint holds NaN or infinite numbers in {key!r}: its training failed; take an earlier one."
        if name.endswith("running_var") and (taken < 0).any():
            return f"the checkpoint holds negative variances in {key!r}: it is damaged; take a sound one."
    return None
