"""A small simulated run for each dashboard of the project."""

from __future__ import annotations

import functools

from hpt_ray.analysis.measures.run import Run
from hpt_ray.spec.study import Factor
from tests.support import simulate, simulate_numbers, simulate_search, simulate_studies

BUDGETS = {"30": 30, "90": 90, "270": 270, "810": 810}
NUMBERS = {
    "iteration_budget": ("iterations", ("target",), BUDGETS),
    "data_fraction": ("fraction", ("target",), {"1 %": 0.01, "10 %": 0.1, "25 %": 0.25, "100 %": 1.0}),
    "base_robustness": ("iterations", ("base",), BUDGETS),
}


@functools.cache
def simulated(study: str) -> Run:
    """A small run of a study, measured by accuracy; the same object each time, since what is computed of it is kept."""
    if study == "augment_ablation":
        return simulate.run(examples=60)
    if study == "augment_search":
        return simulate_search.run(simulate_search.flat_and_peaked, val=60, examples=60)
    if study in NUMBERS:
        field, roles, levels = NUMBERS[study]
        factor = Factor(name="varied", field=field, roles=roles, levels=levels, baseline=list(levels)[-1])
        truth = {"target": (0.4, 0.5, 0.5, 0.6), "base": (0.4, 0.5, 0.5, 0.6), "base>target": (0.6, 0.65, 0.7, 0.75)}
        arms = ("target", "base", "base>target")
        return simulate_numbers.run(simulate_numbers.study(factor, arms=arms), truth, examples=60)
    return simulate_studies.run(getattr(simulate_studies, study)(), lambda cell: 0.6, examples=60)
