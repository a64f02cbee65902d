"""Anyone's table of results, as the analysis sees it: the scores of every arm, with what was taken for what.

A row is the value of one run, an arm with one seed, or of one test example of it. The tables of this project's own runs
are such tables, ``predictions`` by example and ``results`` by run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from hpt_ray.analysis.measures.columns import USUAL
from hpt_ray.analysis.measures.robustness import comparable
from hpt_ray.analysis.measures.scores import NOTHING, Scores, by_evaluation, groups
from hpt_ray.analysis.measures.text_format import SHARES, Unit


@dataclass(frozen=True)
class Options:
    """What is asked of a table: which of its columns is what, where the names do not say it, and how it is judged.

    Attributes:
        baseline: the arm that every other one is held against.
        arm, value, seed, example, target, level, group: names of columns; of the value several, separated by commas,
            which are of one metric on several data sets.
        metric: which metric, where a column names several.
        where: the value that a column must have in the rows that count, by its name.
        higher: whether more is better; None: as the name of the metric says.
        at: the level at which arms are compared, and from which changes are measured; None: the first.
        margin: the difference without weight, in points of a share, else in the unit of the values; None: 1 point.
    """

    baseline: str
    arm: str | None = None
    value: str | None = None
    seed: str | None = None
    example: str | None = None
    target: str | None = None
    level: str | None = None
    group: str | None = None
    metric: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    higher: bool | None = None
    at: str | None = None
    margin: float | None = None


@dataclass(frozen=True, eq=False)
class LongTable:
    """The scores of a table, and how it was read.

    Attributes:
        file: its path. arms: in the order of the table, the baseline's name being ``baseline``.
        targets, levels: "" alone where there are none; the first level is that at which arms are compared.
        seeds: names of the runs that arms are paired by; ``by`` is what the table calls one, such as "fold".
        metric: its name. higher: whether more is better. unit: how values are written. margin: as a score.
        most: the largest difference that two scores can have; infinite where none is known.
        by_example: whether there is a score for each test example. paired: whether a seed of two arms is the same one.
        reading: what was taken for what, as sentences.
        scores: of each target, whose columns are test examples (one, where there are none) or their groups.
    """

    file: str
    arms: tuple[str, ...]
    baseline: str
    targets: tuple[str, ...]
    levels: tuple[str, ...]
    level_of: str
    seeds: tuple[str, ...]
    by: str
    metric: str
    higher: bool
    unit: Unit
    margin: float
    most: float
    by_example: bool
    paired: bool
    reading: tuple[str, ...]
    scores: Mapping[str, Scores]

    def values(self, target: str, arm: str, level: str | None = None) -> np.ndarray:
        """The scores of an arm at a level, the first unless given, [seeds, examples].

        A seed without a result is a row of NaN. What does not depend on the seed or on the level is repeated.
        """
        scores = self.scores.get(target, NOTHING)
        by_seed = np.full((len(self.seeds), len(scores.examples)), np.nan)
        for name in ("", self.levels[0] if level is None else level):
            cells = scores.by_cell.get((arm, name, False), {})
            for row in range(len(self.seeds)):
                own = cells.get(row, cells.get(None))
                if own is not None:
                    by_seed[row] = own
        return scores.columns(by_seed)

    def runs(self, target: str, arm: str) -> int:
        """How many runs of an arm have a result at the first level; what does not depend on the seed is one."""
        cells = self.scores.get(target, NOTHING).by_cell
        own = {seed for level in ("", self.levels[0]) for seed in cells.get((arm, level, False), {})}
        return len(own - {None}) or len(own)

    @property
    def over_targets(self) -> bool:
        """Whether arms are paired by data sets, which are then the sample."""
        return self.by.replace(" ", "_") in USUAL["target"]

    @property
    def over_seeds(self) -> bool:
        """Whether arms are paired by seeds, of which there can be more, and not by data sets or folds."""
        return not self.over_targets and self.by != "fold"

    @property
    def can_vary(self) -> bool:
        """Whether it can be told how much an arm depends on the level: only from shares of single test examples."""
        return len(self.levels) > 1 and self.by_example and self.unit == SHARES

    def varies(self, target: str, arm: str) -> bool:
        """Whether an arm has values at several levels."""
        held = self.scores[target].by_cell if target in self.scores else {}
        return sum(name == arm and level != "" for name, level, _ in held) > 1

    def by_level(self, target: str, arm: str) -> dict[str, np.ndarray]:
        """The scores of an arm at the first level and at each that shares a seed with it; more is better."""
        values = {level: self.values(target, arm, level) for level in self.levels}
        return comparable(values if self.higher else {level: 1 - own for level, own in values.items()})

    def better(self, mine: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Scores minus others, turned so that more is better."""
        difference: np.ndarray = mine - others if self.higher else others - mine
        return difference


def scored(rows: pd.DataFrame) -> dict[str, Scores]:
    """The scores of rows ``target arm level seed example value group`` by target; a missing seed is any, of any level
    a missing one."""
    cells = ["target", "evaluation", "arm", "step0", "seed", "level"]
    rows = rows.assign(evaluation="", step0=False, level=rows["level"].fillna(""), correct=rows["value"])
    rows["cell"] = rows.groupby(cells, dropna=False).ngroup()
    named = rows.drop_duplicates("cell").set_index("cell")[cells].sort_index()
    return {target: scores for (target, _), scores in by_evaluation(rows, named, groups(rows)).items()}
