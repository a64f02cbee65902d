"""Claims written to files where a user wants them: as CSV and LaTeX, and of a judged table as page and JSON too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpt_ray.core.errors import StudyError
from hpt_ray.report.claim_tables import claims_csv, claims_latex

if TYPE_CHECKING:
    from hpt_ray.analysis.judged import Judged
    from hpt_ray.analysis.verdict import Verdict


def write_claims(verdicts: Sequence[Verdict], csv: Path | None, latex: Path | None) -> list[Path]:
    """Write the claims of verdicts to a file of each kind, but for None.

    Returns: the files that were written.

    Raises:
        StudyError: if a file cannot be written.
    """
    tables = {csv: claims_csv, latex: claims_latex}
    return _write({path: text(verdicts) for path, text in tables.items() if path is not None})


def write_judged(judged: Judged, folder: Path) -> list[Path]:
    """Write what was judged of a table into a folder: its claims, ``verdict.json`` and, as the last, the page.

    Returns and Raises: as ``write_claims``.
    """
    from hpt_ray.report.judged_page import judged_page
    from hpt_ray.report.verdict_file import judged_file

    tables = write_claims(judged.verdicts, folder / "claims.csv", folder / "claims.tex")
    rest = {"verdict.json": judged_file(judged).decode(), "report.html": judged_page(judged)}
    return [*tables, *_write({folder / name: content for name, content in rest.items()})]


def _write(files: Mapping[Path, str]) -> list[Path]:
    for path, content in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as error:
            raise StudyError(f"{path} cannot be written ({error.strerror}): choose another place.") from error
    return list(files)
