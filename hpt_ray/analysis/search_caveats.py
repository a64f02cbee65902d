"""What a search for augmentation policies found beside its claims: the winners, and which operators matter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import stats

from hpt_ray.analysis.measures.importance import importance
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.search import tried, varying
from hpt_ray.analysis.measures.text_format import MINUS, level_name, listed
from hpt_ray.analysis.verdict import Caveat
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.policy_space import written


def search_caveats(run: Run, target: str, best: Mapping[str, str]) -> list[Caveat]:
    """The winners, which operators matter, whether the short budget could be trusted, and what failed.

    Args:
        best: the winning policy of each arm, by name.
    """
    table = tried(run, target)
    lost = int(np.isnan(table["value"]).sum())
    by_kind = {
        "best policy": _winners(run, best),
        "operators": [_operators(run, target, arm) for arm in varying(run)],
        "short budget": _short_budget(run, target),
        "missing": [f"{lost} of {len(table)} pretrainings of the search have no result."] if lost else [],
    }
    return [Caveat(kind, text) for kind, texts in by_kind.items() for text in texts]


def _winners(run: Run, best: Mapping[str, str]) -> list[str]:
    policies = run.study.factors[0].levels
    return [
        f"Best policy of {run.arms[arm]} ({level_name(level)}): {written(Policy.model_validate(policies[level]))}."
        for arm, level in best.items()
    ]


def _operators(run: Run, target: str, arm: str) -> str:
    """Which operators are shown to matter to an arm."""
    operators = importance(run, target, arm)
    if operators is None:
        return f"{run.arms[arm]}: too few random policies finished to say which operators matter."
    shown = [operator for operator, part in operators.items() if part.shown]
    what = f"shown to matter: {listed(shown)}" if shown else "no operator is shown to matter"
    count = next(iter(operators.values())).share.seeds
    return f"{run.arms[arm]}: {what} ({count} random policies, p < 0.05 after Holm's correction)."


def _short_budget(run: Run, target: str) -> list[str]:
    """Whether the short budget ranks the random policies as the full one does, by arm."""
    table, (_, budgets) = tried(run, target), run.study.factors
    notes = []
    for arm in varying(run):
        wide = table.query("arm == @arm and random").pivot(index="level", columns="rung", values="value").dropna()
        if len(wide) > 3 and wide.shape[1] > 1 and (wide.nunique() > 1).all():
            short, full = wide[next(iter(budgets.levels))], wide[budgets.baseline]
            agreed = float(stats.spearmanr(short, full).statistic)
            notes.append(
                f"{run.arms[arm]}: the short budget and the full one rank the random policies alike with a "
                f"correlation of {agreed:.2f} (Spearman).".replace("-", MINUS)
            )
    return notes
