"""Weights out of a run: the file that a command writes, the lines that load it, and what cannot be exported."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import hpt_ray
from hpt_ray.cli import main as cli
from hpt_ray.data import dataset
from hpt_ray.execute.export import opened
from hpt_ray.execute.finalize import Result
from hpt_ray.execute.handed import handed
from hpt_ray.execute.run import run
from hpt_ray.spec.study import Evaluation
from hpt_ray.spec.weights_source import WeightSource
from hpt_ray.store.store import WEIGHTS, Store
from hpt_ray.training.backbone import build
from hpt_ray.training.probe import Subject
from hpt_ray.training.probes import knn
from hpt_ray.training.weights.checkpoints import from_bytes, tensors
from hpt_ray.training.weights.sources import load_weights
from tests.support import small, tiny

SIZE = 32
pytestmark = pytest.mark.usefixtures("one_thread")
Command = Callable[..., tuple[object, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A run of torchvision's ResNet-18, of two seeds."""
    study = small.study(
        arms=("target",),
        factors=(),
        seeds=(0, 1),
        recipes={"target": small.recipe()},
        evaluations=(Evaluation(probe="knn"),),
        backbone="resnet18",
        image_size=SIZE,
        decode_size=40,
    )
    return run(study, store=tmp_path_factory.mktemp("made") / "S", runner="inline", threads=1)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Run `hpt-study` in this process, in an empty folder: exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def command(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["hpt-study", *words])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code, *capfd.readouterr()

    return command


def accuracy(network: nn.Module, mean: Any, std: Any) -> float:
    """The test accuracy of kNN on a network's features of the target's images, normalised by a mean and std."""
    data = dataset.load(small.TARGET, 40)
    assert (data.mean, data.std) == (mean, std)
    subject = Subject(network, data, SIZE, torch.device("cpu"))  # type: ignore[arg-type]  # any network will do
    (answer,) = knn.probe(subject)
    return subject.metric.value(answer.test, subject.features["test"].labels)


@pytest.mark.parametrize(("library", "name"), [("torchvision", "w.pth"), ("timm", "w.safetensors")])
def test_the_printed_lines_load_the_network_that_the_report_measured(
    made: Result, command: Command, library: str, name: str
) -> None:
    code, out, err = command("export", "small", "--to", library, "-o", name, "--store", made.handover.store.where)
    assert (code, err) == (0, "")
    about = hpt_ray.load_backbone(name).provenance
    assert (
        f"import {'torch, torchvision' if library == 'torchvision' else 'timm'}\n" in out
        and about.chosen in " ".join(out.split())
    )
    names: dict[str, Any] = {}
    exec(out[out.index("import ") :], names)
    rows = made.run.results.query("split == 'test' and iteration > 0 and weights == @about.stage")
    assert accuracy(names["network"], about.mean, about.std) == rows["value"].item()
    state = from_bytes(made.handover.store.weights(about.stage))
    assert tiny.largest_difference({key: names["network"].state_dict()[key] for key in state}, state) == 0.0


def test_python_gets_the_same_network_without_a_file(made: Result) -> None:
    winner = made.handover.winners[small.TARGET]
    assert winner is not None and "the median of 2 seeds" in winner.why
    network = made.weights()
    assert network.provenance.stage == winner.stage and network.provenance.seed == winner.seed
    assert network.provenance.data[network.provenance.target] == dataset.load(small.TARGET, 40).fingerprint
    other = made.weights(arm="From scratch", seed=1 - (winner.seed or 0))
    assert other.provenance.stage != winner.stage
    rows = made.run.results.query("split == 'test' and iteration > 0").set_index("weights")["value"]
    assert accuracy(other, other.mean, other.std) == rows[other.provenance.stage]
    again = opened(made.handover.store, "small")
    assert dict(again.winners) == dict(made.handover.winners)
    assert again.provenance(winner) == made.handover.provenance(winner)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_an_exported_file_is_a_base_with_the_same_numbers(made: Result, command: Command, name: str) -> None:
    to = "torchvision" if name == "w.pth" else "safetensors"
    store = made.handover.store
    assert command("export", "small", "--seed=0", "--to", to, "-o", name, "--store", store.where)[0] == 0
    network = build("resnet18", 5)
    load_weights(network, WeightSource.parse(f"./{name}"), store.weights)
    state = from_bytes(store.weights(made.handover.choose(seed=0).stage))
    assert tiny.largest_difference(tensors(network), state) == 0.0


def test_the_report_and_the_verdict_file_name_the_winner(made: Result) -> None:
    winner = made.handover.winners[small.TARGET]
    assert winner is not None
    page = Path(made.report).read_text()
    assert f"stages/{winner.stage}/weights.safetensors" in page
    (taken,) = made.handed
    assert taken.command == f"hpt-study export {made.handover.plan.run} --to torchvision -o small.pth --store STORE"
    assert "torch.load(&#39;small.pth&#39;, weights_only=True)" in page


@pytest.mark.parametrize("backbone", ["timm/resnet18", "torchvision/of_another_version"])
def test_a_page_is_written_without_the_library_that_a_store_from_elsewhere_names(
    made: Result, monkeypatch: pytest.MonkeyPatch, backbone: str
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    study = made.handover.plan.study.model_copy(update={"backbone": backbone})
    plan = dataclasses.replace(made.handover.plan, study=study)
    (taken,) = handed(plan, made.run.manifest, made.handover.winners.values())
    assert "--to safetensors -o small.safetensors" in taken.command and "hpt_ray.load_backbone(" in taken.loading


def test_what_cannot_be_exported_is_one_line_and_leaves_no_file(made: Result, command: Command, tmp_path: Path) -> None:
    store = Store(tmp_path / "copy")
    for path in [*made.handover.store.sizes("runs"), *made.handover.store.sizes("stages")]:
        store.write(path, made.handover.store.read(path))
    winner = made.handover.winners[small.TARGET]
    assert winner is not None

    def refused(*words: str, to: str = "timm", name: str = "w.safetensors") -> str:
        code, _, err = command("export", "small", "--to", to, "-o", name, "--store", store.where, *words)
        assert (code, err.count("\n"), err[:7]) == (2, 1, "error: ")
        assert not Path(name).exists() and not list(tmp_path.glob("*.tmp"))
        return err

    assert "w.safetensors has another suffix than files --to torchvision: call it w.pth." in refused(to="torchvision")
    assert "cannot be written (No such file or directory)" in refused(name="none/w.safetensors")
    assert "the run has no From scratch, seed 7" in refused("--seed", "7")
    assert "unknown arm 'HPT'" in refused("--arm", "HPT")
    assert "unknown level 'crop_only'" in refused("--level", "crop_only")
    assert "unknown target 'x'" in refused("--target", "x")
    weights = f"stages/{winner.stage}/{WEIGHTS}"
    store.write(weights, b"other")
    assert f"{weights} is damaged (its checksum differs)" in refused()
    store.delete(winner.stage)
    assert f"stage {winner.stage} is not finished" in refused()
    store.remove_folder("runs")
    assert "unknown run 'small'" in refused()


def test_tables_go_to_a_folder_and_weights_to_a_file(made: Result, command: Command, tmp_path: Path) -> None:
    store = made.handover.store.where
    code, output, _ = command("export", "small", "--tables", "-o", "shown", "--store", store)
    assert code == 0 and "written: " in output
    assert {"claims.csv", "arms-at-a-glance.csv", "arms-at-a-glance.tex", "arms-at-a-glance.txt", "every-cell.csv"} <= {
        path.name for path in (tmp_path / "shown").iterdir()
    }
    refused = {
        (): "nothing to export",
        ("--to", "timm", "--tables"): "give one of the two",
        ("--tables", "--seed", "1"): "--seed chooses weights",
        ("--to", "timm", "--trust"): "--trust is for --figures and --tables",
    }
    for words, reason in refused.items():
        code, _, error = command("export", "small", *words, "-o", "x", "--store", store)
        assert code == 2 and reason in error and error.count("\n") == 1
    code, _, error = command("export", "small", "--tables", "-o", "", "--store", store)
    assert code == 2 and "--output is empty" in error
    code, _, error = command("export", "small", "--tables", "-o", "x", "--store", "")
    assert code == 2 and "the name of the store is empty" in error
