"""Claims as tables for other programs: one row for each, as CSV with all digits or as LaTeX as it is read."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from hpt_ray.analysis.across import p_value
from hpt_ray.analysis.claim import Claim
from hpt_ray.analysis.measures.text_format import MINUS, change_interval
from hpt_ray.analysis.verdict import Verdict

#: How far LaTeX's own fonts go.
PLAIN = {MINUS: "-", "–": "--"}


def claims_csv(verdicts: Sequence[Verdict]) -> str:
    """Every claim of verdicts as CSV: differences as they are in ``verdict.json``, of shares and not in points."""
    return pd.DataFrame([_row(verdict, claim) for verdict in verdicts for claim in verdict.claims]).to_csv(index=False)


def claims_latex(verdicts: Sequence[Verdict]) -> str:
    """Every claim of verdicts as a table in LaTeX, which needs the package booktabs."""
    rows = [_written(verdict, claim) for verdict in verdicts for claim in verdict.claims]
    if len(verdicts) == 1:
        rows = [{name: cell for name, cell in row.items() if name != "Target"} for row in rows]
    return pd.DataFrame(rows).to_latex(index=False, escape=True)


def _row(verdict: Verdict, claim: Claim) -> dict[str, object]:
    interval = claim.difference
    return {
        "target": verdict.target,
        "measure": claim.measure,
        "subject": claim.subject,
        "against": claim.against,
        "difference": interval and interval.estimate,
        "low": interval and interval.low,
        "high": interval and interval.high,
        "seeds": interval and interval.seeds,
        "p_corrected": None if interval is None else claim.p,
        "decision": str(claim.outcome),
        "margin": claim.margin,
        "family": claim.family,
    }


def _written(verdict: Verdict, claim: Claim) -> dict[str, str]:
    interval = claim.difference
    heading = ", ".join(filter(None, ["Difference", claim.unit.of_change.strip()]))
    change = change_interval(interval, unit=claim.unit) if interval else "–"
    for character, plain in PLAIN.items():
        change = change.replace(character, plain)
    return {
        "Target": verdict.target,
        "Measure": claim.measure,
        "Arm": claim.subject,
        "Against": claim.against,
        heading: change,
        "p": p_value(claim.p) if interval else "",
        "Decision": str(claim.outcome),
    }
