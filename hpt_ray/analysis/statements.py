"""Findings as single statements, in the order in which they matter: shown, equivalent, plain numbers, undecided.

The words of a statement are those of its clause in the verdict's sentence; ``headline.py`` shortens it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

from hpt_ray.analysis.amount_words import KEPT_TEXT
from hpt_ray.analysis.claim import Claim, Outcome
from hpt_ray.analysis.claim_words import exploratory, joined, words
from hpt_ray.analysis.findings import (
    Balances,
    Comparisons,
    Gains,
    Kept,
    Map,
    NoSpeed,
    Question,
    Speed,
    UnderMethods,
)
from hpt_ray.analysis.measures.text_format import extent, lowered, margin_text
from hpt_ray.analysis.phrases import FASTER
from hpt_ray.analysis.quantities import Part
from hpt_ray.analysis.sentence import clause

#: Better and worse are both shown; what has no outcome is a number that nothing is held against.
_ORDER = {Outcome.BETTER: 0, Outcome.WORSE: 0, Outcome.EQUIVALENT: 1, None: 2, Outcome.UNDECIDED: 3}


@dataclass(frozen=True)
class Statement:
    """One thing that a verdict says.

    Attributes:
        text: a sentence with its numbers.
        outcome: the decision; of several the first that ``Outcome`` lists. exploratory: whether all of them are.
        brief: what a headline says of it where it is decided; "" where a headline leaves it out.
        topic: what it leaves open where it is not, such as "robustness"; "" likewise, and of a comparison.
        comparison: the claim of two arms on the metric, which a headline may say together with others. place: where
            that is, such as "after 90 iterations".
    """

    text: str
    outcome: Outcome | None = None
    brief: str = ""
    topic: str = ""
    comparison: Claim | None = None
    place: str = ""
    exploratory: bool = False


def statements(findings: Sequence[object]) -> tuple[Statement, ...]:
    """The statements of a verdict's findings: those shown first, and of these the exploratory ones last."""
    every = [statement for finding in findings for statement in stated(finding)]
    return tuple(sorted(every, key=lambda statement: (_ORDER[statement.outcome], statement.exploratory)))


@singledispatch
def stated(finding: object) -> list[Statement]:
    """A finding as statements: whole, if nothing better is registered for its kind."""
    return [Statement(_sentence(finding))]


@stated.register
def _(finding: Comparisons) -> list[Statement]:
    place = finding.place.rstrip(",")
    return [
        Statement(
            _sentence(Comparisons((claim,), finding.place)),
            claim.outcome,
            comparison=claim,
            place=place,
            exploratory=claim.exploratory,
        )
        for claim in finding.claims
    ]


@stated.register
def _(finding: Question) -> list[Statement]:
    claim, topic = finding.claim, finding.phrases.topic
    names = words(claim) | {"against": lowered(claim.against)}
    brief = finding.phrases.outcomes[claim.outcome].format(**names, **finding.details) if topic else ""
    return [Statement(_sentence(finding), claim.outcome, brief, topic, exploratory=claim.exploratory)]


@stated.register
def _(finding: Speed) -> list[Statement]:
    names = words(finding.claim) | {"against": lowered(finding.claim.against)}
    return [
        Statement(_sentence(finding), finding.claim.outcome, FASTER[finding.claim.outcome].format(**names), "speed")
    ]


@stated.register
def _(finding: NoSpeed) -> list[Statement]:
    return [Statement(_sentence(finding), Outcome.UNDECIDED, topic="speed")]


@stated.register
def _(finding: Kept) -> list[Statement]:
    fractions = {label: kept.fraction for label, kept in finding.by_arm.items() if kept}
    fewer = {label: fraction for label, fraction in fractions.items() if fraction and fraction < finding.most}
    briefs = [
        f"{lowered(label)} keeps {KEPT_TEXT} of its gain with {Part(fraction, '').value} of images"
        for label, fraction in fewer.items()
    ]
    return [Statement(_sentence(finding), brief=briefs[0] if briefs else "")]


@stated.register
def _(finding: Gains) -> list[Statement]:
    parts = []
    for gain in finding.gains:
        phase, claim = f"the {gain.phase} phase", gain.claim
        briefs = {Outcome.EQUIVALENT: f"{phase} adds less than {margin_text(claim.margin)}"}
        if claim.difference is not None:
            size = extent(claim.difference)
            briefs |= {Outcome.BETTER: f"{phase} adds {size}", Outcome.WORSE: f"{phase} takes {size}"}
        parts.append(Statement(_sentence(Gains((gain,))), claim.outcome, briefs.get(claim.outcome, ""), phase))
    return parts


@stated.register
def _(finding: Balances) -> list[Statement]:
    return [
        Statement(_sentence(replace(finding, balances=(each,))), each.kept.outcome, exploratory=True)
        for each in finding.balances
    ]


@stated.register
def _(finding: Map) -> list[Statement]:
    return _everywhere(finding, finding.cells, "in", "cells")


@stated.register
def _(finding: UnderMethods) -> list[Statement]:
    return _everywhere(finding, finding.under, "under", "methods")


def _everywhere(finding: Map | UnderMethods, claims: Mapping[Any, Claim], at: str, places: str) -> list[Statement]:
    """One comparison in several places, as one statement: where it is decided, in how many of them."""
    first = next(iter(claims.values()))
    counts = Counter(claim.outcome for claim in claims.values() if claim.difference is not None)
    outcome = next((outcome for outcome in Outcome if counts[outcome]), Outcome.UNDECIDED)
    word, joint = joined(outcome, first.margin)
    where = f"{at} {counts[outcome]} of {len(claims)} {places}"
    brief = f"{first.subject} is {word} {joint} {lowered(first.against)} {where}"
    if outcome is Outcome.BETTER and counts[Outcome.WORSE]:
        brief += f", worse {at} {counts[Outcome.WORSE]}"
    topic = f"{first.subject} against {lowered(first.against)}"
    return [Statement(_sentence(finding), outcome, brief, topic, exploratory=exploratory(claims.values()))]


def _sentence(finding: object) -> str:
    text = clause(finding)
    return f"{text[0].upper()}{text[1:]}."
