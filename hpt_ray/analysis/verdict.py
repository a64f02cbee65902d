"""What a verdict is: claims, key figures, a table and caveats as data, from which ``sentence.py`` makes the sentence.

``verdicts/NAME.py`` defines ``verdict(run, target) -> Verdict``, for the study whose dashboard names it. Whatever it
claims is a comparison that ``settle`` has judged, with the other claims of its family.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hpt_ray.analysis.claim import Claim
from hpt_ray.analysis.claim_words import headed
from hpt_ray.analysis.headline import headline
from hpt_ray.analysis.measures import robustness
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import lowered
from hpt_ray.analysis.quantities import Cell, Change, Quantity, Share, cell_text, share
from hpt_ray.analysis.scope import Scope
from hpt_ray.analysis.sentence import scope_text, sentence
from hpt_ray.analysis.statements import Statement, statements


@dataclass(frozen=True)
class Tile:
    """A key figure: what it is, the number, and what to know about it."""

    title: str
    number: Quantity
    remark: str

    @property
    def value(self) -> str:
        return self.number.value

    @property
    def interval(self) -> str:
        return self.number.beside


@dataclass(frozen=True)
class Table:
    """A small table; the first column names the row."""

    columns: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The cells as they are read."""
        return tuple(tuple(cell_text(cell) for cell in row) for row in self.cells)


@dataclass(frozen=True)
class Caveat:
    """What qualifies a verdict: of which kind it is, such as "forgetting", and a sentence."""

    kind: str
    text: str

    @property
    def warns(self) -> bool:
        """Whether it says that something went wrong, and not only how to read a verdict."""
        return self.kind in ("base", "forgetting", "training", "missing")


@dataclass(frozen=True)
class Verdict:
    """The verdict on one target.

    Attributes:
        findings: the parts of the sentence, in their order; ``nothing``: why nothing was compared, where there is none.
        claims: all that was judged. tiles: the key figures.
        held: at which levels of the factors that it does not compare everything is, "" where it compares all.
        scope: over which seeds and bases its claims are; None: not said.
        so_far: of a run that is not finished, how many of its cells are there, as ``so_far`` says it.
    """

    target: str
    findings: tuple[object, ...]
    nothing: str
    claims: tuple[Claim, ...]
    tiles: tuple[Tile, ...]
    table: Table
    caveats: tuple[Caveat, ...]
    held: str = ""
    scope: Scope | None = None
    so_far: str = ""

    @property
    def sentence(self) -> str:
        return sentence(self._where, self.findings, self.nothing)

    @property
    def _where(self) -> str:
        where = [self.target, self.held, scope_text(self.scope) if self.scope else ""]
        return ", ".join(filter(None, where))

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The findings one by one, those that are shown first."""
        return statements(self.findings)

    @property
    def headline(self) -> str:
        """The findings in at most 15 words; before them, how much of an unfinished run they rest on."""
        text = headline(self.statements) if self.findings else f"Nothing was compared: {self.nothing}"
        return f"{self.so_far[0].upper()}{self.so_far[1:]}. {text}" if self.so_far else text

    @property
    def about(self) -> str:
        """What the statements are about: "On rsscn7, over 3 seeds, each with a base of its own"."""
        return f"On {self._where}"

    @property
    def notes(self) -> tuple[str, ...]:
        """The caveats as sentences."""
        return tuple(caveat.text for caveat in self.caveats)


def metric_cell(run: Run, target: str, arm: str, level: str, evaluation: str | None = None) -> Share | None:
    """The metric of an arm at a level, for a table; None without a result."""
    return share(robustness.mean_score(run, target, arm, level, evaluation=evaluation))


def metric_tiles(run: Run, target: str, arm: str, level: str, remark: str, evaluation: str | None = None) -> list[Tile]:
    """The metric of an arm at a level as a key figure; none without the arm or a result."""
    number = metric_cell(run, target, arm, level, evaluation) if arm in run.arms else None
    return [Tile(f"{run.arms[arm]}, {run.metric.label}", number, remark)] if number else []


def claim_tiles(claims: Iterable[tuple[Claim, str]]) -> list[Tile]:
    """Differences of two arms as key figures, titled by the arms.

    Args:
        claims: each with what tells its title from those of the others, such as " at 60 iterations".
    """
    return difference_tiles((f"{claim.subject} vs {lowered(claim.against)}{where}", claim) for claim, where in claims)


def difference_tiles(claims: Iterable[tuple[str, Claim]]) -> list[Tile]:
    """Differences as key figures by their titles, each with its decision, of the claims that have one."""
    return [
        Tile(title, Change(claim.difference, unit=claim.unit), decision(claim))
        for title, claim in claims
        if claim.difference is not None
    ]


def decision(claim: Claim) -> str:
    """The unit of a claim's difference and its decision, below a key figure."""
    return headed(": ".join(filter(None, [claim.unit.of_change.strip(), str(claim.outcome)])), [claim])
