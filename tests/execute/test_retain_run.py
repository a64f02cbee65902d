"""``--set retain=``: a tiny study in this process that also evaluates its arms on the data of its base."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt_ray.core import registry
from hpt_ray.core.errors import StudyError
from hpt_ray.execute.estimate import estimate
from hpt_ray.execute.finalize import Result
from hpt_ray.execute.prepare import prepare
from hpt_ray.execute.run import run
from hpt_ray.spec.parameters import make
from hpt_ray.spec.study import Evaluation, Study
from hpt_ray.store.store import Store
from tests.support import small

KNN = Evaluation(probe="knn")


def study(*more: Evaluation) -> Study:
    return small.study(factors=(), evaluations=(KNN, *more))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One finished run, which tests only read."""
    return run(study(KNN.on(small.BASE)), store=tmp_path_factory.mktemp("store"), runner="inline")


def test_every_arm_is_evaluated_on_the_data_of_the_base(finished: Result) -> None:
    rows = finished.run.results
    assert set(rows["status"]) == {"done"}
    after = rows[(rows["iteration"] > 0) & (rows["split"] == "test")]
    by_evaluation = after.groupby("evaluation")["arm"].agg(set)
    assert by_evaluation["knn"] == by_evaluation["knn_retained"] == set(small.ARMS)
    stages = finished.handover.plan.stages
    data = {name: {stages[stage].data for stage in own} for name, own in after.groupby("evaluation")["stage"]}
    assert data == {"knn": {small.TARGET}, "knn_retained": {small.BASE}}
    # Before its last phase HPT was the base as it is.
    step0 = rows[(rows["arm"] == "base>target") & (rows["iteration"] == 0) & (rows["evaluation"] == "knn_retained")]
    assert set(step0["stage"]) == set(
        after[(after["arm"] == "base") & (after["evaluation"] == "knn_retained")]["stage"]
    )


def test_the_report_shows_it_and_weights_are_chosen_on_the_target(finished: Result) -> None:
    page = Path(finished.report).read_text()
    assert "Gain on the target against forgetting" in page and "Change on objects" in page
    assert "exploratory: HPT " in finished.verdicts[0].sentence
    (winner,) = finished.handover.winners.values()
    assert winner is not None and "retained" not in winner.why


def test_all_other_stages_stay_the_same(tmp_path: Path) -> None:
    without, with_it = (prepare(each, Store(tmp_path)) for each in (study(), study(KNN.on(small.BASE))))
    assert set(without.plan.stages) < set(with_it.plan.stages)
    added = [stage for name, stage in with_it.plan.stages.items() if name not in without.plan.stages]
    assert {stage.kind for stage in added} == {"evaluate"} and len(added) == 5  # four arms, and random features
    assert estimate(with_it, None, 1).to_run == len(with_it.plan.stages)


def test_data_that_cannot_be_evaluated_on_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="unknown data set") as caught:
        prepare(study(KNN.on("nowhere")), Store(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("same", [small.TARGET, small.TARGET.replace(",", ",seed=0,")])
def test_the_target_itself_is_refused_under_any_name(same: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=f"retain={same} is the same data as the target {small.TARGET}, .*retain=none"):
        prepare(study(KNN.on(same)), Store(tmp_path))


@pytest.mark.parametrize("name", registry.names("studies"))
def test_every_study_can_measure_it(name: str) -> None:
    made = make(name, {"retain": "digits"})
    assert made.retained is not None and made.retained.data == "digits" and made.retained.name.endswith("_retained")
    without = make(name, {"retain": "none"})
    assert without.retained is None and made.evaluations == (*without.evaluations, made.retained)
