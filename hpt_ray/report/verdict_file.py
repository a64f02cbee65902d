"""What a run's verdicts say, as JSON for a script: ``verdict.json`` beside the report.

It has the sentences, numbers and decisions of the page: shares are from 0 to 1, and differences are of shares, where
the page writes per cent and points. What is not known is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from hpt_ray.analysis.across import AcrossTargets, across_targets
from hpt_ray.analysis.claim import Claim
from hpt_ray.analysis.claim_words import needed
from hpt_ray.analysis.judged import Judged
from hpt_ray.analysis.measures.choice import Choice
from hpt_ray.analysis.measures.failures import Failed
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.views import one_factor
from hpt_ray.analysis.quantities import Cell, cell_text, interval_record
from hpt_ray.analysis.scope import Scope, scope
from hpt_ray.analysis.sentence import scope_text
from hpt_ray.analysis.so_far import so_far
from hpt_ray.analysis.until_decided import UntilDecided, until_decided
from hpt_ray.analysis.verdict import Table, Verdict


def verdict_file(run: Run, verdicts: Sequence[Verdict], winners: Mapping[str, Choice | None] | None = None) -> bytes:
    """The file's content; of a run that was given up nothing is said of its targets.

    Args:
        winners: of each target, the weights to take.
    """
    given_up = run.manifest.given_up
    together = None if given_up else across_targets(one_factor(run))
    content = {
        "study": run.study.name,
        "plan": run.manifest.plan_id,
        "given_up": given_up,
        "so_far": so_far(run),
        "scope": _scope(scope(run.study)),
        "targets": [
            _verdict(verdict, (winners or {}).get(verdict.target)) for verdict in ([] if given_up else verdicts)
        ],
        "across_targets": _across(together) if together else None,
        "looks": _looks(until_decided(run)),
    }
    return json.dumps(content, indent=2, allow_nan=False).encode()


def judged_file(judged: Judged) -> bytes:
    """The same of a table that was judged, and how it was read."""
    table = judged.table
    content = {
        "table": table.file,
        "baseline": table.baseline,
        "reading": table.reading,
        "metric": table.metric,
        "higher_is_better": table.higher,
        "targets": [_verdict(verdict) for verdict in judged.verdicts],
        "across_targets": _across(judged.across) if judged.across else None,
    }
    return json.dumps(content, indent=2, allow_nan=False).encode()


def _looks(summary: UntilDecided | None) -> dict[str, Any] | None:
    """The looks of a run that grows until its claims are decided; null of one whose seeds were fixed."""
    if summary is None:
        return None
    return {"sentence": summary.sentence, "table": _table(summary.table)} | summary.looks.model_dump(mode="json")


def _scope(about: Scope) -> dict[str, Any]:
    """Over which seeds and bases claims are; ``bases`` is null where every arm starts from scratch."""
    shared = about.bases
    return {
        "text": scope_text(about),
        "seeds": about.seeds,
        "bases": shared.number if shared else None,
        "given_weights": shared.given if shared else False,
    }


def _verdict(verdict: Verdict, winner: Choice | None = None) -> dict[str, Any]:
    return {
        "target": verdict.target,
        "held": verdict.held,
        "headline": verdict.headline,
        "about": verdict.about,
        "statements": [
            {"text": each.text, "decision": each.outcome and str(each.outcome)} for each in verdict.statements
        ],
        "sentence": verdict.sentence,
        "claims": [_claim(claim) for claim in verdict.claims],
        "key_figures": [
            {"title": tile.title, "text": tile.value, "remark": tile.remark} | tile.number.record
            for tile in verdict.tiles
        ],
        "table": _table(verdict.table),
        "caveats": [{"kind": caveat.kind, "text": caveat.text} for caveat in verdict.caveats],
        "winner": winner.model_dump(mode="json") if winner else None,
    }


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "measure": claim.measure,
        "subject": claim.subject,
        "against": claim.against,
        "metric": claim.metric,
        "evaluation": claim.evaluation,
        "levels": dict(claim.levels),
        "against_levels": dict(claim.against_levels),
        "difference": None if claim.difference is None else interval_record(claim.difference),
        "lacking": claim.lacking,
        "failed": _failed(claim.failed),
        "decision": str(claim.outcome),
        "margin": claim.margin,
        "smallest_margin": claim.floor,
        "family": claim.family,
        "exploratory": claim.exploratory,
        "p_corrected": None if math.isnan(claim.p) else claim.p,
        "needed": needed(claim),
    }


def _failed(left_out: Failed | None) -> dict[str, Any] | None:
    """How many seeds a difference leaves out, and what it would be with what failed at chance."""
    if left_out is None:
        return None
    at_chance = None if left_out.at_chance is None else interval_record(left_out.at_chance)
    return {"seeds": left_out.number, "of": left_out.total, "difference_at_chance": at_chance}


def _table(table: Table) -> dict[str, Any]:
    return {"columns": list(table.columns), "rows": [[_cell(cell) for cell in row] for row in table.cells]}


def _cell(cell: Cell) -> dict[str, Any]:
    return {"text": cell_text(cell)} | ({} if cell is None or isinstance(cell, str) else cell.record)


def _across(together: AcrossTargets) -> dict[str, Any]:
    """The counts over targets; Holm's correction is for the targets of one comparison."""
    comparisons = []
    for comparison in together.comparisons:
        summary = comparison.summary
        differences = {target: interval_record(part) for target, part in comparison.differences.items()}
        record: dict[str, Any] = {
            "subject": comparison.subject,
            "against": comparison.against,
            "differences": differences,
        }
        if summary is not None:
            record |= {
                "better": summary.wins,
                "equivalent": summary.ties,
                "worse": summary.losses,
                "not enough evidence": summary.undecided,
                "p_corrected": summary.adjusted,
                "mean": interval_record(summary.mean),
            }
        comparisons.append(record | {"missing": comparison.missing})
    return {
        "sentence": together.sentence,
        "exploratory": True,
        "comparisons": comparisons,
        "table": _table(together.table),
    }
