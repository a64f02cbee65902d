"""What was judged of a table, written to files: a page, and the claims as JSON, CSV and LaTeX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hpt_ray.core.errors import StudyError
from hpt_ray.report.claim_tables import claims_csv, claims_latex

if TYPE_CHECKING:
    from hpt_ray.analysis.judged import Judged


def write(judged: Judged, folder: Path | None, csv: Path | None, latex: Path | None) -> list[Path]:
    """Write all files into ``folder``, and the claims to a file of each kind; what is None is left out.

    Returns: the files that were written, the page last.

    Raises:
        StudyError: if a file cannot be written.
    """
    files: dict[Path, str] = {}
    tables = {csv: claims_csv, latex: claims_latex}
    if folder is not None:
        tables |= {folder / "claims.csv": claims_csv, folder / "claims.tex": claims_latex}
    files = {path: text(judged.verdicts) for path, text in tables.items() if path is not None}
    if folder is not None:
        from hpt_ray.report.judged_page import judged_page
        from hpt_ray.report.verdict_file import judged_file

        files[folder / "verdict.json"] = judged_file(judged).decode()
        files[folder / "report.html"] = judged_page(judged)
    for path, content in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as error:
            raise StudyError(f"{path} cannot be written ({error.strerror}): choose another place.") from error
    return list(files)
