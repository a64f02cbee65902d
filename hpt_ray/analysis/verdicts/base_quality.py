"""How much does HPT depend on how good its base is, compared with direct transfer of the same base?

The weakest and the strongest base are those pretrained for the fewest and the most iterations, as the study has it
before any result: chosen by what came out best, the strongest would look stronger than it is.
"""

from __future__ import annotations

from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.claim import Claim, compare, compare_changes
from hpt_ray.analysis.findings import Comparisons, Question, Reached
from hpt_ray.analysis.measures.numbers import common, number_name, numbers
from hpt_ray.analysis.measures.robustness import difference, mean, mean_score
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.phrases import DEPENDENCE_ON_BASE
from hpt_ray.analysis.quantities import Change, change
from hpt_ray.analysis.settling import settle_parts
from hpt_ray.analysis.verdict import Table, Tile, Verdict, claim_tiles, metric_cell


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target."""
    bases = _bases(run, target)
    dependence_claims = [_dependence(run, target, bases)] if len(bases) > 1 and DIRECT in run.arms else []
    places = [(bases[end], other) for end, other in ((0, SCRATCH), (-1, DIRECT)) if bases and other in run.arms]
    differences = [compare(run, target, HPT, other, level) for level, other in places]
    family = "dependence on the base, and differences at the ends"
    dependence, at_ends = settle_parts(run, target, (dependence_claims, differences), family)
    claims = dependence + at_ends
    compared = [(level, claim) for (level, _), claim in zip(places, at_ends, strict=True)]
    changes = {arm: _change(run, target, arm, bases) for arm in (HPT, DIRECT) if len(bases) > 1 and arm in run.arms}
    ends = {"weakest": number_name(run, bases[0]), "strongest": number_name(run, bases[-1])} if dependence else {}
    names = zip(("change", "other_change"), changes.values(), strict=False)
    details = ends | {name: own for name, own in names if own}
    return Verdict(
        target=target,
        findings=(
            *(Question(claim, DEPENDENCE_ON_BASE, details) for claim in dependence),
            *(Comparisons((claim,), f"from the base of {number_name(run, level)}") for level, claim in compared),
            *(
                Reached(run.arms[HPT], f"from the {level_name(level)} base", value)
                for level in run.levels
                if bases and level not in numbers(run) and (value := mean_score(run, target, HPT, level)) is not None
            ),
        ),
        nothing="the study varies no base of HPT",
        claims=claims,
        tiles=(
            *(
                Tile(f"{run.arms[arm]}, weakest to strongest base", own, "points")
                for arm, own in changes.items()
                if own
            ),
            *claim_tiles((claim, f" at {number_name(run, level)}") for level, claim in compared),
        ),
        table=_table(run, target),
        caveats=caveats(run, target, claims),
    )


def _bases(run: Run, target: str) -> list[str]:
    """Levels of the base from the weakest to the strongest, at which HPT and direct transfer have a result."""
    if HPT not in run.arms or run.factor is None or DIRECT not in run.factor.roles:
        return []
    return common(run, target, [arm for arm in (HPT, DIRECT) if arm in run.arms])


def _change(run: Run, target: str, arm: str, bases: list[str]) -> Change | None:
    """How much an arm's accuracy changes from the weakest to the strongest base."""
    return change(mean(run.scores(target, arm, bases[-1]) - run.scores(target, arm, bases[0])))


def _dependence(run: Run, target: str, bases: list[str]) -> Claim:
    """Whether HPT depends less on its base: direct transfer's change minus that of HPT, or HPT's gain at the weakest
    base minus that at the strongest, which is the same."""
    weak, strong = (
        run.scores(target, HPT, level) - run.scores(target, DIRECT, level) for level in (bases[0], bases[-1])
    )
    what = "the changes of HPT and direct transfer with the base"
    sides = run.arms[HPT], run.arms[DIRECT]
    return compare_changes(run, "robustness", sides, weak - strong, lacking="no seed with both bases", what=what)


def _table(run: Run, target: str) -> Table:
    """Per base the accuracy of each arm that stands on one, and HPT's gain over direct transfer, in points."""
    on_base = [arm for arm in run.arms if run.varies(arm)]
    both = {HPT, DIRECT} <= set(on_base)
    rows = []
    for level in dict.fromkeys([*numbers(run), *run.levels]):
        accuracies = [metric_cell(run, target, arm, level) for arm in on_base]
        gains = [change(difference(run, target, HPT, DIRECT, level))] if both else []
        rows.append((number_name(run, level), *accuracies, *gains))
    columns = ("Base", *(run.arms[arm] for arm in on_base), *(["HPT over direct transfer"] if both else []))
    return Table(columns, tuple(rows))
