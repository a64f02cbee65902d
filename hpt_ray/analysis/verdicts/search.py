"""How much does the choice of augmentation policy matter to each arm, and what does a search for it gain?"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import stats

from hpt_ray.analysis.caveats import remarks
from hpt_ray.analysis.measures import robustness
from hpt_ray.analysis.measures.importance import importance
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.measures.search import confirmed, flatness, flatness_difference, tried, varying, winners
from hpt_ray.analysis.measures.text_format import (
    brackets,
    change_interval,
    level_name,
    listed,
    percent,
    points,
    share_interval,
)
from hpt_ray.analysis.stats.comparisons import MARGIN
from hpt_ray.analysis.verdict import Claim, Outcome, Table, Tile, Verdict, compare, margin_text, settle, spoken
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.policy_space import written
from hpt_ray.spec.study import LABELS

ROBUSTNESS, SEARCHED = "robustness", "gain of the search"


#: The short budgets are a factor of their own, which the verdict takes apart itself.
EVERY_FACTOR = True


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target: flatness on the random policies, and accuracy of the winners on fresh seeds."""
    inner, best = confirmed(run, target), winners(run, target)
    flat = [_flat(run, target)] if {HPT, SCRATCH} <= set(varying(run)) else []
    gains = [_gain(run, inner, target, arm, level) for arm, level in best.items()]
    others = [(other, best.get(other, inner.baseline)) for other in (SCRATCH, DIRECT) if other in run.arms]
    rivals = [compare(inner, target, HPT, other, best[HPT], at=level) for other, level in others if HPT in best]
    claims = settle([*flat, *gains, *rivals])
    said = [_flat_text(run, target, claim) for claim in claims if claim.measure == ROBUSTNESS]
    by_arm = [f"{spoken(claim.subject)} is {claim.text}" for claim in claims if claim.measure == SEARCHED]
    if by_arm:
        said.append(f"with the policy that the search found, on seeds it never saw, {listed(by_arm)}")
    against = [claim.text for claim in claims if claim.measure == run.metric.label]
    if against:
        said.append(f"each at its best, HPT is {listed(against)}")
    return Verdict(
        target=target,
        sentence=f"On {target}, {'; '.join(said) or 'nothing was compared: no policy was confirmed'}.",
        claims=claims,
        tiles=tuple(_tiles(run, target, claims)),
        table=_table(run, inner, target, best),
        notes=(*_notes(run, target, best), *remarks(inner, target, claims)),
    )


def _gain(run: Run, inner: Run, target: str, arm: str, level: str) -> Claim:
    """The claim on an arm's accuracy at its winner against that at the baseline."""
    found = compare(inner, target, arm, arm, level, at=inner.baseline)
    needed = found.needed
    for word in ("from", "and"):
        needed = needed.replace(f" {word} {spoken(found.against)}", f" {word} its baseline policy", 1)
    return dataclasses.replace(found, measure=SEARCHED, against="Its baseline policy", needed=needed)


def _flat(run: Run, target: str) -> Claim:
    found = flatness_difference(run, target, HPT, SCRATCH)
    lacking = "" if found else "they share fewer than two random policies that finished"
    return Claim(ROBUSTNESS, LABELS[HPT], LABELS[SCRATCH], found, lacking=lacking)


def _flat_text(run: Run, target: str, claim: Claim) -> str:
    if claim.difference is None:
        return f"how flat the optimum is for HPT and from scratch cannot be compared ({claim.lacking})"
    found = flatness(run, target)
    near = f"{percent(found[HPT].near.estimate)} against {percent(found[SCRATCH].near.estimate)}"
    numbers = f"{near}, difference {change_interval(claim.difference)} points"
    whom = f"for HPT than {spoken(claim.against).replace('pretraining ', '')}"
    return {
        Outcome.BETTER: f"more of the random policies come within {margin_text(MARGIN)} of the best {whom} ({numbers})",
        Outcome.WORSE: f"fewer of the random policies come within {margin_text(MARGIN)} of the best {whom} ({numbers})",
        Outcome.EQUIVALENT: f"as many of the random policies come within {margin_text(MARGIN)} of the best for HPT as "
        f"from scratch ({numbers})",
        Outcome.UNDECIDED: "there is not enough evidence that HPT and pretraining from scratch differ in how many of "
        f"the random policies come within {margin_text(MARGIN)} of the best ({numbers})",
    }[claim.outcome]


def _tiles(run: Run, target: str, claims: tuple[Claim, ...]) -> list[Tile]:
    found = [
        Tile(
            f"{run.arms[arm]}, policies near the best",
            percent(flat.near.estimate),
            brackets(flat.near, signed=False),
            f"of {flat.near.seeds} random ones, within {margin_text(MARGIN)}",
        )
        for arm, flat in flatness(run, target).items()
        if arm in (HPT, SCRATCH)
    ]
    for claim in claims:
        if claim.measure == SEARCHED and claim.difference is not None:
            title, value = f"{claim.subject}, gain of the search", points(claim.difference.estimate)
            found.append(Tile(title, value, brackets(claim.difference), f"points: {claim.outcome}"))
    return found


def _table(run: Run, inner: Run, target: str, best: dict[str, str]) -> Table:
    """Per arm the winner and its accuracy beside the baseline's, on fresh seeds, and the two measures of flatness."""
    flat, rows = flatness(run, target), []
    for arm, label in run.arms.items():
        at_best = robustness.accuracy(inner, target, arm, best[arm]) if arm in best else None
        at_baseline = robustness.accuracy(inner, target, arm, inner.baseline)
        rows.append(
            (
                label,
                level_name(best[arm]) if arm in best else "–",
                share_interval(at_best) if at_best else "–",
                share_interval(at_baseline) if at_baseline else "–",
                share_interval(flat[arm].near) if arm in flat else "–",
                change_interval(flat[arm].loss) if arm in flat else "–",
            )
        )
    columns = ("Arm", "Best policy", "At the best", "At baseline", "Near the best", "Mean loss, points")
    return Table(columns, tuple(rows))


def _notes(run: Run, target: str, best: dict[str, str]) -> list[str]:
    """What was found, which operators matter, whether the short budget could be trusted, and what failed."""
    policies = run.study.factors[0].levels
    notes = [
        f"Best policy of {run.arms[arm]} ({level_name(level)}): {written(Policy.model_validate(policies[level]))}."
        for arm, level in best.items()
    ]
    for arm in varying(run):
        found = importance(run, target, arm)
        if found is None:
            notes.append(f"{run.arms[arm]}: too few random policies finished to say which operators matter.")
            continue
        shown = [operator for operator, part in found.items() if part.shown]
        what = f"shown to matter: {listed(shown)}" if shown else "no operator is shown to matter"
        count = next(iter(found.values())).share.seeds
        notes.append(f"{run.arms[arm]}: {what} ({count} random policies, p < 0.05 after Holm's correction).")
    table = tried(run, target)
    for arm in varying(run):
        wide = table.query("arm == @arm and random").pivot(index="level", columns="rung", values="value").dropna()
        if len(wide) > 3 and wide.shape[1] > 1 and (wide.nunique() > 1).all():
            short, full = (
                wide[rung] for rung in (next(iter(run.study.factors[1].levels)), run.study.factors[1].baseline)
            )
            agreed = float(stats.spearmanr(short, full).statistic)
            notes.append(
                f"{run.arms[arm]}: the short budget and the full one rank the random policies alike with a "
                f"correlation of {agreed:.2f} (Spearman)."
            )
    lost = int(np.isnan(table["value"]).sum())
    return [*notes, *([f"{lost} of {len(table)} pretrainings of the search have no result."] if lost else [])]
