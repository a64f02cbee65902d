"""A table as files for other programs: as CSV with all digits, and as LaTeX as it is read."""

from __future__ import annotations

import pandas as pd

from hpt_ray.analysis.quantities import MARKS, Cell, cell_text
from hpt_ray.analysis.verdict import Table
from hpt_ray.report.claim_tables import PLAIN

#: How far LaTeX's own fonts go, beside the signs of claims.
SIGNS = {"≥": ">=", "≤": "<=", "\N{NO-BREAK SPACE}": " "} | {
    mark: f" ({outcome})" for outcome, mark in MARKS.items() if mark
}

#: What a number of a table has in a CSV file, with what its column there is called behind the name of the table's.
PARTS = {"estimate": "", "low": ", low", "high": ", high"}


def table_files(name: str, table: Table, caption: str) -> dict[str, str]:
    """A table's files by their names: ``NAME.csv``, ``NAME.tex`` (for booktabs) and its caption as ``NAME.txt``.

    Shares are from 0 to 1 in the CSV file, and differences are of shares, as in ``verdict.json``.
    """
    frame = pd.DataFrame(list(table.rows), columns=list(table.columns))
    for sign, plain in (PLAIN | SIGNS).items():
        frame = frame.map(lambda text, sign=sign, plain=plain: text.replace(sign, plain))
    latex = frame.to_latex(index=False, escape=True, caption=_escaped(caption), label=f"tab:{name}")
    return {f"{name}.csv": _csv(table), f"{name}.tex": latex, f"{name}.txt": caption + "\n"}


def _csv(table: Table) -> str:
    columns: dict[str, list[object]] = {}
    for number, heading in enumerate(table.columns):
        cells = [row[number] for row in table.cells]
        parts = [_numbers(cell) for cell in cells]
        if not any(parts):
            columns[heading] = ["" if cell is None else cell_text(cell) for cell in cells]
            continue
        for part, ending in PARTS.items():
            if any(part in each for each in parts):
                columns[heading + ending] = [each.get(part) for each in parts]
        if any("decision" in each for each in parts):
            columns[f"{heading}, decision"] = [each.get("decision") for each in parts]
    return pd.DataFrame(columns).to_csv(index=False)


def _numbers(cell: Cell) -> dict[str, object]:
    """The parts of a cell that are a number's; none of text."""
    return {} if cell is None or isinstance(cell, str) else cell.record


def _escaped(text: str) -> str:
    """A text for LaTeX, as pandas escapes cells."""
    return text.replace("%", "\\%").replace("&", "\\&").replace("_", "\\_").replace("#", "\\#")
