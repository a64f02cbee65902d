"""Is what pretrains on the target better than the bases as they are, and than pretraining from scratch?

Every arm that pretrains on the target is held against the base that it starts from, against the base that was the best
as it is on val, and against from scratch, as far as the study has them; of an advice, every finalist.
"""

from __future__ import annotations

from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.claim import Claim, compare
from hpt_ray.analysis.findings import Comparisons
from hpt_ray.analysis.measures.run import SCRATCH, Run
from hpt_ray.analysis.quantities import change
from hpt_ray.analysis.settling import settle_each
from hpt_ray.analysis.verdict import Table, Verdict, claim_tiles, metric_cell

#: Key figures of a page: of more claims the table has the numbers.
TILES = 6


def compared(run: Run, target: str) -> dict[tuple[str, str], Claim]:
    """The claims on a target by their arms: those against the base that matters, and those against what else there is.

    They are two families, so that the first, which a recommendation follows from, need not pay for the second.
    """
    screening = run.manifest.screening
    own_bases = {arm.chain: arm.phases[0].role for arm in run.study.arms}
    training = [chain for chain, role in own_bases.items() if chain != role or chain == SCRATCH]
    first, others = dict[tuple[str, str], Claim](), dict[tuple[str, str], Claim]()
    for chain in screening.finalists if screening else training:
        base = screening.base if screening else own_bases[chain]
        for other in dict.fromkeys([base, own_bases[chain], SCRATCH]):
            if other in run.arms and other != chain:
                family = first if other == base else others
                family[chain, other] = compare(run, target, chain, other, "")
    return {
        **settle_each(run, target, first, "candidates against a base as it is"),
        **settle_each(run, target, others, "candidates against what else there is", exploratory=bool(first)),
    }


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target, on all pairs of arms."""
    settled = compared(run, target)
    claims = tuple(settled.values())
    against = list(dict.fromkeys(other for _, other in settled))
    rows = [
        (
            run.arms[chain],
            metric_cell(run, target, chain, ""),
            *(change(settled[chain, other].difference) if (chain, other) in settled else None for other in against),
        )
        for chain in run.arms
    ]
    return Verdict(
        target=target,
        findings=(Comparisons(claims),) if claims else (),
        nothing="no arm pretrains on the target beside another one",
        claims=claims,
        tiles=tuple(claim_tiles((claim, "") for claim in claims[:TILES])),
        table=Table(("Arm", run.metric.heading, *(f"Minus {run.arms[other]}" for other in against)), tuple(rows)),
        caveats=caveats(run, target, claims),
    )
