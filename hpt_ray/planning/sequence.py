"""The plan of a study that grows by rows, each a seed of its own, until its claims are decided.

Every arm has the rows of the first look. Those of a later look have only the cells that some claim needs which the look
before left open. So the plan follows from what the looks recorded, as that of a search follows from its results.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from hpt_ray.data.dataset import Dataset
from hpt_ray.planning.plan import Cell, Plan
from hpt_ray.planning.unfold import make_plan
from hpt_ray.spec.study import Study
from hpt_ray.store.records import ClaimAtLook, Look


def grown(study: Study, datasets: Mapping[str, Dataset], looks: tuple[Look, ...], rows: int) -> Plan:
    """The plan of a study with the rows of the next look, or of the last one that was made.

    Args:
        study: with as many seeds as there may be. looks: those made before. rows: at the next.

    Raises:
        StudyError: as ``make_plan``.
    """
    whole = make_plan(study.model_copy(update={"seeds": study.seeds[:rows]}), datasets)
    first = looks[0].rows if looks else rows
    look_before: dict[int | None, Look | None] = dict.fromkeys((None, *whole.study.seeds[:first]))
    for look, (before, after) in zip(looks, itertools.pairwise([*(look.rows for look in looks), rows]), strict=True):
        look_before |= dict.fromkeys(whole.study.seeds[before:after], look)
    opening = [cell.model_dump() for cell in whole.cells if look_before[cell.seed] is None]
    cells = [cell for cell in whole.cells if _wanted(study, look_before[cell.seed], cell)]
    return Plan(whole.study, whole.stages_of(cells), cells, basis=["until decided", len(study.seeds), opening])


def _wanted(study: Study, look: Look | None, cell: Cell) -> bool:
    """Whether a claim that the look before left open needs a cell; before the first look, all are needed."""
    if look is None:
        return True
    chains = {arm.label: arm.chain for arm in study.arms}
    return any(_needs(claim, cell, chains) for claim in look.claims if not claim.closed)


def _needs(claim: ClaimAtLook, cell: Cell, chains: Mapping[str, str]) -> bool:
    """Whether a claim is computed from a cell: of its two arms, at its levels of the factors or, if it names none, at
    all; of every arm if it is about something else than two arms."""
    if claim.target != cell.target:
        return False
    sides = ((claim.subject, claim.levels), (claim.against, claim.against_levels))
    if not all(label in chains for label, _ in sides):
        return True
    return any(
        chains[label] == cell.arm and all(cell.levels.get(name) in (None, level) for name, level in levels.items())
        for label, levels in sides
    )
