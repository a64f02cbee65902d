"""What each arm gains on the target, and what it loses on the data that its base was pretrained on.

A study that has an evaluation on other data (``--set retain=``) compares every arm with the base as it is, on the
target and on that data, at the same seeds. The two intervals of an arm hold together at 95 %: each may err in half as
many cases (Bonferroni). Weights are chosen on the target, and all of this is exploratory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hpt_ray.analysis.claim import Claim, compare, judge
from hpt_ray.analysis.claim_words import EXPLORATORY
from hpt_ray.analysis.findings import Balance, Balances
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import lowered
from hpt_ray.analysis.settling import settle
from hpt_ray.analysis.stats.bootstrap import LEVEL
from hpt_ray.analysis.verdict import Caveat, Verdict
from hpt_ray.spec.arm import Arm

#: How often each of the two intervals of an arm may err.
RATE = (1 - LEVEL) / 2


@dataclass(frozen=True)
class Forgetting:
    """All arms of a study on one target against ``base``, the arm that is the network as it was.

    ``evaluation``: that on the data set ``retained``.
    """

    target: str
    retained: str
    evaluation: str
    base: str
    balances: tuple[Balance, ...]


def _jointly(claim: Claim) -> Claim:
    """One of an arm's two claims with the interval that holds together with the other's, and judged by it."""
    if claim.difference is None:
        return claim
    difference = claim.difference.at(RATE)
    decided = claim.outcome if claim.recorded else judge(difference, claim.margin, claim.p)
    return replace(claim, difference=difference, outcome=decided)


def forgetting(run: Run, target: str) -> Forgetting | None:
    """What every arm gains and loses against the base as it is; None of a study that does not measure it."""
    evaluation, base = run.study.retained, run.study.start
    if evaluation is None or base is None or evaluation.data is None:
        return None
    retained, against = run.manifest.datasets[evaluation.data].name, base.chain
    arms = [arm for arm in run.arms if arm != against]
    claims = [
        compare(run, target, arm, against, run.standard_level(arm), at=run.standard_level(against), evaluation=name)
        for name in (run.evaluation, evaluation.name)
        for arm in arms
    ]
    family = f"gains on the target, and losses on {retained}"
    judged = [_jointly(claim) for claim in settle(run, target, claims, family, exploratory=True)]
    pairs = zip(arms, judged[: len(arms)], judged[len(arms) :], strict=True)
    return Forgetting(
        target, retained, evaluation.name, against, tuple(Balance(arm, gain, kept) for arm, gain, kept in pairs)
    )


def with_forgetting(run: Run, verdict: Verdict) -> Verdict:
    """A verdict that also says what each arm that starts from the base gains and loses, where that is measured."""
    measured = forgetting(run, verdict.target)
    if measured is None:
        return verdict
    shown = tuple(each for each in measured.balances if Arm.parse(each.arm).phases[0].role == measured.base)
    claims = tuple(claim for each in measured.balances for claim in (each.gain, each.kept))
    note = (
        f"Exploratory: what arms gain on the target and lose on {measured.retained}, against "
        f"{lowered(run.arms[measured.base])}; the two intervals of an arm hold together at 95 %, and weights are "
        "chosen on the target alone."
    )
    return replace(
        verdict,
        findings=(*verdict.findings, *([Balances(verdict.target, measured.retained, shown)] if shown else [])),
        claims=verdict.claims + claims,
        caveats=(*verdict.caveats, Caveat(EXPLORATORY, note)),
    )
