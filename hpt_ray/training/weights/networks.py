"""The one network that several given weights are of."""

from __future__ import annotations

from collections.abc import Iterable

from hpt_ray.core.errors import StudyError
from hpt_ray.core.registry import names
from hpt_ray.spec.weights_source import WeightSource, is_given
from hpt_ray.training.weights.checkpoints import read
from hpt_ray.training.weights.matching import NEARLY
from hpt_ray.training.weights.recognition import recognise


def network_of(bases: Iterable[str]) -> str | None:
    """The backbone of the bases that are given weights; None where none of them says which it is.

    Raises:
        StudyError: where they are of different networks. WeightsError: for a file that is missing or cannot be read.
    """
    networks = {base: name for base in bases if is_given(base) and (name := _network(base))}
    if len(set(networks.values())) > 1:
        each = ", ".join(f"{base} is of {name}" for base, name in networks.items())
        raise StudyError(f"bases are compared in one network, and {each}: leave some out, and run it for each network.")
    return next(iter(networks.values()), None)


def _network(base: str) -> str | None:
    source = WeightSource.parse(base.removeprefix("weights:"))
    source.check_exists()
    if source.published:
        built_in = source.origin == "torchvision" and source.name in names("backbones")
        return source.name if built_in else f"{source.origin}/{source.name}"
    if source.origin == "stage":
        return None
    name, share = recognise(read(source), source.place)
    return name if share >= NEARLY else None
