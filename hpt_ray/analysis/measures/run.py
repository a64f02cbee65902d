"""A run as the analysis sees it: the three results tables, the sample views and the manifest, with selectors.

A run may be partly failed. Selectors return the existing results and mark missing ones with NaN; they never guess.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from hpt_ray.analysis.measures.rows import by_row
from hpt_ray.analysis.measures.scores import NOTHING, Scores, by_evaluation, groups
from hpt_ray.core.errors import StudyError
from hpt_ray.core.metric import DEFAULT, Metric, chosen, find
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.study import Factor, Study, Weights
from hpt_ray.store.records import Manifest

#: The columns that, with the levels of the factors, identify the rows of one cell and evaluation, before or after its
#: last phase.
CELL = ["target", "evaluation", "arm", "step0", "seed"]
SCORED = [*CELL, "level", "cell", "repeat", "example", "correct"]

#: The paper's arms (arXiv 2103.12718, section 3), by the chains the study writes them as.
SCRATCH, DIRECT, HPT = "target", "base", "base>target"


class Held(NamedTuple):
    """A factor that a view does not vary, and its level in this view."""

    factor: Factor
    level: str


@dataclass(frozen=True, eq=False)
class Run:
    """A finished, or partly failed, run of a study.

    ``results``, ``predictions`` and ``curves`` have the columns of ``hpt_ray.store.tables.run_schema``; ``views`` has
    ``policy`` (a level, or "original"), ``example``, ``view`` and ``png`` (bytes); ``manifest`` is what the run
    recorded about itself (study, command, versions, hardware, time, data sets, failures, notes). Of a study with
    several factors a view (``measures.views``) is a run of one of them, and ``held`` has the levels of the others.
    """

    results: pd.DataFrame
    predictions: pd.DataFrame
    curves: pd.DataFrame
    views: pd.DataFrame
    manifest: Manifest
    held: tuple[Held, ...] = ()

    @property
    def study(self) -> Study:
        return self.manifest.study

    @functools.cached_property
    def arms(self) -> dict[str, str]:
        """Chain to label, in the study's order."""
        return {arm.chain: arm.label for arm in self.study.arms}

    @property
    def alternatives(self) -> tuple[str, ...]:
        """The arms that HPT is held against: from scratch and direct transfer, those there are; none without HPT."""
        return tuple(arm for arm in (SCRATCH, DIRECT) if arm in self.arms and HPT in self.arms)

    @property
    def factor(self) -> Factor | None:
        """The factor that is varied, None where none is: what every selector's ``level`` is a level of.

        Raises:
            StudyError: where several are: a level of one of them would be a mean over the others.
        """
        first, *others = self.study.factors or (None,)
        if first is not None and others:
            names = [factor.name for factor in self.study.factors]
            held = ", ".join(f"{other.name}={other.baseline!r}" for other in others)
            raise StudyError(
                f"study {self.study.name} varies {' and '.join(names)}: hold all but one of them at a level, as "
                f"hpt_ray.analysis.measures.views.at(run, {held}) does."
            )
        return first

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the factor's levels, the baseline first; one empty level where nothing is varied."""
        if self.factor is None:
            return ("",)
        return (self.factor.baseline, *(level for level in self.factor.levels if level != self.factor.baseline))

    @property
    def baseline(self) -> str:
        return self.levels[0]

    @property
    def evaluation(self) -> str:
        """The evaluation that claims are made on: the study's first."""
        return self.study.evaluations[0].name

    @property
    def margin(self) -> float:
        """The share below which a difference is of no weight."""
        return self.study.margin / 100

    @functools.cached_property
    def metric(self) -> Metric:
        """What the evaluations measure: the targets of a study are measured alike."""
        several = bool((self.results["metric"] == DEFAULT[True]).any())
        return find(chosen(self.study.metric, several))

    def varies(self, arm: str) -> bool:
        """Whether an arm contains a role that a factor varies; direct transfer, for one, seldom does."""
        return any(factor.varies(Arm.parse(arm)) for factor in self.study.factors)

    def levels_of(self, arm: str) -> tuple[str, ...]:
        """The levels an arm has cells at, the baseline first where it has it; one empty level if it does not vary."""
        if self.factor is None or not self.varies(arm):
            return ("",)
        arm_levels = self.factor.levels_of(Arm.parse(arm))
        return tuple(level for level in self.levels if level in arm_levels)

    def standard_level(self, arm: str) -> str:
        """The level an arm is compared at with others: the baseline, or where it lacks that the last one it has."""
        arm_levels = self.levels_of(arm)
        return self.baseline if self.baseline in arm_levels else arm_levels[-1]

    def rows(self, *, split: str = "test", step0: bool = False, by_class: bool = False) -> pd.DataFrame:
        """Rows of ``results`` for a split, after the arm's last phase, or before it began.

        Of a run that varies at most one factor they have the column ``level``, "" where the arm does not depend on it.
        Of multi-label data they are those of the mean over classes, or ``by_class`` those of each.
        """
        table = self._measured
        named = table["class"].notna() if "class" in table else pd.Series(False, index=table.index)
        chosen = (named == by_class) & (table["split"].fillna("test") == split) & (table["step0"] == step0)
        return table[chosen].drop(columns=["step0", "cell"]).reset_index(drop=True)

    def scores(
        self,
        target: str,
        arm: str,
        level: str,
        evaluation: str | None = None,
        *,
        step0: bool = False,
        failed: float = np.nan,
    ) -> np.ndarray:
        """Each test example's score of the run's metric (see core/metric.py), a mean over repeats, [rows, columns].

        Of accuracy it is the share of repeats in which the example was classified correctly. A row is a seed of the
        study, in its order, or a base that several share (see rows.py); columns are the examples of the target's test
        split or, where these come in groups, the groups (see stats/groups.py), the same for every cell, so that any two
        cells are paired. A seed without predictions has the score ``failed``, and a row of NaN is one without any. A
        cell that does not depend on the seed or on the level (direct transfer) is repeated.
        """
        by_seed = self.by_seed(target, arm, level, evaluation, step0=step0)
        values = by_row(self.study, np.where(np.isnan(by_seed), failed, by_seed))
        return self.tested(target, evaluation).columns(values)

    def by_seed(
        self, target: str, arm: str, level: str, evaluation: str | None = None, *, step0: bool = False
    ) -> np.ndarray:
        """The same for every seed and example, [seeds, examples], whichever bases and groups they share."""
        scores = self.tested(target, evaluation)
        scores_by_seed = np.full((len(self.study.seeds), len(scores.examples)), np.nan)
        for name in ("", level):  # predictions at the level itself replace those that depend on no level
            by_seed = scores.by_cell.get((arm, name, step0), {})
            for row, seed in enumerate(self.study.seeds):
                row_scores = by_seed.get(seed, by_seed.get(None))
                if row_scores is not None:
                    scores_by_seed[row] = row_scores
        return scores_by_seed

    def labels(self, target: str) -> np.ndarray:
        """The label of each example of ``by_seed`` in the first evaluation, [examples]; of single labels."""
        examples = self.tested(target).examples
        labels = self.predictions[self.predictions["target"] == target].drop_duplicates("example").set_index("example")
        return labels["label"].reindex(examples).to_numpy()

    def tested(self, target: str, evaluation: str | None = None) -> Scores:
        """The test examples that all cells of a target share in an evaluation, with their groups."""
        return self._scores.get((target, evaluation or self.evaluation), NOTHING)

    def answers(self, target: str, arm: str, level: str, evaluation: str | None = None) -> np.ndarray:
        """Whether each repeat classified each test example correctly, or its component, after the arm's last phase.

        [seeds, repeats, columns], the seeds being those with predictions; a cell that does not depend on the seed has
        one row. A repeat that a seed lacks is a row of NaN. Columns are those of ``correct``.
        """
        evaluation = evaluation or self.evaluation
        scores = self.tested(target, evaluation)
        examples = scores.examples
        cells = self._cells
        selected = (cells["target"] == target) & (cells["arm"] == arm) & (cells["evaluation"] == evaluation)
        selected &= cells["level"].isin(["", level]) & ~cells["step0"]
        chosen = self._scored["cell"].isin(cells.index[selected])
        rows_of_arm = self._scored.loc[chosen, ["seed", "repeat", "example", "correct"]]
        rows_of_arm = rows_of_arm[rows_of_arm["example"].isin(examples)]
        repeats = np.sort(rows_of_arm["repeat"].unique())
        rows, seeds = pd.factorize(rows_of_arm["seed"], sort=True, use_na_sentinel=False)
        answers_array = np.full((len(seeds), len(repeats), len(examples)), np.nan)
        places = np.searchsorted(repeats, rows_of_arm["repeat"]), np.searchsorted(examples, rows_of_arm["example"])
        answers_array[rows, *places] = rows_of_arm["correct"]
        return scores.columns(answers_array)

    def _located(self, table: pd.DataFrame) -> pd.DataFrame:
        """Add ``step0`` and ``cell``, a number for each cell, evaluation and step 0.

        Of several iterations after step 0, keep the last one of each cell.
        """
        factors = [factor.name for factor in self.study.factors]
        loaded = [arm.chain for arm in self.study.arms if isinstance(self.study.recipes[arm.phases[-1].role], Weights)]
        # Loaded weights have no iterations: their rows at iteration 0 are the result, not a step 0.
        table = table.assign(step0=table["iteration"].eq(0) & ~table["arm"].isin(loaded))
        table["cell"] = table.groupby([*CELL[:3], *factors, *CELL[3:]], dropna=False).ngroup()
        last = table.groupby("cell")["iteration"].transform("max")
        return table[table["iteration"].isna() | table["iteration"].eq(last)]

    def _leveled(self, table: pd.DataFrame) -> pd.DataFrame:
        """Add ``level``, "" where a cell does not depend on the factor."""
        return table.assign(level=table[self.factor.name].fillna("") if self.factor else "")

    @functools.cached_property
    def _measured(self) -> pd.DataFrame:
        table = self._located(self.results)
        return table if len(self.study.factors) > 1 else self._leveled(table)

    @functools.cached_property
    def _scored(self) -> pd.DataFrame:
        """``predictions`` without the answers: each one's score as ``correct``, at a ``level`` of the factor."""
        table = self._leveled(self._located(self.predictions))
        factors = [factor.name for factor in self.study.factors]
        one_answer = ["target", "arm", *factors, "seed", "evaluation", "iteration", "repeat"]
        answers, truth = ("scores", "labels") if self.metric.multilabel else ("prediction", "label")
        columns = table[answers].to_numpy(), table[truth].to_numpy()
        scores = np.full(len(table), np.nan)
        for rows in table.groupby(one_answer, dropna=False).indices.values():
            scores[rows] = self.metric.scores(*(np.stack(list(column[rows])) for column in columns))
        return table.assign(correct=scores)[SCORED]

    @functools.cached_property
    def _cells(self) -> pd.DataFrame:
        """What each ``cell`` of ``_scored`` is: those of a target and an evaluation follow each other."""
        return self._scored.drop_duplicates("cell").set_index("cell")[[*CELL, "level"]].sort_index()

    @functools.cached_property
    def _scores(self) -> dict[tuple[str, str], Scores]:
        """By target and evaluation, how correct each cell is on each test example that all cells share."""
        return by_evaluation(self._scored, self._cells, self._groups)

    @functools.cached_property
    def _groups(self) -> dict[tuple[str, str], pd.Series]:
        return groups(self.predictions)
