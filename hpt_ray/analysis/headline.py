"""The headline of a verdict: what its statements say, in at most 15 words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.claim_words import EXPLORATORY, joined
from hpt_ray.analysis.measures.text_format import extent, listed, lowered, margin_text
from hpt_ray.analysis.statements import Statement

MOST_WORDS = 15

#: The arms of a comparison, by their labels.
Pair = tuple[str, str]

#: Pairs that do not compare alike at every place: by outcome, at which places.
Differing = Mapping[Pair, Mapping[Outcome | None, list[str]]]

REVERSE: dict[Outcome | None, Outcome] = {Outcome.BETTER: Outcome.WORSE, Outcome.WORSE: Outcome.BETTER}


@dataclass(frozen=True)
class Detail:
    """What is said of a comparison beside its outcome."""

    place: bool = False
    size: bool = False


PLAIN = Detail()
DETAILS = (Detail(place=True, size=True), Detail(size=True), PLAIN)


def headline(statements: Sequence[Statement]) -> str:
    """What is shown, and what is left open.

    As many of the decided statements as there is room for, with the place and the size of a single comparison if there
    is room for them; then what is undecided, by its name if it is one thing. Exploratory statements are left out where
    anything else is decided, and called so where they are not. A comparison that comes out differently elsewhere is
    always said with its place.
    """
    confirming = [each for each in statements if not each.exploratory]
    beside, statements = (statements, confirming) if confirming else ((), statements)
    undecided = [each for each in statements if each.outcome is Outcome.UNDECIDED]
    decided = [each for each in statements if each.outcome is not Outcome.UNDECIDED]
    differing, topics = _differing(statements), _topics(undecided)
    phrases = {detail: _phrases(decided, differing, detail) for detail in DETAILS}
    most = len(phrases[PLAIN])
    if not most and not topics:
        return "Nothing was decided"
    if not most:
        others = f"{len(topics) - 1} other question{'s' * (len(topics) > 2)}"
        return _fitting(
            [
                *_exploratory(beside, topics),
                f"Not enough evidence on {listed(topics)}",
                f"Not enough evidence on {topics[0]} and {others}",
            ]
        )
    named = len(topics) == 1 and not any(_pair(each) in differing for each in undecided)
    silent = any(not each.comparison and not each.brief for each in decided if each.outcome)
    texts = [
        "; ".join(filter(None, [*phrases[detail][:number], tail]))
        for number in range(most, 0, -1)
        for tail in _tails(topics, named=named, all_said=number == most and not silent)
        for detail in DETAILS
    ]
    return _fitting([*texts, phrases[PLAIN][0]])


def _exploratory(statements: Sequence[Statement], topics: Sequence[str]) -> list[str]:
    """What to say where only exploratory statements are decided, the best first; nothing where none is."""
    exploratory = [each for each in statements if each.exploratory]
    decided = [each for each in exploratory if each.outcome is not Outcome.UNDECIDED]
    differing = _differing(exploratory)
    phrases = {detail: _phrases(decided, differing, detail) for detail in DETAILS}
    return [
        f"{listed([*topics])} undecided; {EXPLORATORY}: {'; '.join(phrases[detail][:number])}"
        for number in range(len(phrases[PLAIN]), 0, -1)
        for detail in DETAILS
    ]


def _tails(topics: Sequence[str], *, named: bool, all_said: bool) -> list[str]:
    """What to say of what is undecided, the best first; ``all_said``: whether all that is decided is said before."""
    if not topics:
        return [""]
    rest = "the rest undecided" if all_said else "some questions undecided"
    return [f"{topics[0]} undecided", rest] if named else [rest]


def _pair(statement: Statement) -> Pair | None:
    claim = statement.comparison
    return (claim.subject, claim.against) if claim else None


def _differing(statements: Sequence[Statement]) -> Differing:
    """The pairs of arms whose comparison does not come out alike at every place: at which places it comes out how."""
    places: dict[Pair, dict[Outcome | None, list[str]]] = {}
    for each in statements:
        if pair := _pair(each):
            places.setdefault(pair, {}).setdefault(each.outcome, []).append(each.place)
    return {pair: by_outcome for pair, by_outcome in places.items() if len(by_outcome) > 1}


def _topics(undecided: Sequence[Statement]) -> list[str]:
    """What is undecided, comparisons of one arm together: "HPT against from scratch and direct transfer"."""
    others: dict[str, list[str]] = {}
    for each in undecided:
        if each.comparison:
            others.setdefault(each.comparison.subject, []).append(lowered(each.comparison.against))
    together = {arm: f"{arm} against {listed(list(dict.fromkeys(against)))}" for arm, against in others.items()}
    named = (together[each.comparison.subject] if each.comparison else each.topic for each in undecided)
    return list(dict.fromkeys(filter(None, named)))


def _phrases(decided: Sequence[Statement], differing: Differing, detail: Detail) -> list[str]:
    """What is decided, comparisons of one arm that come out alike together."""
    together: dict[tuple[object, ...], list[Statement]] = {}
    for number, each in enumerate(decided):
        pair = _pair(each)
        if pair is None:
            together[(number,)] = [each]
        elif not _is_reverse(each, differing):
            place = each.place if pair in differing else None
            together.setdefault((pair[0], each.outcome, place, *_reverse_places(each, differing)), []).append(each)
    phrases = [_phrase(alike, differing, detail) for alike in together.values()]
    return [phrase for phrase in phrases if phrase]


def _phrase(alike: Sequence[Statement], differing: Differing, detail: Detail) -> str:
    """Statements that come out alike, and where they come out the other way: ", worse with all 1,400 labels"."""
    first = alike[0]
    if not first.comparison:
        return first.brief
    single = len(alike) == 1
    placed = _pair(first) in differing or (single and detail.place)
    text = _comparison(alike, Detail(placed, single and detail.size))
    places = _reverse_places(first, differing)
    if not places:
        return text
    word, _ = joined(REVERSE[first.outcome], first.comparison.margin)
    return f"{text}, {word} {places[0] if detail.place and len(places) == 1 else 'elsewhere'}"


def _reverse_places(statement: Statement, differing: Differing) -> list[str]:
    """Where the two arms of a statement compare the other way round."""
    reverse, pair = REVERSE.get(statement.outcome), _pair(statement)
    return differing.get(pair, {}).get(reverse, []) if pair and reverse else []


def _is_reverse(statement: Statement, differing: Differing) -> bool:
    """Whether a statement is said with the first one of its arms, which it turns round."""
    pair = _pair(statement)
    first = next((outcome for outcome in differing.get(pair, {}) if outcome in REVERSE), None) if pair else None
    return first is not None and statement.outcome is REVERSE[first]


def _comparison(alike: Sequence[Statement], detail: Detail) -> str:
    """Comparisons of one arm with one outcome: "HPT is 3 to 7 points better than from scratch after 90 iterations"."""
    claims = [each.comparison for each in alike if each.comparison]
    first, others = claims[0], listed(list(dict.fromkeys(lowered(claim.against) for claim in claims)))
    place = f" {alike[0].place}" if detail.place and alike[0].place else ""
    if first.outcome is Outcome.EQUIVALENT:
        return f"{first.subject} equals {others} within {margin_text(first.margin, first.unit)}{place}"
    word, joint = joined(first.outcome, first.margin)
    size = f"{extent(first.difference, first.unit)} " if detail.size and first.difference else ""
    return f"{first.subject} is {size}{word} {joint} {others}{place}"


def _fitting(texts: Sequence[str]) -> str:
    """The first text that is short enough, else the last."""
    text = next((text for text in texts if len(text.split()) <= MOST_WORDS), texts[-1])
    return f"{text[0].upper()}{text[1:]}"
