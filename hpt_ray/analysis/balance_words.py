"""What an arm gains on the target and loses on its base's own data, in words."""

from __future__ import annotations

from dataclasses import replace

from hpt_ray.analysis.claim import Claim, Outcome
from hpt_ray.analysis.claim_words import EXPLORATORY, lack
from hpt_ray.analysis.findings import Balance, Balances
from hpt_ray.analysis.measures.text_format import change_interval, listed, margin_text, spoken


def balances(finding: Balances) -> str:
    """What each arm gains and loses: "HPT gains 5.1 [3.0, 7.2] points on aerial and loses 3.0 [...] on objects"."""
    return f"{EXPLORATORY}: {listed([_balance(each, finding) for each in finding.balances])}"


def _balance(balance: Balance, finding: Balances) -> str:
    on_target, on_retained = _moved(balance.gain, finding.target), _moved(balance.kept, finding.retained)
    return f"{spoken(balance.gain.subject)} {on_target} and {on_retained}"


def _moved(claim: Claim, data: str) -> str:
    """By how much an arm is better or worse than the base on some data."""
    change = claim.difference
    if change is None:
        return f"cannot be compared with {spoken(claim.against)} on {data} ({claim.lacking})"
    if claim.outcome is Outcome.WORSE:
        lost = replace(change, estimate=-change.estimate, low=-change.high, high=-change.low)
        return f"loses {change_interval(lost, signed=False)} points on {data}"
    if claim.outcome is Outcome.BETTER:
        return f"gains {change_interval(change, signed=False)} points on {data}"
    if claim.outcome is Outcome.EQUIVALENT:
        return f"changes by less than {margin_text(claim.margin)} on {data} ({change_interval(change)})"
    return f"is not shown to change on {data} ({lack(claim)}: {change_interval(change)} points)"
