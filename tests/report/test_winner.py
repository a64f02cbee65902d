"""The weights that win: of what the verdict compared and found no worse, the best on val, and its median seed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from hpt_ray.analysis.measures.choice import trained
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.verdict import Verdict
from hpt_ray.core.registry import load, names
from hpt_ray.report.render import render, verdicts
from hpt_ray.report.winner import Handed, winner
from tests.support import simulate
from tests.support.simulate_dashboards import simulated

DASHBOARD = load("dashboards", "augment_ablation")
LEVELS = {"policy": "baseline"}


def judged(run: Run) -> Verdict:
    (verdict,) = verdicts(run, DASHBOARD)
    return verdict


def accuracy(hpt: float, scratch: float, direct: float) -> dict[str, tuple[float, ...]]:
    return {HPT: (hpt,) * 5, SCRATCH: (scratch,) * 5, DIRECT: (direct,)}


def test_what_the_verdict_finds_better_wins_by_its_median_seed() -> None:
    run = simulate.run(accuracy=accuracy(0.9, 0.5, 0.5), examples=600, seeds=3)
    chosen = winner(run, judged(run))
    assert chosen is not None
    scores = [cell.validation for cell in trained(run, "rsscn7") if (cell.arm, cell.levels) == (HPT, LEVELS)]
    assert (chosen.arm, chosen.levels, chosen.validation) == (HPT, LEVELS, np.median(scores))
    assert chosen.stage == f"base>target/baseline/{chosen.seed}"
    assert chosen.why.endswith("the verdict finds it better than pretraining from scratch and direct transfer")


def test_what_the_verdict_finds_worse_is_out_however_high_on_val() -> None:
    run = simulate.run(accuracy=accuracy(0.5, 0.9, 0.5), examples=600, seeds=3)
    results = run.results.copy()
    results.loc[(results["arm"] == HPT) & (results["split"] == "val"), "value"] = 1.0
    changed = dataclasses.replace(run, results=results)
    chosen = winner(changed, judged(run))
    assert chosen is not None and chosen.arm == SCRATCH


def test_val_decides_what_the_verdict_does_not() -> None:
    run = simulate.run(accuracy=accuracy(0.7, 0.7, 0.7), examples=40, seeds=2)
    for arm in (HPT, SCRATCH, DIRECT):
        results = run.results.copy()
        results.loc[(results["arm"] == arm) & (results["split"] == "val"), "value"] = 0.99
        results.loc[(results["arm"] == arm) & (results["split"] == "test"), "value"] = 0.0
        chosen = winner(dataclasses.replace(run, results=results), judged(run))
        assert chosen is not None and chosen.arm == arm
        assert "the verdict does not put " in chosen.why and "its mean on val is the highest" in chosen.why


def test_an_arm_that_failed_everywhere_wins_nothing() -> None:
    lost = simulate.run(failed=lambda cell: cell[0] == HPT)
    chosen = winner(lost, judged(lost))
    assert chosen is not None and chosen.arm in (SCRATCH, DIRECT)
    nothing = dataclasses.replace(lost, results=lost.results[lost.results["split"] == "test"])
    assert winner(nothing, judged(lost)) is None


#: The search's verdict takes ten seconds.
STUDIES = [pytest.param(name, marks=pytest.mark.slow) if "search" in name else name for name in names("dashboards")]


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_has_a_winner_among_what_its_verdict_compares(study: str) -> None:
    run = simulated(study)
    results = run.results.assign(weights=run.results.index.map(str))  # some simulated runs have no stages, and no val
    results["parents"] = [[]] * len(results)
    run = dataclasses.replace(
        run, results=pd.concat([results[results["split"] == "test"].assign(split="val"), results])
    )
    (verdict,) = verdicts(run, load("dashboards", study))
    chosen = winner(run, verdict)
    assert chosen is not None and chosen in [
        cell.model_copy(update={"why": chosen.why}) for cell in trained(run, chosen.target)
    ]
    assert run.arms[chosen.arm] in chosen.why


def test_the_page_says_where_the_weights_are_and_how_to_load_them() -> None:
    run = simulate.run(examples=60)
    verdict = judged(run)
    chosen = winner(run, verdict)
    assert chosen is not None
    page = render(
        run, DASHBOARD, [verdict], [Handed("rsscn7", chosen, "hpt-study export <x>", "import timm\nnetwork = 1")]
    )
    part = page.split("Where the weights are and how to load them</h2>")[1].split("</section>")[0]
    assert f"stages/{chosen.stage.replace('>', '&gt;')}/weights.safetensors" in part
    assert "<code>hpt-study export &lt;x&gt;</code>" in part and "<code>import timm\nnetwork = 1</code>" in part
    assert chosen.why.replace(">", "&gt;") in part
    assert "Where the weights are" not in render(run, DASHBOARD, [verdict])
