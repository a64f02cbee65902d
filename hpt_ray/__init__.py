"""Ray-distributed studies of hierarchical pretraining: ``hpt_ray.run(hpt_ray.make("augment_ablation", seeds=5))``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpt_ray.execute.finalize import Result
    from hpt_ray.spec.study import Study

__all__ = ["make", "run"]


def make(name: str, **settings: Any) -> Study:
    """The study of a name or a path, with its parameters set.

    Raises:
        hpt_ray.core.errors.StudyError: for an unknown name or parameter, or a value that does not fit.
    """
    from hpt_ray.spec.parameters import make as call

    return call(name, settings)


def run(study: Study, **options: Any) -> Result:
    """Run a study and return where its results and report are: see ``hpt_ray.execute.run.run`` for the options.

    Raises:
        hpt_ray.core.errors.StudyError: for anything that the caller can mend.
    """
    from hpt_ray.execute import compiler_folder
    from hpt_ray.execute.run import run as execute

    with compiler_folder.removed():
        return execute(study, **options)
