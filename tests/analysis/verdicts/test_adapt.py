"""All ways of going on from one base, on runs whose truth is known, whole and with holes."""

from __future__ import annotations

import pandas as pd
import pytest

from hpt_ray.analysis.measures.effort import effort
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.verdicts.adapt import verdict
from hpt_ray.core.registry import load
from hpt_ray.report.figures import effort as drawing
from hpt_ray.report.render import verdicts
from hpt_ray.spec.parameters import make
from tests.support import simulate_studies as simulate

ACCURACY = {
    "target": 0.5,
    "base": 0.5,
    "base>target": 0.75,
    "base>target:bn": 0.6,
    "base~0.5~target": 0.75,
    "base>target:keep": 0.7,
}
#: Weights trained by each seed's last phase.
TRAINED = {"base>target": 5000, "base>target:bn": 70}


@pytest.fixture(scope="module")
def run() -> Run:
    made = simulate.run(simulate.adapt(seeds=(0, 1, 2, 3, 4)), lambda cell: ACCURACY[cell.arm], examples=600)
    made.results["trained"] = made.results["arm"].map(TRAINED).astype("Int64")
    return made


def test_hpt_is_held_against_every_other_arm(run: Run) -> None:
    found = verdict(run, "aerial")
    assert [claim.against for claim in found.claims] == [
        label for arm, label in run.arms.items() if arm != "base>target"
    ]
    assert {claim.subject for claim in found.claims} == {"HPT"} and len({claim.family for claim in found.claims}) == 1
    assert "HPT is better than pretraining from scratch (+" in found.sentence
    done = run.predictions[(run.predictions["iteration"] > 0) & (run.predictions["evaluation"] == "linear")]
    accuracy = (done["label"] == done["prediction"]).groupby(done["arm"]).mean()
    for claim, arm in zip(found.claims, (arm for arm in run.arms if arm != "base>target"), strict=True):
        assert claim.difference is not None
        assert claim.difference.estimate == pytest.approx(accuracy["base>target"] - accuracy[arm])


def test_the_table_has_time_and_size_of_what_was_trained(run: Run) -> None:
    rows = {row[0]: row for row in verdict(run, "aerial").table.rows}
    assert rows["HPT"][2:] == ("–", "12 s", "5,000") and rows["HPT-BN"][3:] == ("12 s", "70")
    assert rows["base>target:keep"][4] == "–"  # a run of an earlier version does not know


def test_what_averages_gain_and_lose_is_said_too(run: Run) -> None:
    (found,) = verdicts(run, load("dashboards", "adapt"))
    assert "base~0.5~target gains " in found.sentence and "base>target:keep gains " in found.sentence


def test_effort_is_the_mean_over_seeds(run: Run) -> None:
    results = run.results
    chosen = (results["arm"] == "base>target") & (results["iteration"] > 0)
    seconds = pd.Series([2.0 + seed for seed in range(chosen.sum())], results.index[chosen])
    results = results.assign(seconds=results["seconds"].where(~chosen, seconds))
    changed = type(run)(results, run.predictions, run.curves, run.views, run.manifest)
    own = changed.rows()
    wanted = own[(own["arm"] == "base>target") & (own["evaluation"] == "linear")]["seconds"].mean()
    spent = effort(changed, "aerial", "base>target")
    assert spent is not None and spent.seconds == pytest.approx(wanted) and spent.trained == 5000
    drawn = drawing.figure.draw(drawing.figure.compute(changed))
    places = {trace.name: trace.x[0] for trace in drawn.data}
    assert places["HPT"] == pytest.approx(wanted) and places["Direct transfer"] == 0 and len(places) == len(run.arms)


def test_holes_and_a_study_without_hpt_are_no_crash() -> None:
    failed = simulate.run(simulate.adapt(), lambda cell: 0.6, failed=lambda cell, seed: True, examples=50)
    assert "HPT is not comparable with" in verdict(failed, "aerial").sentence
    assert effort(failed, "aerial", "base>target") is None
    without = simulate.run(simulate.study("alone", ("base", "target")), lambda cell: 0.6, examples=50)
    assert verdict(without, "aerial").sentence == (
        "On aerial, nothing was compared: the study lacks HPT or what it is held against."
    )


def test_forgetting_is_measured_on_the_bases_own_data_where_there_is_any() -> None:
    made = make("adapt", {"averages": "0.25,0.5"})
    assert made.retained is not None and made.retained.data == made.recipes["base"].data  # type: ignore[union-attr]
    assert [arm.chain for arm in made.arms if "~" in arm.chain] == ["base~0.25~target", "base~0.5~target"]
    other = make("adapt", {"retain": "digits"}).retained
    assert other is not None and other.data == "digits"
    assert make("adapt", {"base": "weights:torchvision:resnet18"}).retained is None
