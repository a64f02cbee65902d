"""A claim in words: the predicate of a sentence, and the note on what would settle it."""

from __future__ import annotations

from collections.abc import Collection

from hpt_ray.analysis.claim import Claim, Outcome
from hpt_ray.analysis.measures.text_format import change_interval, lowered, margin_text, spoken
from hpt_ray.analysis.need import Need
from hpt_ray.analysis.stats.bootstrap import LEVEL
from hpt_ray.analysis.stats.exact import Enough
from hpt_ray.analysis.stats.power import Needed

#: What is said of claims beside those that answer the study's question.
EXPLORATORY = "exploratory"

#: Each outcome as a predicate, and the word that joins it to the other side.
_PREDICATES = {
    Outcome.BETTER: ("better", "than"),
    Outcome.WORSE: ("worse", "than"),
    Outcome.EQUIVALENT: ("equivalent within {margin}", "to"),
    Outcome.UNDECIDED: ("not shown to differ", "from"),
}


def joined(outcome: Outcome, margin: float) -> tuple[str, str]:
    """An outcome as a predicate, and the word that joins it to the other side: "better", "than"."""
    word, joint = _PREDICATES[outcome]
    return word.format(margin=margin_text(margin)), joint


def exploratory(claims: Collection[Claim]) -> bool:
    """Whether there are claims and none of them answers the study's question."""
    return bool(claims) and all(claim.exploratory for claim in claims)


def marked(clause: str, claims: Collection[Claim]) -> str:
    """A clause on some claims, which says first that they are exploratory, where they are."""
    return f"{EXPLORATORY}: {clause}" if exploratory(claims) else clause


def headed(title: str, claims: Collection[Claim]) -> str:
    """A title or a name of some claims, which says that they are exploratory, where they are."""
    return f"{title} ({EXPLORATORY})" if exploratory(claims) else title


def predicate(claim: Claim) -> str:
    """A claim as a predicate: "better than direct transfer (+5.3 [+3.1, +7.4] points)"."""
    name = spoken(claim.against)
    if claim.difference is None:
        return f"not comparable with {name} ({claim.lacking})"
    numbers = f"{change_interval(claim.difference, unit=claim.unit)}{claim.unit.of_change}{without(claim)}"
    return {
        Outcome.BETTER: f"better than {name} ({numbers})",
        Outcome.WORSE: f"worse than {name} ({numbers})",
        Outcome.EQUIVALENT: f"equivalent to {name} within {margin_text(claim.margin, claim.unit)} ({numbers})",
        Outcome.UNDECIDED: f"not shown to differ from {name} ({lack(claim)}: {numbers})",
    }[claim.outcome]


def lack(claim: Claim) -> str:
    """What there is not; and that it is the correction, where the interval alone would have claimed a difference."""
    alone = claim.difference is not None and (claim.difference.low > 0 or claim.difference.high < 0)
    corrected = alone and claim.p >= 1 - LEVEL
    return "not enough evidence after Holm's correction" if corrected else "not enough evidence"


def without(claim: Claim) -> str:
    """Which seeds a difference is over, where they are not all, and what it would be with those that failed at chance.

    It is to be appended to the difference.
    """
    over = f"; over the first {claim.closed_at} seeds" if claim.closed_at else ""
    if claim.failed is None:
        return over
    one = claim.failed.number == 1
    again, once = f"failed again and {'is' if one else 'are'} left out", f"{'has' if one else 'have'} no result"
    left_out = f"{over}; {claim.failed.number} of {claim.failed.total} seeds {again if claim.failed.lost else once}"
    if claim.failed.at_chance is None:
        return left_out
    return f"{left_out}, {change_interval(claim.failed.at_chance)} with what failed at chance"


def words(claim: Claim) -> dict[str, str]:
    """What a template may say of a claim: the names are those of ``findings.Phrases``."""
    return {
        "subject": spoken(claim.subject),
        "against": spoken(claim.against),
        "difference": "" if claim.difference is None else change_interval(claim.difference, unit=claim.unit),
        "without": without(claim),
        "lacking": claim.lacking,
        "lack": lack(claim),
        "margin": margin_text(claim.margin, claim.unit),
    }


def needed(claim: Claim) -> str:
    """What would probably settle a claim, as a sentence; "" where it is settled or nothing is known."""
    if claim.needed is None:
        return ""
    text = _needed(claim, claim.needed)
    return f"{claim.place}: {text[0].lower()}{text[1:]}" if claim.place else text


def _needed(claim: Claim, need: Need) -> str:
    if need.images is not None:
        sides = need.what or f"{claim.subject} and {spoken(claim.against)}"
        return _images(sides, need.images, margin_text(claim.margin, claim.unit))
    assert need.seeds is not None  # a need is of images or of seeds
    if need.equivalence:
        less = f"differ by less than {margin_text(claim.margin, claim.unit)}, if they do not differ at all"
        aim = f"To show that {claim.subject} and {spoken(claim.against)} {less}"
    else:
        aim = f"To tell {lowered(claim.subject)} from {spoken(claim.against)}, if they differ by as much as seen"
    return f"{aim}: {_seeds(need.seeds, corrected=not need.equivalence)}."


def _images(what: str, enough: Enough, margin: str) -> str:
    plural = "s" * (enough.images > 1)
    counted, such = (f"group{plural} of test images", "groups") if enough.grouped else (f"test image{plural}", "images")
    of = f"Of {enough.images:,} {counted} {what} differ on {enough.differ or 'none'}"
    if enough.differ:
        return f"{of}, too few to tell: at least {enough.needed:,} are needed, if as large a share of them differs."
    return f"{of}: {enough.needed:,} such {such} would show that there is no difference of {margin}."


def _seeds(needed: Needed, corrected: bool) -> str:
    """How many seeds; ``corrected``: whether Holm's correction is for such a claim (equivalence needs none)."""
    if not needed.seeds:
        return needed.reason
    most = "or more" if needed.most is None else f"to {needed.most:,}"
    number = f"{needed.least:,} {most}" if needed.least != needed.most else f"about {needed.least:,}"
    holm = ", Holm's correction included" if corrected else ""
    sure = f"{100 * needed.power:.0f} % power{holm}; the 10 to 90 % range of the estimate"
    return f"{number} seeds would be needed ({sure})"
