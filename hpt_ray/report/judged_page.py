"""A judged table as one page, as self-contained as the report of a run."""

from __future__ import annotations

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.judged import Judged
from hpt_ray.analysis.measures.run import HPT
from hpt_ray.analysis.measures.text_format import margin_text
from hpt_ray.core.paths import path_of
from hpt_ray.report.dashboard import Section
from hpt_ray.report.figure import STYLES
from hpt_ray.report.forest import Line, Plot, forest
from hpt_ray.report.render import page
from hpt_ray.report.sections import Shown, drawn_section

CAPTION = (
    "Difference of each arm from {baseline} with its 95 % interval{unit}; right of zero is better. Filled symbols: "
    "better, worse or equivalent after Holm's correction; open: not enough evidence."
)
PROSE = """
    An interval that crosses zero is no evidence of a difference, and no evidence that there is none: of that only an
    interval within the margin on both sides of zero is evidence.
"""


def judged_page(judged: Judged) -> str:
    """The page of a judged table, as HTML text."""
    table = judged.table
    across = judged.across
    return page(
        "judged.html.j2",
        [_differences(judged)],
        name=path_of(table.file).name,
        title=f"{table.metric[0].upper()}{table.metric[1:]} against {table.baseline}",
        table_read=table,
        verdicts=judged.verdicts,
        across=across,
        margin=margin_text(table.margin, table.unit) if table.margin else "",
    )


def _differences(judged: Judged) -> Shown:
    """Every arm minus the baseline, a panel for each target, and their mean over targets below."""
    table, style = judged.table, STYLES[HPT]
    plots = []
    for verdict in judged.verdicts:
        lines = tuple(
            Line(claim.subject, claim.difference, style, claim.outcome is not Outcome.UNDECIDED)
            for claim in verdict.claims
            if claim.difference is not None and claim.measure == table.metric
        )
        plots.append(Plot(verdict.target if judged.across else f"Minus {table.baseline}", lines))
    means = tuple(
        Line(each.subject, each.summary.mean, style, each.summary.mean.low > 0 or each.summary.mean.high < 0)
        for each in (judged.across.comparisons if judged.across else ())
        if each.summary is not None
    )
    unit = table.unit.of_change.strip()
    drawn = forest([*plots, Plot("Mean over targets", means)], unit=unit, written=table.unit)
    section = Section(title=f"Differences from {table.baseline}", prose=PROSE)
    return drawn_section(section, drawn, CAPTION.format(baseline=table.baseline, unit=f", in {unit}" if unit else ""))
