"""The headline of a verdict: what its statements say, in at most 15 words."""

from __future__ import annotations

from collections.abc import Sequence

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.claim_words import joined
from hpt_ray.analysis.measures.text_format import extent, listed, lowered, margin_text
from hpt_ray.analysis.statements import Statement

MOST_WORDS = 15


def headline(statements: Sequence[Statement]) -> str:
    """What is shown, and what is left open.

    As many of the decided statements as there is room for, with the place where a comparison is made if there is room
    for that; then what is undecided, by its name if it is one thing. Exploratory statements are left out.
    """
    statements = [each for each in statements if not each.exploratory] or statements
    topics = _topics([each for each in statements if each.outcome is Outcome.UNDECIDED])
    decided = [each for each in statements if each.outcome is not Outcome.UNDECIDED]
    phrases = {placed: _phrases(decided, placed=placed) for placed in (True, False)}
    if not phrases[False] and not topics:
        return "Nothing was decided"
    if not phrases[False]:
        others = f"{len(topics) - 1} other question{'s' * (len(topics) > 2)}"
        return _fitting(
            [f"Not enough evidence on {listed(topics)}", f"Not enough evidence on {topics[0]} and {others}"]
        )
    named = [f"{topics[0]} undecided"] if len(topics) == 1 else []
    tails = [*named, "the rest undecided"] if topics else [""]
    texts = [
        "; ".join(filter(None, [*phrases[placed][:number], tail]))
        for number in range(len(phrases[False]), 0, -1)
        for tail in tails
        for placed in (True, False)
    ]
    return _fitting([*texts, phrases[False][0]])


def _topics(undecided: Sequence[Statement]) -> list[str]:
    """What is undecided, comparisons of one arm together: "HPT against from scratch and direct transfer"."""
    others: dict[str, list[str]] = {}
    for each in undecided:
        if each.comparison:
            others.setdefault(each.comparison.subject, []).append(lowered(each.comparison.against))
    together = {arm: f"{arm} against {listed(list(dict.fromkeys(against)))}" for arm, against in others.items()}
    named = (together[each.comparison.subject] if each.comparison else each.topic for each in undecided)
    return list(dict.fromkeys(filter(None, named)))


def _phrases(decided: Sequence[Statement], *, placed: bool) -> list[str]:
    """What is decided, comparisons of one arm that come out alike together; ``placed``: with the place of one alone."""
    together: dict[tuple[object, ...], list[Statement]] = {}
    for place, each in enumerate(decided):
        claim = each.comparison
        together.setdefault((claim.subject, claim.outcome) if claim else (place,), []).append(each)
    phrases = (_comparison(each, placed=placed) if each[0].comparison else each[0].brief for each in together.values())
    return [phrase for phrase in phrases if phrase]


def _comparison(alike: Sequence[Statement], *, placed: bool) -> str:
    """Comparisons of one arm with one outcome: "HPT is 3 to 7 points better than from scratch after 90 iterations"."""
    claims = [each.comparison for each in alike if each.comparison]
    first, others = claims[0], list(dict.fromkeys(lowered(claim.against) for claim in claims))
    if first.outcome is Outcome.EQUIVALENT:
        return f"{first.subject} equals {listed(others)} within {margin_text(first.margin, first.unit)}"
    word, joint = joined(first.outcome, first.margin)
    size = f"{extent(first.difference, first.unit)} " if len(claims) == 1 and first.difference else ""
    place = f" {alike[0].place}" if placed and len(claims) == 1 and alike[0].place else ""
    return f"{first.subject} is {size}{word} {joint} {listed(others)}{place}"


def _fitting(texts: Sequence[str]) -> str:
    """The first text that is short enough, else the last."""
    text = next((text for text in texts if len(text.split()) <= MOST_WORDS), texts[-1])
    return f"{text[0].upper()}{text[1:]}"
