"""How much two arms depend on a factor: the claims, still to be settled, with their words."""

from __future__ import annotations

from hpt_ray.analysis.claim import Claim
from hpt_ray.analysis.findings import Question
from hpt_ray.analysis.measures.robustness import CHANGES_APART, ArmRobustness, RobustnessDifference
from hpt_ray.analysis.measures.text_format import brackets, level_name, points, spoken
from hpt_ray.analysis.need import Need, few_images
from hpt_ray.analysis.phrases import ROBUSTNESS, WORST_CHANGE
from hpt_ray.analysis.quantities import Change, Quantity
from hpt_ray.analysis.stats.bootstrap import Interval


def questions(
    apart: RobustnessDifference | None,
    sides: tuple[str, str],
    factor: str,
    lacking: str,
    *,
    metric: str,
    evaluation: str,
    margin: float,
) -> list[Question]:
    """Which of two arms varies less over the levels of a factor, and whose worst change is the lower one.

    Args:
        apart: how much more robust the first of the ``sides`` is; None where that is not known, for the reason
            ``lacking``.
    """

    def claim(measure: str, difference: Interval | None, lacking: str, needed: Need | None = None) -> Claim:
        why = "" if difference else lacking
        return Claim(measure, *sides, difference, metric, evaluation, lacking=why, needed=needed, margin=margin)

    details: dict[str, str | Quantity] = {"factor": factor}
    if apart is None:
        return [Question(claim("robustness", None, lacking), ROBUSTNESS, details)]
    for prefix, side in zip(("", "other_"), apart.sides, strict=True):
        details[f"{prefix}worst"] = _change(side)
        if side.deviation is not None and side.loss is not None:
            details[f"{prefix}deviation"] = Change(side.deviation, signed=False)
            details[f"{prefix}loss"] = Change(side.loss, signed=False)
    alone = "of fewer than two seeds with all levels, luck cannot be told from the factor"
    what = f"the worst changes of {sides[0]} and {spoken(sides[1])}"
    worst = few_images(apart.worst_apart, margin, CHANGES_APART, what=what)
    return [
        Question(claim("robustness", apart.deviation, alone), ROBUSTNESS, details),
        Question(claim("worst change", apart.worst, lacking, worst), WORST_CHANGE, details),
    ]


def _change(arm: ArmRobustness) -> str:
    """The worst change as a predicate, in which a gain is called a gain."""
    worst, level = f"{points(arm.worst.estimate)} {brackets(arm.worst)}", level_name(arm.worst_level)
    return f"gains everywhere, least at {level}: {worst}" if arm.worst.estimate > 0 else f"{worst} at {level}"
