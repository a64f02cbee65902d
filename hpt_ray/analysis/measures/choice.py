"""Which weights of a run to take: the cells of a target with their score on val, and the median seed among them.

Weights are chosen on val. Test is what they are reported with, so it chooses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from hpt_ray.analysis.measures.numbers import at_level
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import listed, percent
from hpt_ray.core.errors import StudyError, UnknownNameError
from hpt_ray.core.values import Frozen
from hpt_ray.spec.arm import Arm


class Choice(Frozen):
    """The weights of one cell.

    Attributes:
        arm: as a chain. levels: of the factors that the arm depends on. seed: None where it depends on none.
        stage, parents: the id of the stage that made them, and of those before it, the first phase first.
        validation: the score on val in the study's first evaluation, a mean over its repeats.
        why: why these, a sentence without its stop.
    """

    target: str
    arm: str
    levels: dict[str, str]
    seed: int | None
    stage: str
    parents: tuple[str, ...]
    validation: float
    why: str = ""


def trained(run: Run, target: str) -> list[Choice]:
    """Every cell of a target whose weights were evaluated."""
    rows = run.rows(split="val")
    rows = rows[(rows["target"] == target) & (rows["evaluation"] == run.evaluation) & rows["weights"].notna()]
    rows = rows[(rows["status"] == "done") & rows["value"].notna()]
    factors = [factor.name for factor in run.study.factors]
    cells = []
    for _, cell in rows.groupby(["arm", *factors, "seed"], dropna=False, sort=False):
        first = cell.iloc[0]
        cells.append(
            Choice(
                target=target,
                arm=first["arm"],
                levels={name: first[name] for name in factors if pd.notna(first[name])},
                seed=None if pd.isna(first["seed"]) else int(first["seed"]),
                stage=first["weights"],
                parents=tuple(stage for stage in first["parents"] if stage != first["weights"]),
                validation=float(cell["value"].mean()),
            )
        )
    return cells


def at(cells: Iterable[Choice], arm: str, levels: Mapping[str, str]) -> list[Choice]:
    """The cells of an arm at some levels; a factor that the arm does not depend on does not matter."""
    return [
        cell
        for cell in cells
        if cell.arm == arm and all(cell.levels.get(name, level) == level for name, level in levels.items())
    ]


def median(cells: Iterable[Choice]) -> Choice:
    """The cell with the median score on val; of an even number, the lower of the two in the middle."""
    ordered = sorted(cells, key=lambda cell: (cell.validation, cell.seed or 0))
    return ordered[(len(ordered) - 1) // 2]


def choose(
    run: Run,
    winner: Choice | None,
    target: str,
    arm: str | None = None,
    levels: Mapping[str, str] | None = None,
    seed: int | None = None,
) -> Choice:
    """The weights that a user names, and the winner's where nothing is named.

    Args:
        winner: of the target; None where there is none.
        arm: by its label or its chain; None: the winner's. levels: of some factors; the others are at the winner's, or
            for another arm at those where arms are compared. seed: None: the one with the median score on val.

    Raises:
        StudyError: where the run has no such weights, with the reason.
    """
    if arm is None and not levels and seed is None and winner is not None:
        return winner
    chain = _chain(run, arm) if arm is not None else winner.arm if winner else None
    if chain is None:
        raise StudyError(f"no arm on {target} has results to choose by: name one, as --arm HPT does.")
    held = dict(winner.levels) if winner and winner.arm == chain else standard(run, chain)
    wanted = held | dict(levels or {})
    cells = trained(run, target)
    fitting = [cell for cell in at(cells, chain, wanted) if seed is None or cell.seed in (seed, None)]
    if not fitting:
        raise StudyError(_missing(run, target, chain, wanted, seed))
    chosen = median(fitting)
    named = f"{label(run, chosen)} was named" if seed is not None else by_median(run, chosen, fitting)
    return chosen.model_copy(update={"why": named})


def standard(run: Run, arm: str) -> dict[str, str]:
    """The levels at which an arm is compared with others: the baselines, or where it lacks one the last it has."""
    levels = {}
    for factor in run.study.factors:
        own = factor.levels_of(Arm.parse(arm))
        levels[factor.name] = factor.baseline if factor.baseline in own else own[-1]
    return levels


def label(run: Run, cell: Choice) -> str:
    """A cell in words: "HPT at the baseline policy, seed 1"."""
    places = [at_level(factor, cell.levels[factor.name]) for factor in run.study.factors if factor.name in cell.levels]
    seeds = [] if cell.seed is None else [f"seed {cell.seed}"]
    return ", ".join([" ".join([run.arms[cell.arm], listed(places)]).strip(), *seeds])


def by_median(run: Run, chosen: Choice, among: list[Choice]) -> str:
    """That a cell is the median seed of its arm and level."""
    # Not the metric's label: that may stand in a Python file, which nothing should run because a store names it.
    cell = f"{label(run, chosen)}, with {percent(chosen.validation)} on val"
    return f"{cell}, the median of {len(among)} seeds" if len(among) > 1 else cell


def _chain(run: Run, name: str) -> str:
    for chain, arm_label in run.arms.items():
        if name.lower() in (chain.lower(), arm_label.lower()):
            return chain
    raise UnknownNameError("arm", name, run.arms.values())


def _missing(run: Run, target: str, arm: str, levels: Mapping[str, str], seed: int | None) -> str:
    """Why there are no such weights: their evaluation failed, with its reason, or the study has no such cell."""
    rows = run.results[(run.results["target"] == target) & (run.results["arm"] == arm)]
    for name, level in levels.items():
        rows = rows[rows[name].isna() | (rows[name] == level)]
    if seed is not None:
        rows = rows[rows["seed"].isna() | (rows["seed"] == seed)]
    which = ", ".join([run.arms[arm], *levels.values(), *([] if seed is None else [f"seed {seed}"])])
    lost = rows[rows["status"] != "done"]
    if len(lost):
        row = lost.iloc[0]
        reason = str(row["reason"]).removesuffix(".")
        return f"{which} on {target} has no weights: {row['status']} ({reason}). Run the study again, or name others."
    seeds = ", ".join(map(str, run.study.seeds))
    return f"the run has no {which} on {target}: see its page for the cells that it has (seeds {seeds})."
