"""Findings to the one sentence of a verdict, which the page, the terminal and ``verdict.json`` show alike."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from hpt_ray.analysis import amount_words, balance_words, place_words
from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.claim_words import marked, predicate, without, words
from hpt_ray.analysis.findings import (
    Balances,
    Comparisons,
    Gains,
    Kept,
    Map,
    NoSpeed,
    Question,
    Reached,
    Speed,
    UnderMethods,
)
from hpt_ray.analysis.measures.text_format import (
    change_interval,
    listed,
    margin_text,
    share_interval,
    spoken,
)
from hpt_ray.analysis.phrases import PHASE_ADDS
from hpt_ray.analysis.scope import Scope


def sentence(where: str, findings: Sequence[object], nothing: str) -> str:
    """The sentence of a verdict.

    Args:
        where: the target, at which levels of other factors it is looked at, and over which seeds and bases.
        nothing: why nothing was compared, for a verdict without findings.
    """
    return f"On {where}, {'; '.join(map(clause, findings)) or f'nothing was compared: {nothing}'}."


def scope_text(scope: Scope) -> str:
    """What claims are about: "over 3 seeds, each with a base of its own", "for this checkpoint over 5 seeds"."""
    over, shared = "for one seed" if scope.seeds == 1 else f"over {scope.seeds} seeds", scope.bases
    if shared is None:
        return over
    if shared.number == 1:
        name = "checkpoint" if shared.given else "base"
        this = f"for these {name}s" if shared.levels else f"for this {name}"
        return f"{this} and one seed" if scope.seeds == 1 else f"{this} {over}"
    if shared.number < scope.seeds:
        return f"{over} on {shared.number} bases"
    return f"{over}, each with {'bases' if shared.levels else 'a base'} of its own"


@singledispatch
def clause(finding: object) -> str:
    """A finding as a clause. A kind of finding that a verdict brings itself registers its words: ``clause.register``.

    Raises:
        TypeError: for a kind of finding without words.
    """
    raise TypeError(f"no words for a finding of the kind {type(finding).__name__}: see {__name__}.clause")


@clause.register
def _(finding: Comparisons) -> str:
    by_subject: dict[str, list[str]] = {}
    for claim in finding.claims:
        by_subject.setdefault(spoken(claim.subject), []).append(predicate(claim))
    parts = listed([f"{subject} is {listed(predicates)}" for subject, predicates in by_subject.items()])
    return marked(f"{finding.place} {parts}" if finding.place else parts, finding.claims)


@clause.register
def _(finding: Question) -> str:
    claim, phrases = finding.claim, finding.phrases
    template = phrases.unknown if claim.difference is None else phrases.outcomes[claim.outcome] + phrases.beside
    return marked(template.format(**words(claim), **finding.details), [claim])


@clause.register
def _(finding: Reached) -> str:
    return f"{finding.place} {finding.label} reaches {share_interval(finding.value)}"


@clause.register
def _(finding: Gains) -> str:
    parts = []
    for outcome in Outcome:
        phases = [
            f"the {gain.phase} phase ({change_interval(gain.claim.difference)} points over "
            f"{spoken(gain.claim.against)}{without(gain.claim)})"
            for gain in finding.gains
            if gain.claim.outcome is outcome and gain.claim.difference is not None
        ]
        if phases:
            template = PHASE_ADDS[outcome][len(phases) > 1]
            metric = finding.gains[0].claim.measure
            parts.append(
                template.format(phases=listed(phases), metric=metric, margin=margin_text(finding.gains[0].claim.margin))
            )
    empty = [gain for gain in finding.gains if gain.claim.difference is None]
    if empty:
        lost = listed([f"the {gain.phase} phase ({gain.claim.lacking})" for gain in empty])
        parts.append(f"nothing can be said of {lost}")
    return f"in {finding.gains[0].chain}, {'; '.join(parts)}"


clause.register(Speed, amount_words.speed)
clause.register(NoSpeed, amount_words.no_speed)
clause.register(Kept, amount_words.kept)
clause.register(Balances, balance_words.balances)
clause.register(Map, place_words.of_map)
clause.register(UnderMethods, place_words.under_methods)
