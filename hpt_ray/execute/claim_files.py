"""Claims written to files where a user wants them: as CSV and LaTeX, and of a judged table as page and JSON too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpt_ray.core.errors import StudyError
from hpt_ray.core.paths import path_of
from hpt_ray.report.claim_tables import claims_csv, claims_latex
from hpt_ray.store.files import replace_whole

if TYPE_CHECKING:
    from hpt_ray.analysis.judged import Judged
    from hpt_ray.analysis.verdict import Verdict


def write_claims(verdicts: Sequence[Verdict], csv: Path | None, latex: Path | None, table: str = "") -> list[Path]:
    """Write the claims of verdicts to a file of each kind, but for None.

    Args:
        table: the file that the claims are on, which is never replaced.

    Returns: the files that were written.

    Raises:
        StudyError: if a file cannot be written, or would replace the table or the other file.
    """
    tables = [(csv, claims_csv), (latex, claims_latex)]
    named = [(path, text) for path, text in tables if path is not None]
    taken = {path_of(table).resolve()} if table else set()
    for path, _ in named:
        if path.resolve() in taken:
            raise StudyError(f"{path} is the table itself, or named for CSV and for LaTeX: choose another place.")
        taken.add(path.resolve())
    return write_files({path: text(verdicts).encode() for path, text in named})


def write_judged(judged: Judged, folder: Path) -> list[Path]:
    """Write what was judged of a table into a folder: its claims, ``verdict.json`` and, as the last, the page.

    Returns and Raises: as ``write_claims``.
    """
    from hpt_ray.report.judged_page import judged_page
    from hpt_ray.report.verdict_file import judged_file

    tables = write_claims(judged.verdicts, folder / "claims.csv", folder / "claims.tex", judged.table.file)
    rest = {"verdict.json": judged_file(judged), "report.html": judged_page(judged).encode()}
    return [*tables, *write_files({folder / name: content for name, content in rest.items()})]


def write_files(files: Mapping[Path, bytes]) -> list[Path]:
    """Write files where a user wants them, with the folders above them.

    Raises:
        StudyError: if one cannot be written.
    """
    for path, content in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not path.is_file():  # /dev/stdout is written to, and never replaced
                path.write_bytes(content)
            else:
                replace_whole(path.resolve(), content)
        except OSError as error:
            raise StudyError(f"{path} cannot be written ({error.strerror}): choose another place.") from error
    return list(files)
