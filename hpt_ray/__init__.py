"""Ray-distributed studies of hierarchical pretraining: ``hpt_ray.run(hpt_ray.make("augment_ablation", seeds=5))``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpt_ray.execute.finalize import Result
    from hpt_ray.spec.study import Study
    from hpt_ray.training.weights.exported import Pretrained

__all__ = ["load_backbone", "make", "run"]


def make(name: str, **settings: Any) -> Study:
    """The study of a name or a path, with its parameters set.

    Raises:
        hpt_ray.core.errors.StudyError: for an unknown name or parameter, or a value that does not fit.
    """
    from hpt_ray.spec.parameters import make as call

    return call(name, settings)


def run(study: Study, **options: Any) -> Result:
    """Run a study and return its results, weights and report: see ``hpt_ray.execute.run.run`` for the options.

    Raises:
        hpt_ray.core.errors.StudyError: for anything that the caller can mend.
    """
    from hpt_ray.execute import compiler_folder
    from hpt_ray.execute.run import run as execute

    with compiler_folder.removed():
        return execute(study, **options)


def load_backbone(file: str | Path, backbone: str | None = None) -> Pretrained:
    """The network in a file that ``hpt-study export`` wrote: a torch module in eval mode, without a classifier.

    Its images are normalised by its ``mean`` and ``std`` and have a side of ``image_size`` pixels.

    Args:
        backbone: the path to your own Python file that defines the network, if the study's backbone was one.

    Raises:
        hpt_ray.core.errors.StudyError: for a file that cannot be read, or that hpt-study did not export.
    """
    from hpt_ray.execute.handover import load_backbone as load

    return load(file, backbone)
