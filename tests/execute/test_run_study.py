"""Whole runs of a tiny study in this process: two iterations of a small network on a few drawn images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

import hpt_ray
from hpt_ray.cli import console
from hpt_ray.core.errors import StoreError, StudyError, UnknownNameError
from hpt_ray.execute.backends import inline
from hpt_ray.execute.estimate import estimate
from hpt_ray.execute.events import Event, Observer, Progress
from hpt_ray.execute.finalize import Result
from hpt_ray.execute.prepare import prepare
from hpt_ray.execute.run import run
from hpt_ray.execute.runs import rewrite
from hpt_ray.execute.states import runs
from hpt_ray.planning.plan import Unit
from hpt_ray.report import dashboard
from hpt_ray.spec.study import Evaluation, Factor, Weights
from hpt_ray.store import schema as results
from hpt_ray.store.store import Store, _checksum
from hpt_ray.store.tables import run_schema
from hpt_ray.training.backbone import build
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.probes import linear
from hpt_ray.training.weights import checkpoints
from hpt_ray.training.weights.checkpoints import to_bytes
from tests.support import small
from tests.support.records import stage_record

#: Of the tiny study: the base, 3 arms x 2 policies, and two probes of each and of the random features.
STAGES = (1 + 3 * 2) + 2 * (1 + 3 * 2 + 1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """One finished run, which tests only read."""
    store = tmp_path_factory.mktemp("finished") / "store"
    return store, run(small.study(), store=store, runner="inline")


class Spy(Observer):
    """Counts what is run."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.cached = 0
        self.events: list[Event] = []
        self.last: Progress | None = None

    def planned(self, plan: Any, units: list[Unit], cached: int) -> None:
        self.units, self.cached = units, cached

    def progress(self, event: Event, progress: Progress) -> None:
        self.events.append(event)
        self.last = progress

    @property
    def trained(self) -> list[str]:
        return [stage.label for unit in self.units for stage in unit.stages if stage.kind == "pretrain"]


def numbers(result: Result) -> list[dict[str, Any]]:
    """The rows of a results table but for how long they took."""
    table = pq.read_table(result.results).drop_columns(["seconds"])
    return table.to_pylist()


def test_a_run_leaves_complete_tables_and_a_report(finished):
    _, result = finished
    folder = Path(result.results).parent
    assert {path.name for path in folder.iterdir()} == {
        "plan.json",
        "run.json",
        "results.parquet",
        "predictions.parquet",
        "curves.parquet",
        "views.parquet",
        "report.html",
        "verdict.json",
        "heartbeat.json",
    }
    tables = {name: pq.read_table(folder / f"{name}.parquet") for name in results.TABLES}
    for name, table in tables.items():
        assert table.schema == run_schema(results.TABLES[name], ["policy"])
    # 3 arms x 2 policies and direct transfer; 2 probes, 2 splits, before and after.
    assert tables["results"].num_rows == 7 * 2 * 2 * 2
    assert set(tables["results"]["status"].to_pylist()) == {"done"}
    assert result.failures == {}
    assert "<html" in Path(result.report).read_text()


def test_accuracies_are_the_share_of_correct_predictions(finished):
    _, result = finished
    axes = ("arm", "policy", "seed", "iteration", "evaluation")
    correct: dict[tuple[Any, ...], list[bool]] = {}
    for row in pq.read_table(Path(result.results).with_name("predictions.parquet")).to_pylist():
        correct.setdefault(tuple(row[axis] for axis in axes), []).append(row["label"] == row["prediction"])
    told = {tuple(row[axis] for axis in axes): row for row in numbers(result) if row["split"] == "test"}
    assert set(told) == set(correct)
    for cell, answers in correct.items():
        assert told[cell]["value"] == pytest.approx(sum(answers) / len(answers))
        assert told[cell]["n"] == len(answers)


def test_the_manifest_tells_what_was_run(finished):
    _, result = finished
    manifest = json.loads((Path(result.results).parent / "run.json").read_text())
    assert manifest["stages"] == {"total": STAGES, "cached": 0, "trained": STAGES, "failed": 0, "not_run": 0}
    assert manifest["failures"] == []
    assert manifest["study"]["precision"] == "float32"
    assert manifest["datasets"][small.TARGET]["train"] + manifest["datasets"][small.TARGET]["val"] == 64
    assert manifest["seconds"] > 0


def test_a_second_run_trains_nothing_and_says_the_same(finished, monkeypatch):
    store, result = finished

    def never(*_: Any) -> None:
        raise AssertionError("nothing is left to run")

    monkeypatch.setattr(inline, "run_unit", never)
    before, spy = numbers(result), Spy()
    again = run(small.study(), store=store, runner="inline", observer=spy)
    assert (spy.units, spy.cached, again.failures) == ([], STAGES, {})
    assert numbers(again) == before
    assert again.run.manifest.seconds == result.run.manifest.seconds  # the report still describes the first run


def test_two_stores_hold_the_same_numbers(finished, tmp_path):
    _, result = finished
    other = run(small.study(), store=tmp_path, runner="inline")
    assert numbers(other) == numbers(result)
    for name in ("predictions", "curves"):
        one, two = (pq.read_table(Path(r.results).with_name(f"{name}.parquet")) for r in (result, other))
        if name == "curves":
            one, two = one.drop_columns(["images_per_second"]), two.drop_columns(["images_per_second"])
        assert one.equals(two)


def test_one_more_seed_or_policy_runs_only_what_is_new(tmp_path):
    first = small.study(arms=("target", "base", "base>target"), factors=())
    run(first, store=tmp_path, runner="inline")
    spy = Spy()
    run(first.model_copy(update={"seeds": (0, 1)}), store=tmp_path, runner="inline", observer=spy)
    assert sorted(spy.trained) == ["From scratch, seed 1", "HPT, seed 1"]
    spy = Spy()
    wider = first.model_copy(update={"factors": (small.policy_factor(),), "seeds": (0, 1)})
    run(wider, store=tmp_path, runner="inline", observer=spy)
    assert sorted(spy.trained) == [
        "From scratch, crop_only, seed 0",
        "From scratch, crop_only, seed 1",
        "HPT, crop_only, seed 0",
        "HPT, crop_only, seed 1",
    ]


def test_two_studies_in_one_store_share_their_base(tmp_path):
    run(small.study(arms=("base",), factors=()), store=tmp_path, runner="inline")
    spy = Spy()
    run(small.study(name="other", arms=("base>target",), factors=()), store=tmp_path, runner="inline", observer=spy)
    assert spy.trained == ["HPT, seed 0"]


def test_a_stage_that_fails_is_recorded_and_the_rest_finishes(tmp_path, monkeypatch):
    study = small.study(arms=("target", "base>target", "base>target:bn"), factors=())
    spy, whole = Spy(), Pretrainer.run

    def broken(self: Pretrainer, *arguments: Any) -> Any:
        if len(self.trained) < len(list(self.method.bare_student.parameters())):  # batch norm alone: HPT-BN
            raise RuntimeError("out of memory\nand a long trace")
        return whole(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Pretrainer, "run", broken)
        result = run(study, store=tmp_path, runner="inline", observer=spy)
    assert result.failures == {"HPT-BN, seed 0": "RuntimeError: out of memory"}
    assert spy.last is not None
    assert (spy.last.done, list(spy.last.failed.values())) == (11, ["RuntimeError: out of memory"])
    rows = [row for row in numbers(result) if row["iteration"] > 0]
    assert {row["status"] for row in rows if row["arm"] != "base>target:bn"} == {"done"}
    holes = [row for row in rows if row["arm"] == "base>target:bn"]
    assert {(row["status"], row["value"], row["reason"]) for row in holes} == {
        ("failed", None, "RuntimeError: out of memory")
    }
    assert result.run.manifest.failures[0].reason == "RuntimeError: out of memory"
    assert "out of memory" in Path(result.report).read_text()
    (state,) = runs(Store(tmp_path))
    assert (state.finished, state.total, state.failed) == (11, 14, 3)

    again = run(study, store=tmp_path, runner="inline", observer=(spy := Spy()))
    assert spy.trained == ["HPT-BN, seed 0"]
    assert again.failures == {}
    assert {row["status"] for row in numbers(again)} == {"done"}
    assert runs(Store(tmp_path))[0].failed == 0


def test_what_needs_a_failed_stage_fails_with_it_and_says_so(tmp_path, monkeypatch):
    study = small.study(arms=("target", "base>target"), factors=())
    whole = Pretrainer.run

    def broken(self: Pretrainer, *arguments: Any) -> Any:
        if self.iterations == 3:  # the base
            raise StudyError("the loss is nan")
        return whole(self, *arguments)

    monkeypatch.setattr(Pretrainer, "run", broken)
    result = run(study, store=tmp_path, runner="inline")
    assert result.failures == {
        "base pretraining": "the loss is nan",
        "HPT, seed 0": "needs base pretraining, which failed",
    }
    assert {row["status"] for row in numbers(result) if row["arm"] == "target"} == {"done"}


def test_a_probe_that_fails_costs_its_own_value_alone(tmp_path, monkeypatch):
    study = small.study(arms=("target", "base", "base>target"), factors=())
    whole, calls = linear.probe, []

    def broken(splits: Any) -> Any:
        calls.append(splits)
        if len(calls) == 1:  # the first weights to be finished: the base
            raise ValueError("no convergence")
        return whole(splits)

    with monkeypatch.context() as patch:
        patch.setattr(linear, "probe", broken)
        result = run(study, store=tmp_path, runner="inline")
    assert set(result.failures) == {"base pretraining"}
    after = [row for row in numbers(result) if row["iteration"] > 0]
    assert {row["status"] for row in after if row["arm"] in ("target", "base>target")} == {"done"}
    assert {row["status"] for row in after if row["arm"] == "base" and row["evaluation"] == "linear"} == {"failed"}
    spy = Spy()
    assert run(study, store=tmp_path, runner="inline", observer=spy).failures == {}
    assert spy.trained == []


def test_an_interrupted_run_goes_on_where_it_was(tmp_path, monkeypatch):
    study = small.study(arms=("target",), factors=(), seeds=(0, 1))
    whole, done = inline.run_unit, []

    def interrupted(unit: Unit, *arguments: Any) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(unit.label)
        whole(unit, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(inline, "run_unit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(study, store=tmp_path, runner="inline")
    (state,) = runs(Store(tmp_path))
    assert 0 < state.finished < state.total
    assert state.failed == 0
    part = rewrite(Store(tmp_path), "small")
    assert {row["status"] for row in numbers(part)} == {"done", "missing"}
    assert part.failures == {}
    spy = Spy()
    assert run(study, store=tmp_path, runner="inline", observer=spy).failures == {}
    assert not {unit.label for unit in spy.units} & set(done)


def test_runs_are_listed_and_a_report_is_written_again(finished):
    store, result = finished
    (state,) = runs(Store(store, create=False))
    assert (state.finished, state.total, state.failed, state.report) == (STAGES, STAGES, 0, result.report)
    before = numbers(result)
    Path(result.report).unlink()
    for name in ("small", state.run):
        assert numbers(rewrite(Store(store, create=False), name)) == before
    assert "<html" in Path(result.report).read_text()
    with pytest.raises(UnknownNameError, match=r"unknown run 'smal'\. Available: small-"):
        rewrite(Store(store, create=False), "smal")


def without(store: Path, *names: str) -> Path:
    """Take files out of the one run of a store, whose record then is one of an earlier version; the run's folder."""
    (folder,) = (store / "runs").iterdir()
    record = json.loads((folder / "run.json").read_text())
    record["files"] = {name: checksum for name, checksum in record["files"].items() if name not in names}
    (folder / "run.json").write_text(json.dumps(record | {"checksum": _checksum(record)}))
    for name in names:
        (folder / name).unlink()
    return folder


def test_a_run_without_views_is_made_anew_unless_code_has_changed(tmp_path, monkeypatch):
    made = run(small.study(arms=("base",), factors=()), store=tmp_path, runner="inline")
    page = Path(made.report).read_text()
    name = without(tmp_path, "views.parquet").name
    assert Path(rewrite(Store(tmp_path), name).report).read_text() == page
    without(tmp_path, "views.parquet")
    monkeypatch.setitem(__import__("hpt_ray.core.identity", fromlist=["VERSIONS"]).VERSIONS, "evaluate", 999)
    with pytest.raises(StoreError, match=r"views\.parquet was not written.*data and code that have not changed"):
        rewrite(Store(tmp_path), name)
    manifest = tmp_path / "runs" / name / "run.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"study": {"name": "small"}}))
    with pytest.raises(StoreError, match="run the study again"):
        rewrite(Store(tmp_path), name)


def test_runs_of_an_empty_store_are_none(tmp_path):
    assert runs(Store(tmp_path / "nothing", create=False)) == []


def test_the_python_calls_make_and_run_a_study(tmp_path):
    study = hpt_ray.make(
        "augment_ablation",
        base=small.BASE,
        target=(small.TARGET,),
        arms=("base",),
        seeds=1,
        iterations=2,
        base_iterations=2,
        batch=16,
        group=8,
        image_size=16,
    )
    result = hpt_ray.run(study, store=tmp_path, runner="inline")
    assert set(result.run.results["arm"]) == {"base"}
    assert result.run.manifest.command == (
        f"hpt-study run augment_ablation --set base={small.BASE} --set target={small.TARGET} --set arms=base "
        f"--set seeds=1 --set iterations=2 --set base_iterations=2 --set batch=16 --set group=8 --set image_size=16 "
        f"--runner inline --store {tmp_path}"
    )


def test_given_weights_serve_as_a_base(tmp_path):
    first = run(small.study(arms=("base",), factors=()), store=tmp_path, runner="inline")
    (stage,) = {row["weights"] for row in numbers(first) if row["iteration"]}
    file = tmp_path / "weights.safetensors"
    file.write_bytes(Store(tmp_path).stage_file(stage, "weights.safetensors"))
    values = []
    for source in (f"stage:{stage}", str(file)):
        recipes = {**small.study().recipes, "base": Weights(source=source)}
        made = run(
            small.study(arms=("base", "base>target"), factors=(), recipes=recipes), store=tmp_path, runner="inline"
        )
        assert made.failures == {}
        values.append([row["value"] for row in numbers(made)])
    direct = [row["value"] for row in numbers(first) if row["iteration"]]
    assert values[0] == values[1]
    assert values[0][: len(direct)] == direct


@pytest.mark.parametrize("downloaded", [False, True])
def test_what_is_taken_over_of_given_weights_is_said_by_plan_and_report(tmp_path, monkeypatch, downloaded):
    own = dict(build("resnet_small", 0).state_dict())
    content = {f"module.encoder_q.{key}": value for key, value in own.items()}
    content |= {"module.encoder_q.fc.0.weight": torch.rand(4, 4), "module.queue": torch.rand(4, 8)}
    source = "torchvision:resnet18" if downloaded else str(tmp_path / "moco.pth")
    torch.save(content, tmp_path / "moco.pth")
    monkeypatch.setattr(checkpoints, "fetch", lambda name: content)
    study = small.study(arms=("base",), factors=(), recipes={**small.study().recipes, "base": Weights(source=source)})
    line = (
        f"weights {source}: 45 of 45 tensors, from module.encoder_q.; left out: 1 of heads such as "
        "module.encoder_q.fc.0.weight and 1 of other networks or training state such as module.queue."
    )
    remarks = prepare(study, Store(tmp_path / "store", create=False)).plan.notes
    if downloaded:
        assert remarks[0] == f"weights {source}: downloaded when they are needed; the report says what is taken over."
    else:
        assert remarks[0] == line
    made = run(study, store=tmp_path / "store", runner="inline")
    assert made.run.manifest.weights == (line,)
    assert line in Path(made.report).read_text(encoding="utf-8")


@pytest.mark.parametrize("source", ["file", "stage"])
def test_weights_that_do_not_fit_end_the_study_before_anything_is_trained(tmp_path, source):
    data = to_bytes(build("resnet18", 0))
    store = Store(tmp_path / "store")
    if source == "file":
        (tmp_path / "other.safetensors").write_bytes(data)
    else:
        store.finish("abc", {"weights.safetensors": data}, stage_record())
    given = str(tmp_path / "other.safetensors") if source == "file" else "stage:abc"
    study = small.study(recipes={**small.study().recipes, "base": Weights(source=given)})
    with pytest.raises(StudyError, match="the checkpoint does not fit: only 0 of"):
        run(study, store=tmp_path / "store", runner="inline")
    assert not (tmp_path / "store" / "runs").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "resnet19"}, "unknown backbone 'resnet19'"),
        ({"evaluations": (Evaluation(probe="linera"),)}, "unknown probe 'linera'. Did you mean 'linear'"),
        ({"evaluations": (Evaluation(probe="knn", options={"k": 3}),)}, "evaluation 'knn': .*'k'; its options: none"),
        ({"targets": ("synthetic:shap",)}, "unknown synthetic domain 'shap'. Did you mean 'shape'"),
        ({"recipes": {"base": small.recipe(data="digits"), "target": small.recipe(method="mocov2")}}, "unknown method"),
        (
            {
                "recipes": {
                    "base": small.recipe(data="digits"),
                    "target": small.recipe(batch=128, options={"queue": 128}),
                }
            },
            "fewer than a batch of 128",
        ),
        ({"recipes": {"base": small.recipe(data="digits"), "target": small.recipe(options={"k": 1})}}, "no option 'k'"),
    ],
)
def test_what_can_be_known_beforehand_is_refused_before_anything_is_written(tmp_path, changes, message):
    with pytest.raises(StudyError, match=message):
        run(small.study(**changes), store=tmp_path / "store", runner="inline")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runner": "inline", "workers": 2}, "the inline runner has one worker, not 2"),
        ({"runner": "inline", "slots": 2}, "the inline runner runs one stage at a time: leave --slots"),
        ({"runner": "inline", "stages_per_gpu": 2}, "the inline runner runs one stage at a time: leave --slots"),
        ({"runner": "inline", "gpus": 2}, "the inline runner uses one GPU at most, not 2: leave --gpus out"),
        ({"runner": "inline", "address": "auto"}, "the inline runner joins no cluster: leave --address out"),
        ({"runner": "rai"}, "unknown backend 'rai'. Did you mean 'ray'"),
        ({"workers": 3}, "2 normalisation groups cannot be shared equally by 3 workers"),
        ({"address": "127.0.0.1:1"}, r"no Ray answers at 127\.0\.0\.1:1 .*refused.*: check the address"),
        ({"address": "ray://127.0.0.1:1"}, "cannot run through ray://127.0.0.1:1, .* submit it as a job"),
        ({"address": "127.0.0.1:99999"}, "no Ray answers at"),
    ],
)
def test_a_runner_that_cannot_begin_leaves_nothing_behind(tmp_path, options, message):
    with pytest.raises(StudyError, match=message) as caught:
        run(small.study(), store=tmp_path / "store", **options)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_plan_is_estimated_from_a_test_or_from_what_is_finished(finished, tmp_path, monkeypatch):
    store, _ = finished
    prepared = prepare(small.study(seeds=(0, 1)), Store(tmp_path, create=False))
    unknown = estimate(prepared, Store(tmp_path, create=False), workers=1)
    # 3 iterations of the base, 2 of each of 3 arms x 2 policies x 2 seeds, at 16 images.
    assert (unknown.cached, unknown.images, unknown.measured_by) == (0, 16 * (3 + 2 * 3 * 2 * 2), "a test here")
    known = estimate(prepared, Store(store, create=False), workers=1)
    assert (known.cached, known.images, known.measured_by) == (STAGES, 16 * 2 * 3 * 2, "finished stages")
    assert 0 < known.seconds < unknown.seconds + 60
    nothing = estimate(prepare(small.study(), Store(store)), Store(store), workers=1)
    assert (nothing.to_run, nothing.images, nothing.rate, nothing.measured_by) == (0, 0, 0.0, "nothing to train")


def test_a_studys_own_dashboard_is_used_where_there_is_one():
    own = [dashboard.find(small.study(name=name)) for name in ("augment_ablation", "a_users_own_study", "methods")]
    assert own[0] == own[1] != own[2]


def test_a_run_whose_units_all_fail_for_one_reason_is_given_up_after_the_third(tmp_path, monkeypatch, capsys):
    study = small.study(arms=("target",), seeds=(0, 1, 2))  # six pretrainings
    tried = []

    def broken(self: Pretrainer, *arguments: Any) -> Any:
        tried.append(self)
        raise StudyError("there is no folder ./my_images.")

    monkeypatch.setattr(Pretrainer, "run", broken)
    result = run(study, store=tmp_path, runner="inline")
    assert len(tried) == 3
    counts, (state,) = result.run.manifest.stages, runs(Store(tmp_path))
    assert result.run.manifest.given_up == "there is no folder ./my_images."
    assert (
        counts.failed
        == state.failed
        == len([row for row in result.run.manifest.failures or () if row.reason == "there is no folder ./my_images."])
    )
    assert counts.failed + counts.not_run == counts.total
    page = Path(result.report).read_text()
    assert page.index("Nothing can be said") < page.index("there is no folder ./my_images.")
    assert "cannot be said" not in page
    console.result(result)
    printed = capsys.readouterr().out
    assert f"{counts.failed} stages failed, {counts.not_run} stages not run" in printed
    assert "cannot be said" not in printed
    monkeypatch.undo()
    mended = run(study, store=tmp_path, runner="inline")
    assert mended.failures == {} and mended.run.manifest.given_up is None


@pytest.mark.parametrize(
    ("before", "finished", "given_up"),
    [([], (), True), (["failed"], (), False), (["finished"], (), False), ([], ("evaluation",), False)],
    ids=["nothing else", "another failure", "a success", "a result of an earlier run"],
)
def test_only_the_first_units_that_fail_alike_end_a_run(
    before: list[str], finished: tuple[str, ...], given_up: bool
) -> None:
    progress = Progress(finished=set(finished), cells=(("evaluation",),), stages_of={"0": ("base",)})
    for kind in before:
        progress.update(Event.model_validate({"kind": kind, "unit": "0", "label": "0", "reason": "out of memory"}))
    for unit, reason in (("1", "nan"), ("2", "nan"), ("3", "needs 2, which failed")):
        progress.update(Event(kind="failed", unit=unit, label=unit, reason=reason))
        assert progress.hopeless is None
    progress.update(Event(kind="failed", unit="4", label="4", reason="nan"))
    assert progress.hopeless == ("nan" if given_up else None)


def test_a_study_of_two_factors_is_shown_at_the_baseline_of_the_second(tmp_path):
    rates = Factor(name="rate", field="lr", levels={"low": 0.01, "high": 0.1}, baseline="low")
    study = small.study(factors=(small.policy_factor(), rates), arms=("target", "base>target"))
    result = run(study, store=tmp_path, runner="inline")
    assert result.verdicts[0].sentence.startswith(f"On {small.TARGET}, at lr 0.01, ")
    alone = study.model_copy(
        update={"factors": study.factors[:1], "recipes": study.recipes | {"target": small.recipe(lr=0.01)}}
    )
    assert result.verdicts[0].table == run(alone, store=tmp_path, runner="inline").verdicts[0].table


def test_a_report_runs_python_of_a_store_only_if_it_is_trusted(tmp_path):
    mark, method = tmp_path / "ran", tmp_path / "method.py"
    method.write_text(
        f"from pathlib import Path\nfrom hpt_ray.training.methods.moco_v2 import method as method\n"
        f"Path({str(mark)!r}).touch()\n"
    )
    study = small.study(arms=("target",), factors=(), recipes={"target": small.recipe(method=str(method))})
    made = run(study, store=tmp_path / "store", runner="inline")
    mark.unlink()
    name, page = Path(made.report).parent.name, Path(made.report).read_text()
    for trust in (False, True):  # the page is made from what is stored
        rewrite(Store(tmp_path / "store"), name, trust=trust)
    assert not mark.exists() and Path(made.report).read_text() == page
    without(tmp_path / "store", "views.parquet")
    with pytest.raises(StoreError, match=r"method\.py.*add --trust"):
        rewrite(Store(tmp_path / "store"), name)
    assert not mark.exists()
    rewrite(Store(tmp_path / "store"), name, trust=True)
    assert mark.exists()
