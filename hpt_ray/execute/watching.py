"""Hand a run to writers, which bring it to what people already watch (report/watched.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpt_ray.core import registry, user_code
from hpt_ray.core.errors import StudyError

if TYPE_CHECKING:
    from hpt_ray.execute.finalize import Result
    from hpt_ray.report.watched import Writer


def writers(names: str | None) -> dict[str, Writer]:
    """The writers behind names or paths that are separated by commas; none of None.

    Raises:
        StudyError: for an unknown name, a file that cannot be used, and a library that is not installed.
    """
    listed = [name.strip() for name in (names or "").split(",") if name.strip()]
    return {name: registry.load("writers", name) for name in listed}


def write_for(chosen: dict[str, Writer], result: Result) -> list[str]:
    """Write a run for each of some writers, and return what they say of where it is.

    Raises:
        StudyError: if one cannot write; the run and its report are kept.
    """
    from hpt_ray.report.watched import watched

    if not chosen:
        return []
    store, run = result.handover.store, result.handover.plan.run
    shown = watched(run, result.run, result.verdicts, store.run_file(run, "report.html"))
    lines = []
    for name, writer in chosen.items():
        try:
            lines.append(writer(shown))
        except Exception as error:
            reason = user_code.reason(error)
            raise StudyError(f"--watch {name} cannot write ({reason}); the report is {result.report}.") from error
    return lines
