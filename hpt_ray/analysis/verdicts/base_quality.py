"""How much does HPT depend on how good its base is, compared with direct transfer of the same base?

The weakest and the strongest base are those pretrained for the fewest and the most iterations, as the study has it
before any result: chosen by what came out best, the strongest would look stronger than it is.
"""

from __future__ import annotations

from hpt_ray.analysis.caveats import remarks
from hpt_ray.analysis.measures.numbers import common, number_name, numbers
from hpt_ray.analysis.measures.robustness import CHANGES_APART, accuracy, difference, mean
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import brackets, change_interval, level_name, points, share_interval
from hpt_ray.analysis.measures.views import target_text
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.analysis.stats.comparisons import MARGIN
from hpt_ray.analysis.verdict import Claim, Outcome, Table, Tile, Verdict, compare, few_images, margin_text, settle
from hpt_ray.spec.study import Pretraining


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target."""
    bases = _bases(run, target)
    dependence = [_dependence(run, target, bases)] if len(bases) > 1 and DIRECT in run.arms else []
    asked = [(bases[place], other) for place, other in ((0, SCRATCH), (-1, DIRECT)) if bases and other in run.arms]
    claims = settle([*dependence, *(compare(run, target, HPT, other, level) for level, other in asked)])
    compared = list(zip([level for level, _ in asked], claims[len(dependence) :], strict=True))
    said = [_dependence_text(run, target, bases, claims[0])] if dependence else []
    said += [f"from the base of {number_name(run, level)} HPT is {claim.text}" for level, claim in compared]
    said += [
        f"from the {level_name(level)} base HPT reaches {share_interval(found)}"
        for level in run.levels
        if bases and level not in numbers(run) and (found := accuracy(run, target, HPT, level)) is not None
    ]
    nothing = "nothing was compared: the study varies no base of HPT"
    return Verdict(
        target=target,
        sentence=f"On {target_text(run, target)}, {'; '.join(said) or nothing}.",
        claims=claims,
        tiles=tuple(_tiles(run, target, bases, compared)),
        table=_table(run, target),
        notes=(*remarks(run, target, claims), *(_luck(run) if bases else [])),
    )


def _bases(run: Run, target: str) -> list[str]:
    """Levels of the base from the weakest to the strongest, at which HPT and direct transfer have a result."""
    if HPT not in run.arms or run.factor is None or DIRECT not in run.factor.roles:
        return []
    return common(run, target, [arm for arm in (HPT, DIRECT) if arm in run.arms])


def _change(run: Run, target: str, arm: str, bases: list[str]) -> Interval | None:
    """How much an arm's accuracy changes from the weakest to the strongest base."""
    return mean(run.correct(target, arm, bases[-1]) - run.correct(target, arm, bases[0]))


def _dependence(run: Run, target: str, bases: list[str]) -> Claim:
    """Whether HPT depends less on its base: direct transfer's change minus that of HPT, or HPT's gain at the weakest
    base minus that at the strongest, which is the same."""
    weak, strong = (
        run.correct(target, HPT, level) - run.correct(target, DIRECT, level) for level in (bases[0], bases[-1])
    )
    found = mean(weak - strong, most=CHANGES_APART)
    lacking = "" if found else "no seed with both bases"
    needed = few_images("the changes of HPT and direct transfer with the base", weak - strong, CHANGES_APART)
    return Claim("robustness", run.arms[HPT], run.arms[DIRECT], found, lacking, needed=needed)


def _dependence_text(run: Run, target: str, bases: list[str], claim: Claim) -> str:
    hpt, direct = _change(run, target, HPT, bases), _change(run, target, DIRECT, bases)
    ends = f"from the weakest base ({number_name(run, bases[0])}) to the strongest ({number_name(run, bases[-1])})"
    if claim.difference is None or hpt is None or direct is None:
        return f"how much HPT depends on its base cannot be said ({claim.lacking})"
    said = {
        Outcome.BETTER: "more pretraining of the base raises HPT less than direct transfer",
        Outcome.WORSE: "more pretraining of the base raises HPT more than direct transfer",
        Outcome.EQUIVALENT: f"more pretraining of the base raises HPT as much as direct transfer, within "
        f"{margin_text(MARGIN)}",
        Outcome.UNDECIDED: "there is not enough evidence that more pretraining of the base raises HPT and direct "
        "transfer differently",
    }[claim.outcome]
    changes = f"{ends} HPT changes by {change_interval(hpt)} points and direct transfer by {change_interval(direct)}"
    return f"{said}: {changes} (direct transfer minus HPT {change_interval(claim.difference)})"


def _luck(run: Run) -> list[str]:
    """What intervals do not account for where a base is one fixed given."""
    base = run.study.recipes.get(DIRECT)
    if isinstance(base, Pretraining) and base.seed is not None:
        return ["One base at each level: intervals do not account for the luck of pretraining it."]
    return []


def _tiles(run: Run, target: str, bases: list[str], compared: list[tuple[str, Claim]]) -> list[Tile]:
    """How HPT and direct transfer change, and HPT's differences from others at the ends."""
    tiles = []
    for arm in (HPT, DIRECT):
        change = _change(run, target, arm, bases) if bases and arm in run.arms else None
        if change is not None and len(bases) > 1:
            title, value = f"{run.arms[arm]}, weakest to strongest base", points(change.estimate)
            tiles.append(Tile(title, value, brackets(change), "points"))
    for level, claim in compared:
        if claim.difference is not None:
            title = f"HPT vs {claim.against.lower()} at {number_name(run, level)}"
            value, remark = points(claim.difference.estimate), f"points: {claim.outcome}"
            tiles.append(Tile(title, value, brackets(claim.difference), remark))
    return tiles


def _table(run: Run, target: str) -> Table:
    """Per base the accuracy of each arm that stands on one, and HPT's gain over direct transfer, in points."""
    on_base = [arm for arm in run.arms if run.varies(arm)]
    both = {HPT, DIRECT} <= set(on_base)
    rows = []
    for level in dict.fromkeys([*numbers(run), *run.levels]):
        found = [accuracy(run, target, arm, level) for arm in on_base]
        gained = [difference(run, target, HPT, DIRECT, level)] if both else []
        cells = [share_interval(part) if part else "–" for part in found]
        rows.append((number_name(run, level), *cells, *(change_interval(part) if part else "–" for part in gained)))
    columns = ("Base", *(run.arms[arm] for arm in on_base), *(["HPT over direct transfer"] if both else []))
    return Table(columns, tuple(rows))
