"""With how few images does an arm keep 95 % of what all of them give, and which arm is better with the fewest?"""

from __future__ import annotations

from hpt_ray.analysis.caveats import remarks
from hpt_ray.analysis.measures.numbers import common, field, number_name, numbers
from hpt_ray.analysis.measures.retention import KEPT, Retention, retention
from hpt_ray.analysis.measures.robustness import accuracy, mean
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import brackets, change_interval, level_name, listed, points, share_interval
from hpt_ray.analysis.measures.views import target_text
from hpt_ray.analysis.verdict import Claim, Table, Tile, Verdict, compare, settle, spoken

#: The field of a recipe whose numbers are shares of the images.
FIELD = "fraction"


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target: what each arm needs, and HPT against the others at the ends."""
    asked = _asked(run, target)
    claims = settle([compare(run, target, HPT, other, level) for level, other in asked])
    settled = dict(zip(asked, claims, strict=True))
    varied = [arm for arm in sorted(run.arms, key=lambda arm: arm != HPT) if run.varies(arm) and field(run) == FIELD]
    kept = {arm: keeps(run, target, arm) for arm in varied}
    said = _said(run, kept)
    for place in dict.fromkeys(level for level, _ in asked):
        here = [claim.text for (level, _), claim in settled.items() if level == place]
        said.append(f"with {number_name(run, place)} HPT is {' and '.join(here)}")
    nothing = "nothing was compared: the study varies no data fraction"
    return Verdict(
        target=target,
        sentence=f"On {target_text(run, target)}, {'; '.join(said) or nothing}.",
        claims=claims,
        tiles=tuple(_tiles(run, kept, settled)),
        table=_table(run, target, kept),
        notes=remarks(run, target, claims),
    )


def keeps(run: Run, target: str, arm: str) -> Retention | None:
    """Where an arm keeps 95 % of its gain over step 0; None without a result with the most images."""
    *_, most = numbers(run)
    start = run.correct(target, arm, most, step0=True)
    gains = {number: run.correct(target, arm, level) - start for level, number in numbers(run).items()}
    there = {number: part for number, part in gains.items() if mean(part) is not None}
    return retention(there, 0.0) if numbers(run)[most] in there else None


def _asked(run: Run, target: str) -> list[tuple[str, str]]:
    """Fractions and whom HPT is held against there: both others at the smallest that HPT and from scratch have a result
    at, from scratch at the largest too."""
    others = [arm for arm in (SCRATCH, DIRECT) if arm in run.arms]
    if HPT not in run.arms or not others or field(run) != FIELD:
        return []
    shared = common(run, target, [HPT, SCRATCH] if SCRATCH in others else [HPT])
    last = [(shared[-1], SCRATCH)] if SCRATCH in others and len(shared) > 1 else []
    return [(level, other) for level in shared[:1] for other in others] + last


def _said(run: Run, kept: dict[str, Retention | None]) -> list[str]:
    """What each arm needs for 95 % of its gain; which have none, and of which that is not known."""
    most = _share(max(numbers(run).values(), default=1.0))
    needs: list[str] = []
    without: list[str] = []
    lost: list[str] = []
    for arm, found in kept.items():
        name = spoken(run.arms[arm])
        if found is None:
            lost.append(name)
        elif found.fraction is None:
            without.append(f"{name} ({change_interval(found.gain)} points)")
        else:
            verb = "" if needs else "needs "
            sure = f"{change_interval(found.gain)} points; {_agreeing(found)} of replicates agree"
            needs.append(f"{name} {verb}{_share(found.fraction)} ({sure})")
    said = [f"for {_share(KEPT)} of what {most} of the images add to step 0, {listed(needs)}"] if needs else []
    if without:
        said.append(f"no sure gain over step 0 with {most} of the images for {listed(without)}")
    if lost:
        said.append(f"how few images are enough cannot be said for {listed(lost)} (no result with {most} of them)")
    return said


def _share(number: float) -> str:
    return f"{100 * number:g} %"


def _agreeing(found: Retention) -> str:
    """The share of bootstrap replicates in which the fraction is the same."""
    return f"{100 * found.probability.get(found.fraction or 0.0, 0.0):.0f} %"


def _tiles(run: Run, kept: dict[str, Retention | None], settled: dict[tuple[str, str], Claim]) -> list[Tile]:
    """What HPT and from scratch need to keep 95 % of their gains, and HPT's differences."""
    tiles = []
    for arm in (HPT, SCRATCH):
        found = kept.get(arm)
        if found is not None and found.fraction is not None:
            title, sure = f"{run.arms[arm]}: {_share(KEPT)} of the gain with", f"{_agreeing(found)} of replicates agree"
            tiles.append(Tile(title, _share(found.fraction), "of the images", sure))
    for (level, _), claim in settled.items():
        if claim.difference is not None:
            title = f"HPT vs {claim.against.lower()} with {level_name(level)}"
            value, remark = points(claim.difference.estimate), f"points: {claim.outcome}"
            tiles.append(Tile(title, value, brackets(claim.difference), remark))
    return tiles


def _table(run: Run, target: str, kept: dict[str, Retention | None]) -> Table:
    """Per arm its accuracy with all images, its gain, the smallest fraction with 95 % of that, and how sure that is."""
    most = next(reversed(numbers(run)), run.baseline)
    rows = []
    for arm, label in run.arms.items():
        full, found = accuracy(run, target, arm, most), kept.get(arm)
        gain = change_interval(found.gain) if found else "–"
        enough = ("–", "–") if found is None else ("no sure gain", "–")
        if found is not None and found.fraction is not None:
            enough = _share(found.fraction), _agreeing(found)
        rows.append((label, share_interval(full) if full else "–", gain, *enough))
    full_column = run.metric.heading + (f" with {level_name(most)}" if most else "")
    columns = ("Arm", full_column, "Gain over step 0, points", f"{_share(KEPT)} of it with", "Agreeing")
    return Table(columns, tuple(rows))
