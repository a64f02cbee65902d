"""The parts of a verdict's sentence, as data: each is a clause for which ``sentence.py`` has the words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hpt_ray.analysis.claim import Claim, Outcome
from hpt_ray.analysis.measures.retention import Retention
from hpt_ray.analysis.measures.spending import Ahead
from hpt_ray.analysis.quantities import Quantity
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.spec.study import Factor


@dataclass(frozen=True)
class Comparisons:
    """Claims on the metric that are made in the same ``place``, such as "after 90 iterations"."""

    claims: tuple[Claim, ...]
    place: str = ""


@dataclass(frozen=True)
class Phrases:
    """The words for a claim of which "better" would say too little.

    They are templates in which ``{subject}``, ``{against}``, ``{margin}``, ``{lacking}``, ``{difference}`` and
    ``{without}`` are those of the claim, ``{lack}`` is "not enough evidence", and other names the details of the
    question: ``{name.value}`` is the number of a quantity, ``{name.text}`` that with its interval.

    Attributes:
        outcomes: what is said of each outcome. beside: the numbers, behind any of them.
        unknown: what is said where there is no difference.
        topic: what it is about, in a headline; "" where a headline leaves it out.
    """

    outcomes: Mapping[Outcome, str]
    beside: str
    unknown: str
    topic: str = ""


@dataclass(frozen=True)
class Question:
    """One claim with words of its own."""

    claim: Claim
    phrases: Phrases
    details: Mapping[str, str | Quantity] = field(default_factory=dict)


@dataclass(frozen=True)
class Reached:
    """A value of an arm that nothing is held against."""

    label: str
    place: str
    value: Interval


@dataclass(frozen=True)
class Gain:
    """What ``phase`` adds to the arm ``without`` it, which makes it the arm ``chain``."""

    phase: str
    chain: str
    without: str
    claim: Claim


@dataclass(frozen=True)
class Gains:
    """What each phase adds to one arm."""

    gains: tuple[Gain, ...]


@dataclass(frozen=True)
class UnderMethods:
    """HPT against one other arm: the claim under each method, and the change between each two methods.

    ``other`` is the other arm's chain. ``changes`` hold the difference under the first method of a pair minus that
    under the second.
    """

    other: str
    under: Mapping[str, Claim]
    changes: Mapping[tuple[str, str], Claim]


class Place(NamedTuple):
    """A cell of a map: the level of the factor of the rows, and of that of the columns."""

    row: str
    column: str


@dataclass(frozen=True)
class Map:
    """One arm minus another in every cell, judged together, and how that depends on each factor, by its name."""

    rows: Factor
    columns: Factor
    arm: str
    other: str
    cells: Mapping[Place, Claim]
    along: Mapping[str, Claim]


@dataclass(frozen=True)
class Kept:
    """How few images are enough, by arm's label: None where that is not known. ``most``: the largest share tested."""

    most: float
    by_arm: Mapping[str, Retention | None]


@dataclass(frozen=True)
class Balance:
    """An arm (its chain) against the base as it is: on the target, and on the data that the base was pretrained on."""

    arm: str
    gain: Claim
    kept: Claim


@dataclass(frozen=True)
class Balances:
    """What several arms gain on ``target`` and lose on the data set ``retained``."""

    target: str
    retained: str
    balances: tuple[Balance, ...]


@dataclass(frozen=True)
class Speed:
    """Which of two arms is faster, with the speed-ups to the best of the one, and to that of the other.

    The claim is on accuracies; its outcome says "faster" only where the speed-up's interval agrees.
    """

    claim: Claim
    metric: str
    unit: str
    own: Ahead
    other: Ahead


@dataclass(frozen=True)
class NoSpeed:
    """Which of two arms is faster cannot be said: these have no result."""

    subject: str
    against: str
    empty: tuple[str, ...]
