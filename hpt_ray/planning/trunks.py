"""Trunks: the constant part of the schedule ``wsd``, which all budgets share up to their cooldowns.

A trunk is a stage of its own for each length at which a cooldown leaves it, and goes on from the next shorter one. Its
identity is its recipe and its length, whatever it goes on from: so a longer budget continues what an earlier run
trained, and adding one changes no other stage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from hpt_ray.core.values import Frozen
from hpt_ray.planning.stage import PretrainingStage, Stage, identity
from hpt_ray.spec.schedule import COOLDOWN, trunk_of


class Sharing(Frozen):
    """What budgets share.

    Attributes:
        budgets: number of stages that are cooldowns of a trunk. trunks: of how many different ones.
        stored: how many of all these go on from a trunk that is finished.
        images: to train on for them and their trunks. alone: the same if each budget were trained by itself.
    """

    budgets: int
    trunks: int
    stored: int
    images: int
    alone: int


def with_trunks(stages: Mapping[str, Stage], finished: Iterable[PretrainingStage] = ()) -> dict[str, Stage]:
    """Stages with the trunks of those that have a cooldown, each stage after the one that it needs.

    Args:
        finished: trunks of earlier runs, which longer ones go on from.
    """
    pretrainings = [stage for stage in stages.values() if stage.kind == "pretrain"]
    by_family: dict[str, dict[int, PretrainingStage]] = defaultdict(dict)
    for stage in pretrainings:
        length = trunk_of(stage.content.recipe, stage.content.iterations)
        if length > 0:
            by_family[family(stage)].setdefault(length, _trunk(stage, length))
    known = dict(stages)
    for stage in finished:
        lengths = by_family.get(family(stage), {})
        if stage.content.iterations < max(lengths, default=0):
            lengths.setdefault(stage.content.iterations, stage)
    for lengths in by_family.values():
        before: PretrainingStage | None = None
        for length in sorted(lengths):
            before = _after(before, lengths[length])
            known[before.id] = before
    for stage in pretrainings:
        length = trunk_of(stage.content.recipe, stage.content.iterations)
        if 0 < length < stage.content.iterations:
            known[stage.id] = _after(by_family[family(stage)][length], stage)
    return _ordered(known)


def family(stage: PretrainingStage) -> str:
    """What trunks of all lengths have in common, and the stages that are cooldowns of them."""
    return _of_length(stage, 0).id


def is_trunk(stage: Stage) -> bool:
    """Whether other stages may go on from the state in which a stage ends."""
    return stage.kind == "pretrain" and stage.content.recipe.schedule == "constant"


def sharing(stages: Iterable[Stage], finished: Iterable[str] = ()) -> Sharing | None:
    """What the budgets of a plan share, of which the stages ``finished`` are not trained again; None if none do."""
    done = set(finished)
    waiting = [
        stage
        for stage in stages
        if stage.kind == "pretrain" and stage.content.recipe.schedule != "cosine" and stage.id not in done
    ]
    budgets = [stage for stage in waiting if not is_trunk(stage)]
    if not budgets:
        return None
    return Sharing(
        budgets=len(budgets),
        trunks=len({family(stage) for stage in budgets}),
        stored=sum(stage.continues in done for stage in waiting),
        images=sum(stage.images for stage in waiting),
        alone=sum(stage.content.iterations * stage.content.recipe.batch for stage in budgets),
    )


def _trunk(stage: PretrainingStage, length: int) -> PretrainingStage:
    trunk = _of_length(stage, length)
    label = stage.label if trunk.id == stage.id else f"{stage.label}, trunk to iteration {length}"
    return trunk.model_copy(update={"label": label})


def _of_length(stage: PretrainingStage, length: int) -> PretrainingStage:
    """The trunk of that many iterations that belongs to a stage."""
    recipe = stage.content.recipe.model_copy(update={"schedule": "constant", "cooldown": COOLDOWN})
    content = stage.content.model_copy(update={"recipe": recipe, "iterations": length})
    return stage.model_copy(update={"id": identity(content), "content": content})


def _after(before: PretrainingStage | None, stage: PretrainingStage) -> PretrainingStage:
    """The stage, going on where another one ends; without one it starts from its own first iteration."""
    content, start = stage.content, before.content.iterations if before else 0
    return stage.model_copy(
        update={
            "continues": before.id if before else None,
            "needs": before.id if before else content.init,
            "images": (content.iterations - start) * content.recipe.batch,
        }
    )


def _ordered(stages: Mapping[str, Stage]) -> dict[str, Stage]:
    """Each stage after the one that it needs, on the level after that one's."""
    ordered: dict[str, Stage] = {}

    def place(stage: Stage) -> None:
        if stage.id in ordered:
            return
        level = 0
        if stage.needs is not None:
            place(stages[stage.needs])
            level = ordered[stage.needs].level + 1
        ordered[stage.id] = stage if stage.level == level else stage.model_copy(update={"level": level})

    for stage in stages.values():
        place(stage)
    return ordered
