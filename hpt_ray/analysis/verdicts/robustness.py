"""Is HPT more robust to a factor than pretraining from scratch, and more accurate than either alternative?"""

from __future__ import annotations

from hpt_ray.analysis.caveats import remarks
from hpt_ray.analysis.measures import robustness
from hpt_ray.analysis.measures.robustness import CHANGES_APART, ArmRobustness
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import (
    brackets,
    change_interval,
    level_name,
    listed,
    percent,
    points,
    share_interval,
)
from hpt_ray.analysis.measures.views import target_text
from hpt_ray.analysis.stats.comparisons import MARGIN
from hpt_ray.analysis.verdict import (
    Claim,
    Outcome,
    Table,
    Tile,
    Verdict,
    compare,
    few_images,
    margin_text,
    settle,
    spoken,
)
from hpt_ray.spec.study import LABELS


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target; without a factor it is about the metric alone."""
    others = [arm for arm in (SCRATCH, DIRECT) if arm in run.arms and HPT in run.arms]
    asked = [compare(run, target, HPT, other, run.baseline) for other in others]
    robust = _robustness(run, target) if run.factor is not None else None
    claims = settle([*([robust] if robust else []), *asked])
    said = [_robustness_text(run, target, claims[0])] if robust else []
    accuracies = [claim.text for claim in claims if claim.measure == run.metric.label]
    if accuracies:
        place = f"at the {level_name(run.baseline)} {level_name(run.factor.name)}, " if run.factor else ""
        said.append(f"{place}HPT is {' and '.join(accuracies)}")
    nothing = "nothing was compared: the study lacks HPT or what it is held against"
    return Verdict(
        target=target,
        sentence=f"On {target_text(run, target)}, {'; '.join(said) or nothing}.",
        claims=claims,
        tiles=tuple(_tiles(run, target, claims)),
        table=_table(run, target),
        notes=remarks(run, target, claims),
    )


def _robustness(run: Run, target: str) -> Claim:
    mine, other = robustness.robustness(run, target, HPT), robustness.robustness(run, target, SCRATCH)
    compared = robustness.robustness_difference(run, target, HPT, SCRATCH)
    labels = LABELS[HPT], LABELS[SCRATCH]
    if compared is None:
        lacking = [name for name, found in (("HPT", mine), ("from scratch", other)) if found is None]
        why = f"no change against the baseline for {listed(lacking)}" if lacking else "no level in common"
        return Claim("robustness", *labels, None, lacking=why)
    apart = robustness.worst_apart(run, target, HPT, SCRATCH)
    assert apart is not None  # where there is a difference, there are changes
    needed = few_images(f"the worst changes of HPT and {spoken(LABELS[SCRATCH])}", apart, CHANGES_APART)
    return Claim("robustness", *labels, compared.worst, needed=needed)


def _robustness_text(run: Run, target: str, claim: Claim) -> str:
    assert run.factor is not None
    factor = level_name(run.factor.name)
    mine, other = robustness.robustness(run, target, HPT), robustness.robustness(run, target, SCRATCH)
    if claim.difference is None or mine is None or other is None:
        return (
            f"whether HPT is more robust to the {factor} than pretraining from scratch cannot be said ({claim.lacking})"
        )
    said = {
        Outcome.BETTER: f"HPT is more robust to the {factor} than pretraining from scratch",
        Outcome.WORSE: f"HPT is less robust to the {factor} than pretraining from scratch",
        Outcome.EQUIVALENT: f"HPT and pretraining from scratch are equally robust to the {factor}, "
        f"within {margin_text(MARGIN)}",
        Outcome.UNDECIDED: "there is not enough evidence that HPT and pretraining from scratch differ in their "
        f"robustness to the {factor}",
    }[claim.outcome]
    worst = f"worst change {_worst(mine)} against {_worst(other)}"
    return f"{said} ({worst}, difference {change_interval(claim.difference)} points)"


def _worst(found: ArmRobustness) -> str:
    return f"{points(found.worst.estimate)} at {level_name(found.worst_level)}"


def _tiles(run: Run, target: str, claims: tuple[Claim, ...]) -> list[Tile]:
    """HPT's accuracy and differences, and the worst changes of HPT and from scratch, of those that exist."""
    found = []
    accuracy = robustness.accuracy(run, target, HPT, run.baseline)
    if accuracy is not None:
        value, interval = percent(accuracy.estimate), brackets(accuracy, signed=False)
        found.append(Tile(f"HPT, {run.metric.label}", value, interval, "at the baseline"))
    for claim in claims:
        if claim.measure == run.metric.label and claim.difference is not None:
            title, value = f"HPT vs {claim.against.lower()}", points(claim.difference.estimate)
            found.append(Tile(title, value, brackets(claim.difference), f"points: {claim.outcome}"))
    for arm in (HPT, SCRATCH):
        measured = robustness.robustness(run, target, arm)
        if measured is not None:
            remark = f"points, at {level_name(measured.worst_level)}"
            title, worst = f"{run.arms[arm]}, worst change", measured.worst
            found.append(Tile(title, points(worst.estimate), brackets(worst), remark))
    return found


def _table(run: Run, target: str) -> Table:
    """Per arm the accuracy at the baseline, the worst change (and where), and the spread."""
    rows = []
    for arm, label in run.arms.items():
        accuracy = robustness.accuracy(run, target, arm, run.baseline)
        measured = robustness.robustness(run, target, arm)
        rows.append(
            (
                label,
                share_interval(accuracy) if accuracy else "–",
                change_interval(measured.worst) if measured else "–",
                level_name(measured.worst_level) if measured else "–",
                change_interval(measured.range, signed=False) if measured else "–",
            )
        )
    if run.factor is None:
        return Table(("Arm", run.metric.heading), tuple(row[:2] for row in rows))
    return Table(
        ("Arm", f"{run.metric.heading} at baseline", "Worst change, points", "at", "Spread, points"), tuple(rows)
    )
