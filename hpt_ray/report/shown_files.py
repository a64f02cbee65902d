"""What a run's page shows, as files: its figures as pictures, its tables for other programs, each with its caption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hpt_ray.analysis.across import across_targets
from hpt_ray.analysis.by_class import by_class
from hpt_ray.analysis.cells import cells
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.views import one_factor
from hpt_ray.analysis.until_decided import until_decided
from hpt_ray.analysis.verdict import Table, Verdict
from hpt_ray.report.claim_tables import claims_csv, claims_latex
from hpt_ray.report.contents import distinct, slug
from hpt_ray.report.dashboard import Dashboard
from hpt_ray.report.pictures import pictures
from hpt_ray.report.sections import Shown, sections
from hpt_ray.report.table_files import table_files


@dataclass(frozen=True)
class NamedTable:
    """A table with the name of its files and its caption."""

    name: str
    table: Table
    caption: str


def figure_files(run: Run, dashboard: Dashboard) -> tuple[dict[str, bytes], list[str]]:
    """The figures that a page draws as ``NAME.svg`` and ``NAME.pdf``, with their captions as ``NAME.txt``.

    Returns: the files by their names, and the titles of what the page shows as HTML alone (views, maps).

    Raises:
        StudyError: as ``pictures``.
    """
    shown = _named(sections(run, dashboard))
    plots = {name: part.plot for name, part in shown.items() if part.plot is not None}
    captions = {f"{name}.txt": f"{shown[name].section.title}. {shown[name].caption}\n".encode() for name in plots}
    left_out = [part.section.title for part in shown.values() if part.html is not None]
    return (pictures(plots) if plots else {}) | captions, left_out


def table_files_of(run: Run, dashboard: Dashboard, verdicts: Sequence[Verdict]) -> dict[str, str]:
    """The tables of a page as ``NAME.csv`` and ``NAME.tex``, with their captions as ``NAME.txt``, and all claims."""
    files = {"claims.csv": claims_csv(verdicts), "claims.tex": claims_latex(verdicts)}
    for each in _tables(run, dashboard, verdicts):
        files |= table_files(each.name, each.table, each.caption)
    factors = [factor.name for factor in run.study.factors]
    every = cells(run)
    levels = every.pop("levels")
    for number, factor in enumerate(factors):
        every.insert(2 + number, factor, [of_cell[number] for of_cell in levels], allow_duplicates=True)
    return files | {"every-cell.csv": every.to_csv(index=False)}


def _tables(run: Run, dashboard: Dashboard, verdicts: Sequence[Verdict]) -> Iterator[NamedTable]:
    several, view = len(verdicts) > 1, one_factor(run)
    for verdict in verdicts:
        where = f"-{slug(verdict.target)}" if several else ""
        about = f"{verdict.about}. Brackets are 95 % intervals."
        yield NamedTable(f"arms-at-a-glance{where}", verdict.table, f"Arms at a glance. {about}")
        if (classes := by_class(view, verdict.target)) is not None:
            caption = f"Class by class on {verdict.target}: test {run.metric.label} of each class, means over seeds."
            yield NamedTable(f"class-by-class{where}", classes, caption)
    if (together := across_targets(view)) is not None:
        yield NamedTable("across-targets", together.table, together.sentence)
    if (looks := until_decided(run)) is not None:
        yield NamedTable("until-it-is-decided", looks.table, looks.sentence)
    for name, part in _named(sections(run, dashboard)).items():
        if part.table is not None:
            yield NamedTable(name, part.table, f"{part.section.title}. {part.caption}")


def _named(shown: Sequence[Shown]) -> dict[str, Shown]:
    """Sections with a caption, by names for files; of titles that are alike the later ones are numbered."""
    named: dict[str, Shown] = {}
    for part in shown:
        if part.caption:
            named[distinct(slug(part.section.title), named)] = part
    return named
