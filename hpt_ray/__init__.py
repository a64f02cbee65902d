"""Ray-distributed studies of hierarchical pretraining: ``hpt_ray.run(hpt_ray.study("augment_ablation"))``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpt_ray.execute.run import Result
    from hpt_ray.study import Study

__all__ = ["run", "study"]


def study(name: str, **settings: Any) -> Study:
    """A study by name or path, with its parameters set: ``study("augment_ablation", seeds=5)``.

    Raises:
        hpt_ray.errors.StudyError: for an unknown name or parameter, or a value that does not fit.
    """
    from hpt_ray.parameters import make

    return make(name, settings)


def run(study: Study, **options: Any) -> Result:
    """Run a study and return where its results and report are: see ``hpt_ray.execute.run.run`` for the options.

    Raises:
        hpt_ray.errors.StudyError: for anything that the caller can mend.
    """
    from hpt_ray.execute.run import run as execute

    return execute(study, **options)
