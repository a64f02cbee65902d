"""Write the figures and tables of a stored run's page to a folder."""

from __future__ import annotations

from pathlib import Path

from hpt_ray.core.paths import path_of
from hpt_ray.core.values import Frozen
from hpt_ray.execute.claim_files import write_files
from hpt_ray.execute.runs import check_trusted, read_run
from hpt_ray.report import dashboard
from hpt_ray.store.labels import latest
from hpt_ray.store.store import Store


class ExportedShown(Frozen):
    """The files that were written, and the titles of what the page shows as HTML alone, which has no picture."""

    files: tuple[Path, ...]
    left_out: tuple[str, ...]


def export_shown(
    store: Store, run: str, folder: str, *, figures: bool = False, tables: bool = False, trust: bool = False
) -> ExportedShown:
    """Write the figures of a run as SVG and PDF, and its tables as CSV and LaTeX, with the caption beside each.

    Args:
        run: the name of its folder, or of a study, whose latest run is taken.
        trust: execute the Python files that the run is measured or shown by.

    Raises:
        StudyError: for a run that does not exist or is damaged, for figures without what draws them, and for a folder
            that cannot be written.
    """
    from hpt_ray.report.render import verdicts
    from hpt_ray.report.shown_files import figure_files, table_files_of

    plan, stored_run = read_run(store, latest(store, run))
    check_trusted(plan, trust)
    page = dashboard.find(plan.study)
    contents: dict[str, bytes] = {}
    left_out: list[str] = []
    if figures:
        contents, left_out = figure_files(stored_run, page)
    if tables:
        written = table_files_of(stored_run, page, verdicts(stored_run, page))
        contents |= {name: text.encode() for name, text in written.items()}
    place = path_of(folder)
    files = write_files({place / name: content for name, content in sorted(contents.items())})
    return ExportedShown(files=tuple(files), left_out=tuple(left_out))
