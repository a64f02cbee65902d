"""Precision ``auto`` resolved where stages will run: it is part of their identity, so it is needed to plan them."""

from __future__ import annotations

from hpt_ray.core import registry
from hpt_ray.spec.study import Study
from hpt_ray.training.device import hardware


def resolved(study: Study, runner: str, address: str | None = None, gpus: int | None = None) -> Study:
    """The study with its precision, which is the backend's ``precision(address, gpus)`` if it defines that.

    Args:
        runner, address, gpus: as in ``run.run``.

    Raises:
        StudyError: if a cluster does not answer, or has nothing to run stages on.
    """
    if study.precision != "auto":
        return study
    ask = getattr(registry.module("backends", runner), "precision", None)
    precision = ask(address, gpus) if ask else hardware(gpus != 0).precision
    return study.model_copy(update={"precision": precision})
