"""Gains on the target against losses on the base's own data, on runs whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.forgetting import forgetting
from hpt_ray.analysis.measures.robustness import mean
from hpt_ray.analysis.measures.run import Run
from hpt_ray.core.errors import StudyError
from hpt_ray.core.registry import load
from hpt_ray.report.figures import forgetting as drawing
from hpt_ray.report.figures import forgetting_table
from hpt_ray.report.render import render, verdicts
from hpt_ray.spec.study import Evaluation, Study
from tests.support import simulate_studies as simulate

LINEAR = Evaluation(probe="linear")
#: True accuracies on the target, and on the data of the base.
ACCURACY = {"linear": {"base": 0.5, "target": 0.6, "base>target": 0.7, "base>target:bn": 0.6}}
ACCURACY["linear_retained"] = {"base": 0.8, "target": 0.5, "base>target": 0.65, "base>target:bn": 0.8}


def study(**changes: object) -> Study:
    return simulate.study("kept", simulate.FOUR, evaluations=(LINEAR, LINEAR.on("objects")), **changes)


def truth(cell: simulate.Cell) -> float:
    return ACCURACY[cell.evaluation][cell.arm]


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate.run(study(seeds=(0, 1, 2, 3, 4)), truth, examples=800)


def test_differences_are_those_of_the_tables_and_paired(run: Run) -> None:
    done = run.predictions[run.predictions["iteration"] > 0]
    accuracy = (done["label"] == done["prediction"]).groupby([done["evaluation"], done["arm"]]).mean()
    measured = forgetting(run, "aerial")
    assert measured is not None and measured.base == "base" and measured.retained == "objects"
    assert [each.arm for each in measured.balances] == ["target", "base>target", "base>target:bn"]
    for each in measured.balances:
        for claim, name in ((each.gain, "linear"), (each.kept, "linear_retained")):
            assert claim.difference is not None and claim.exploratory
            assert claim.difference.estimate == pytest.approx(accuracy[name, each.arm] - accuracy[name, "base"])


def test_both_intervals_of_an_arm_err_in_half_as_many_cases(run: Run) -> None:
    measured = forgetting(run, "aerial")
    assert measured is not None
    for each in measured.balances:
        for claim, name in ((each.gain, "linear"), (each.kept, "linear_retained")):
            arm, base = (run.scores("aerial", chain, "", name) for chain in (each.arm, "base"))
            usual, joint = mean(arm - base), claim.difference
            assert usual is not None and joint is not None
            assert (joint.low, joint.high) == pytest.approx((usual.at(0.025).low, usual.at(0.025).high))
            assert joint.high - joint.low > usual.high - usual.low


def test_the_verdict_says_what_each_arm_of_the_base_gains_and_loses(run: Run) -> None:
    (verdict,) = verdicts(run, load("dashboards", "sequential"))
    said = verdict.sentence.split("exploratory: ")[1]
    assert said.startswith("HPT gains ") and " points on aerial and loses " in said and " points on objects" in said
    assert "HPT-BN gains " in said and "scratch" not in said
    assert "Exploratory: what arms gain on the target and lose on objects, against direct transfer" in " ".join(
        verdict.notes
    )
    kept = [claim for claim in verdict.claims if claim.evaluation == "linear_retained"]
    assert [claim.subject for claim in kept] == ["From scratch", "HPT", "HPT-BN"]
    assert [claim.outcome for claim in kept[:2]] == [Outcome.WORSE, Outcome.WORSE]
    assert any(each.text.startswith("Exploratory: HPT gains ") for each in verdict.statements)
    assert "objects" not in verdict.headline


def test_figure_and_table_have_every_arm(run: Run) -> None:
    drawn = drawing.figure.draw(drawing.figure.compute(run))
    points = {trace.name: (trace.x[0], trace.y[0]) for trace in drawn.data}
    (panel,) = forgetting_table.figure.compute(run)
    rows = {row[0]: row for row in panel.table.rows}
    assert list(rows) == ["Direct transfer", "From scratch", "HPT", "HPT-BN"] and set(points) == set(rows) - {
        "Direct transfer"
    }
    np.testing.assert_allclose(points["HPT"], (-15, 20), atol=4)
    assert rows["Direct transfer"][3:] == ("–", "–") and rows["HPT"][3].endswith(" ▲") and rows["HPT"][4].endswith(" ▼")
    page = render(run, load("dashboards", "sequential"), verdicts(run, load("dashboards", "sequential")))
    assert "Gain on the target against forgetting" in page and "Change on objects, points" in page


def test_a_run_with_holes_says_so() -> None:
    failed = simulate.run(study(), truth, failed=lambda cell, seed: cell.arm == "base>target:bn", examples=100)
    (verdict,) = verdicts(failed, load("dashboards", "sequential"))
    assert "HPT-BN cannot be compared with direct transfer on aerial (no result for HPT-BN)" in verdict.sentence


def test_a_study_without_it_says_nothing() -> None:
    plain = simulate.run(simulate.study("plain", simulate.FOUR), truth, examples=100)
    assert forgetting(plain, "aerial") is None
    (verdict,) = verdicts(plain, load("dashboards", "sequential"))
    assert "exploratory" not in verdict.sentence


def test_there_must_be_a_base_to_measure_against() -> None:
    with pytest.raises(StudyError, match=r"forgotten on objects is measured against .*: add the arm 'base'\.$"):
        simulate.study("kept", ("target", "base>target"), evaluations=(LINEAR, LINEAR.on("objects")))
    with pytest.raises(StudyError, match="first evaluation chooses weights"):
        simulate.study("kept", simulate.FOUR, evaluations=(LINEAR.on("objects"),))
