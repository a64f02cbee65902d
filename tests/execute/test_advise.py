"""Advice of a tiny real run in this process: what it says, interrupted or not, its commands, and what it refuses."""

from __future__ import annotations

import itertools
import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hpt_ray.core.errors import StudyError
from hpt_ray.execute import screen
from hpt_ray.execute.advise import advise
from hpt_ray.execute.backends import inline
from hpt_ray.execute.events import Observer
from hpt_ray.execute.export import export
from hpt_ray.execute.finalize import Result
from hpt_ray.execute.run import run
from hpt_ray.execute.runs import rewrite
from hpt_ray.spec.parameters import given, make
from hpt_ray.store.store import Store
from tests.support.interruption import interrupted_after

TARGET, BASE = "synthetic:shape,n=100", "synthetic:objects,n=80"
SMALL = {"batch": 16, "group": 8, "image_size": 16, "precision": "float32"}
TINY = SMALL | {
    "arms": "base>target,base>target:bn",
    "base_iterations": 2,
    "policies": "baseline",
    "budgets": "2",
    "probe": "knn",
}


class Spy(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def looked(self, line: str) -> None:
        self.lines.append(line)


def content(result: Result) -> dict[str, Any]:
    """``advice.json`` without times."""
    file = json.loads((Path(result.report).parent / "advice.json").read_text())
    file["spent"] = {name: value for name, value in file["spent"].items() if "seconds" not in name and name != "text"}
    file["cost"] = {name: value for name, value in file["cost"].items() if "seconds" not in name}
    file["sentences"][1] = file["sentences"][1].partition(", and takes ")[0]
    file["commands"] = [command.partition(" --store ")[0] for command in file["commands"]]
    return file


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, Spy]:
    store, spy = tmp_path_factory.mktemp("advice"), Spy()
    return store, advise(TARGET, BASE, TINY, store=store, runner="inline", observer=spy), spy


def test_it_screens_on_val_and_decides_on_fresh_seeds(finished: tuple[Path, Result, Spy]) -> None:
    _, result, spy = finished
    assert spy.lines[0].startswith("screened 4 candidates on 1 seed: ")
    assert spy.lines[1].startswith("look after 3 seeds: ")
    screening = result.run.manifest.screening
    assert screening is not None and screening.ended == "settled"
    (rung,) = screening.rungs
    assert set(rung.values) == {"target", "base", "base>target", "base>target:bn"}
    assert result.run.study.seeds[:3] == (3, 4, 5)
    ranked = sorted(set(rung.values) - {"base"}, key=lambda arm: -(rung.values[arm] or 0.0))
    assert {rung.values[arm] for arm in screening.finalists} == {rung.values[arm] for arm in ranked[:2]}


def test_page_json_and_terminal_say_the_same(finished: tuple[Path, Result, Spy]) -> None:
    _, result, _ = finished
    assert result.advice is not None
    page, file = Path(result.report).read_text(), content(result)
    assert file["sentences"][0] == result.advice.sentences[0] and result.advice.sentences[0] in page
    assert file["commands"][0].startswith("hpt-study run augment_ablation ")
    assert file["spent"]["screening_images"] == 16 * (2 + 2 + 2 + 2)  # the base, from scratch, HPT and HPT-BN
    assert not list(Path(result.report).parents[2].glob("runs/augment*"))


def test_the_weights_that_its_run_hands_over_are_the_recommended_ones(finished: tuple[Path, Result, Spy]) -> None:
    _, result, _ = finished
    (target,) = json.loads((Path(result.report).parent / "verdict.json").read_text())["targets"]
    assert target["winner"]["arm"] == content(result)["recommended"]["arm"]
    assert target["winner"]["why"].endswith("it is what the advice recommends")


def test_again_and_rewritten_it_says_the_same_and_trains_nothing(
    finished: tuple[Path, Result, Spy], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, result, _ = finished
    monkeypatch.setattr(inline, "run_unit", lambda *_: pytest.fail("nothing is left to run"))
    before = content(result)
    assert content(advise(TARGET, BASE, TINY, store=store, runner="inline")) == before
    assert content(rewrite(Store(store), "advice")) == before


@pytest.mark.parametrize("units", [pytest.param(2, marks=pytest.mark.slow), 8])
def test_interrupted_it_gives_the_same_advice(
    finished: tuple[Path, Result, Spy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, units: int
) -> None:
    """In the middle of the screening, and of the seeds that decide."""
    _, result, _ = finished
    with interrupted_after(units, monkeypatch):
        advise(TARGET, BASE, TINY, store=tmp_path, runner="inline")
    assert content(advise(TARGET, BASE, TINY, store=tmp_path, runner="inline")) == content(result)


def test_its_commands_work_as_printed_and_find_what_is_stored(
    finished: tuple[Path, Result, Spy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, result, _ = finished
    assert result.advice is not None
    train, write = map(shlex.split, result.advice.commands)
    assert train[:3] == ["hpt-study", "run", "augment_ablation"]
    settings = given(value for option, value in itertools.pairwise(train) if option == "--set")
    monkeypatch.setattr(inline, "run_unit", lambda *_: pytest.fail("the screening has trained this"))
    trained = run(make("augment_ablation", settings), store=store, runner="inline")
    assert not trained.failures
    monkeypatch.chdir(tmp_path)
    options = dict(zip(write[3::2], write[4::2], strict=True))
    written = export(Store(store), write[2], options["--to"], options["-o"], arm=options["--arm"])  # type: ignore[arg-type]
    assert Path(options["-o"]).stat().st_size == written.size
    assert options["--store"] == str(store)


def test_a_budget_too_small_for_one_look_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"a budget of 1\.0 s does not pay for one seed of 4 candidates and a look"):
        advise(TARGET, BASE, TINY, store=tmp_path, runner="inline", budget=1.0)
    assert not Store(tmp_path).finished()


@pytest.mark.slow
def test_a_rung_that_the_budget_does_not_pay_for_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = iter([1.0, 1.0, 1e6, 1.0])
    monkeypatch.setattr(screen, "estimate", lambda *_: SimpleNamespace(seconds=next(costs)))
    monkeypatch.setattr("hpt_ray.execute.looks.estimate", lambda *_: SimpleNamespace(seconds=1.0))
    settings = TINY | {"budgets": "1,2"}
    result = advise(TARGET, BASE, settings, store=tmp_path, runner="inline", budget=3600.0)
    screening = result.run.manifest.screening
    assert screening is not None and (screening.ended, len(screening.rungs)) == ("budget", 1)
    assert result.advice is not None and "The budget did not pay for another rung" in result.advice.spent
    assert result.run.manifest.command.endswith(f"--budget 3600s --runner inline --store {tmp_path}")


@pytest.mark.parametrize(
    ("bases", "settings", "words"),
    [
        ("nowhere.pth", {}, "no checkpoint at"),
        ("weights:torchvision:resnet18,weights:torchvision:resnet50", {}, "is of resnet18, .* is of resnet50"),
        (BASE, {"seeds": "3"}, "--set seeds= is not for advise"),
        (BASE, {"target": "digits"}, "--set target= is not for advise"),
        (BASE, {"arms": "base>source>target"}, "does not go from base to target"),
        (BASE, {"policies": "nothing"}, "unknown policy 'nothing'|unknown policies? 'nothing'"),
        (BASE, {"budgets": "0"}, "budgets=0"),
        (f"{BASE},synthetic:nothing", {}, "nothing"),
        (f"{BASE},{TARGET}", {}, "base synthetic:shape,n=100 is the target itself"),
        ("", {}, "base is empty"),
    ],
)
def test_bad_input_is_one_line(bases: str, settings: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=words) as error:
        advise(TARGET, bases, TINY | settings, store=tmp_path, runner="inline")
    assert "\n" not in str(error.value)
    assert not Store(tmp_path).finished()


def test_several_targets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="advise is about one target, not 2"):
        advise(f"{TARGET},digits", BASE, TINY, store=tmp_path, runner="inline")
