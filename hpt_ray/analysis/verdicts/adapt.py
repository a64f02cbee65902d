"""Which way of going on from one base is best on the target: HPT against every other arm, with what each costs.

What the arms forget is said beside it, as on any page of a study that measures that.
"""

from __future__ import annotations

from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.claim import compare
from hpt_ray.analysis.findings import Comparisons
from hpt_ray.analysis.measures.effort import effort
from hpt_ray.analysis.measures.run import HPT, Run
from hpt_ray.analysis.measures.text_format import duration
from hpt_ray.analysis.quantities import Cell, change
from hpt_ray.analysis.settling import settle_each
from hpt_ray.analysis.verdict import Table, Verdict, claim_tiles, metric_cell, metric_tiles

#: Key figures of a page: the table has all of them.
TILES = 4


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target."""
    others = [arm for arm in run.arms if arm != HPT] if HPT in run.arms else []
    level = run.standard_level(HPT) if others else ""
    differences = {arm: compare(run, target, HPT, arm, level, at=run.standard_level(arm)) for arm in others}
    claims = settle_each(run, target, differences, "differences of HPT from the other arms")
    reached = metric_tiles(run, target, HPT, level, "on the target") if others else []
    return Verdict(
        target=target,
        findings=(Comparisons(tuple(claims.values())),) if claims else (),
        nothing="the study lacks HPT or what it is held against",
        claims=tuple(claims.values()),
        tiles=(*reached, *claim_tiles((claim, "") for claim in claims.values())[: TILES - len(reached)]),
        table=_table(run, target, {arm: change(claim.difference, claim.outcome) for arm, claim in claims.items()}),
        caveats=caveats(run, target, tuple(claims.values())),
    )


def _table(run: Run, target: str, leads: dict[str, Cell]) -> Table:
    """Per arm its metric, HPT's lead, and the time and the number of weights trained of its last phase."""
    rows = []
    for arm, label in run.arms.items():
        spent, reached = effort(run, target, arm), metric_cell(run, target, arm, run.standard_level(arm))
        time = duration(spent.seconds) if spent else None
        trained = f"{spent.trained:,}" if spent and spent.trained is not None else None
        rows.append((label, reached, leads.get(arm), time, trained))
    columns = ("Arm", run.metric.heading, "HPT minus it, points", "Time of its last phase", "Weights trained in it")
    return Table(columns, tuple(rows))
