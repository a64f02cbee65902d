"""The command line: what it prints, and that whatever a user gets wrong is one line on stderr and exit code 2."""

from __future__ import annotations

import errno
import io
import itertools
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from hpt_ray.cli import console
from hpt_ray.cli import main as cli
from hpt_ray.core import registry
from hpt_ray.core.errors import StudyError
from hpt_ray.data import cache
from hpt_ray.execute.compiler_folder import COMPILER
from hpt_ray.spec.parameters import defaults, make, parameters
from hpt_ray.spec.scales import SCALES
from hpt_ray.training.backbone import build
from hpt_ray.training.weights.checkpoints import to_bytes

#: The ablation at its smallest: one seed, two policies, two iterations on 80 drawn images.
TINY = {
    "base": "synthetic:objects,n=80",
    "target": "synthetic:shape,n=80",
    "seeds": "1",
    "policies": "baseline,crop_only",
    "iterations": "2",
    "scratch_iterations": "2",
    "base_iterations": "2",
    "batch": "16",
    "group": "8",
    "image_size": "16",
}


MAIN = "from hpt_ray.cli.main import main; main()"


def settings(**changes: str) -> list[str]:
    return [word for name, value in (TINY | changes).items() for word in ("--set", f"{name}={value}")]


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    """Every test works in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def main(monkeypatch, capfd):
    """Call the entry point in this process: (exit code, stdout, stderr)."""

    def main(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["hpt-study", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return main


@pytest.fixture
def refused(main, workplace):
    """Call the entry point with something wrong: its one line of error."""

    def refused(*arguments: str) -> str:
        before = sorted(workplace.rglob("*"))
        code, out, err = main(*arguments)
        assert code == 2
        assert err.count("\n") == 1
        assert err.startswith("error: ")
        assert err.rstrip().endswith(".")
        assert "Traceback" not in out + err
        assert sorted(workplace.rglob("*")) == before  # nothing half-written
        return err

    return refused


def invoke(*arguments: str) -> str:
    """The output of a command that succeeds."""
    answer = CliRunner().invoke(cli.app, list(arguments), catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.output


def images(folder: Path, classes: tuple[str, ...], each: int = 30) -> Path:
    """A folder of noise, a sub-folder for each class; one class "" is a flat folder without labels."""
    generator = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            pixels = generator.integers(0, 256, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


# What the commands print


@pytest.mark.parametrize(
    "command", [[], *[[name] for name in ("list", "show", "plan", "run", "status", "report", "export")]]
)
def test_help_explains_every_command(command):
    text = invoke(*command, "--help")
    assert "Usage" in text
    assert set(sys.modules) >= {"typer"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["list"], ["status"]])
def test_what_answers_at_once_loads_neither_torch_nor_ray(tmp_path, arguments):
    (tmp_path / "hpt-store").mkdir()
    code = (
        f"import sys; sys.argv = ['hpt-study', *{arguments}]; import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    from hpt_ray.cli.main import main; main()\n"
        "sys.exit(str([name for name in ('torch', 'ray', 'plotly', 'pandas') if name in sys.modules] or ''))"
    )
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert answer.stderr.strip() == ""


def test_what_only_explains_the_commands_does_without_numpy():
    code = "import sys, hpt_ray.cli.main; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_version_is_that_of_the_installed_package():
    assert invoke("--version") == f"hpt_ray {metadata.version('hpt_ray')}\n"


def test_list_names_every_study_data_set_and_policy():
    text = invoke("list")
    for kind in ("studies", "datasets", "policies", "methods", "backbones", "probes", "metrics", "backends"):
        assert all(name in text for name in [kind, *registry.names(kind)])


def test_show_lists_the_parameters_of_a_study(monkeypatch):
    monkeypatch.setattr("hpt_ray.cli.console.out.width", 200, raising=False)
    text = invoke("show", "augment_ablation")
    assert text.startswith(make("augment_ablation").question)
    for word in ("hpt-study run augment_ablation", "seeds", "int", "scale", "quick | paper", "policies", "list of str"):
        assert word in text


def _rows(text: str) -> dict[str, str]:
    return {line.split()[0]: line for line in text.splitlines() if line.strip()}


def test_show_gives_the_values_at_a_scale_and_none_is_cut(monkeypatch):
    monkeypatch.setattr("hpt_ray.cli.console.out.width", 250, raising=False)
    for study in registry.names("studies"):
        for item in defaults(parameters(registry.load("studies", study)), make(study)):
            # What it is where nothing is set, its meaning says.
            assert item.default is not None or "none:" in item.help or item.name in ("clip_grad", "options"), item
    expected = {
        "random": ("8", "32"),
        "arms": ("target,base,base>target", "target,base,base>target,base>target:bn"),
        "backbone": ("resnet_small", "resnet50"),
        "scratch_iterations": ("40", "100000"),
        "lr": ("0.03", "0.03"),
        "optimizer": ("sgd", "sgd"),  # what follows from the network
    }
    for place, scale in enumerate(SCALES):
        rows = _rows(invoke("show", "augment_search", "--set", f"scale={scale}"))
        for name, values in expected.items():
            assert f"  {values[place]}  " in rows[name]
    rows = _rows(invoke("show", "augment_search", "--set", "backbone=timm/vit_tiny_patch16_224", "--set", "seeds=7"))
    assert "  adamw  " in rows["optimizer"] and "  0.1  " in rows["weight_decay"] and "  7  " in rows["seeds"]
    monkeypatch.setattr("hpt_ray.cli.console.out.width", 60, raising=False)
    assert "…" not in invoke("show", "augment_search")


#: A landscape refuses levels of what its map does not vary; probes asked of ``low_label`` come beside its own.
EXCEPT = {"landscape": ("percent", "iterations", "scratch_iterations"), "low_label": ("probe",)}


def test_what_show_gives_for_a_scale_is_what_a_study_does():
    for study, scale in itertools.product(registry.names("studies"), SCALES):
        function = registry.load("studies", study)
        by_scale = {item.name: item.default[scale] for item in parameters(function) if isinstance(item.default, dict)}
        if SCALES[scale].target.iterations_from_scratch is None:  # then it is that of the other arms
            assert by_scale.pop("scratch_iterations", None) == by_scale.get("iterations")
        by_scale = {name: value for name, value in by_scale.items() if name not in EXCEPT.get(study, ())}
        assert function(scale=scale) == function(scale=scale, **by_scale)


def test_show_spells_a_default_as_it_is_typed(tmp_path, monkeypatch):
    monkeypatch.setattr("hpt_ray.cli.console.out.width", 200, raising=False)
    (tmp_path / "mine.py").write_text(
        "def study(*, on: bool = True, text: str = 'A/B', depth: int | None = None) -> object: ..."
    )
    rows = [line.split() for line in invoke("show", str(tmp_path / "mine.py")).splitlines()]
    for row in (["on", "bool", "true"], ["text", "str", "A/B"], ["depth", "int", "|", "none", "none"]):
        assert row in rows


def test_plan_tells_cells_stages_and_cost_and_writes_nothing(workplace):
    text = invoke("plan", "augment_ablation", *settings())
    for word in (
        "cells",
        "23 (7 pretrainings, 16 evaluations), at most 3 in a row, 0 cached",
        "224 images",
        "estimate",
        "disk",
    ):
        assert word in text
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"seeds": "3"}, "3 pretrainings (one for each seed): 6 iterations, 96 images, 14% of all"),
        ({"seeds": "3", "base_seeds": "1"}, "1 pretraining (the same for every seed): 2 iterations"),
        ({"seeds": "3", "base_seeds": "2"}, "2 pretrainings (2, over which the seeds cycle): 4 iterations"),
    ],
    ids=["own", "one", "two"],
)
def test_plan_tells_how_many_bases_there_are_and_their_cost(workplace, given, line):
    assert line in invoke("plan", "augment_ablation", *settings(**given))


def test_settings_come_from_a_file_and_from_an_earlier_run(workplace, refused):
    given = settings(arms="base", seeds="2")
    names = {word.partition("=")[0]: word.partition("=")[2] for word in given[1::2]}
    lines = [
        f"{name} = {json.dumps(value if value.isdigit() is False else int(value))}" for name, value in names.items()
    ]
    Path("mine.toml").write_text("\n".join(lines))
    invoke("run", "augment_ablation", "--runner", "inline", "--config", "mine.toml")
    (record,) = workplace.glob("hpt-store/runs/*/run.json")
    for ways in (given, ["--config", "mine.toml"], ["--config", str(record)]):
        assert "nothing to train" in invoke("run", "augment_ablation", "--runner", "inline", *ways)
    assert "seeds          0   1   2" in invoke("plan", "augment_ablation", "--config", str(record), "--set", "seeds=3")
    assert "is of study augment_ablation, not of methods" in refused("plan", "methods", "--config", str(record))


def test_plan_warns_of_a_difference_that_the_study_can_hardly_show():
    text = invoke("plan", "augment_ablation", *settings(seeds="3"))
    assert "differences from" in text and "3 seeds, 16 test images" in text
    assert "warning: this study will hardly show a difference of 3.0 points" in text


@pytest.mark.parametrize(
    ("typed", "offered"), [("hpt-study sta", "status"), ("hpt-study run augment_a", "augment_ablation")]
)
def test_a_shell_completes_commands_and_studies(typed, offered):
    environment = os.environ | {
        "_HPT_STUDY_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
    }
    command = [sys.executable, "-c", f"import sys; sys.argv = ['hpt-study']; {MAIN}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.split() == [offered], done.stderr


def test_run_status_report_and_run_again(workplace):
    first = invoke("run", "augment_ablation", "--runner", "inline", *settings())
    results, report = first.splitlines()[-2:]
    assert results.startswith("results: ")
    assert report.startswith("report: ")
    assert Path(results.removeprefix("results: ")).is_file()
    page = Path(report.removeprefix("report: "))
    assert page.is_file()
    assert page.is_relative_to(workplace / "hpt-store")
    (state,) = json.loads(invoke("status", "--json"))
    assert (state["state"], state["finished"], state["total"]) == ("finished", 23, 23)
    assert (state["cells"], state["cells_done"], state["seconds_left"]) == (7, 7, None)
    assert report == f"report: {state['report']}"
    status = invoke("status")
    assert "23/23" in status
    assert "finished" in status
    assert report in status
    page.unlink()
    again = invoke("report", "augment_ablation", "--csv", "claims.csv")
    assert again.splitlines()[-2:] == [results, report]
    assert Path("claims.csv").read_text().count("HPT,From scratch") == 3  # robustness, worst change and accuracy
    assert page.is_file()
    second = invoke("run", "augment_ablation", "--runner", "inline", *settings())
    assert "nothing to train" in second
    assert second.splitlines()[-2:] == [results, report]
    assert "23 cached" in invoke("plan", "augment_ablation", *settings())


def test_a_run_is_called_by_its_name_and_has_a_note(refused):
    given = ["--runner", "inline", *settings(arms="base")]
    invoke("run", "augment_ablation", *given, "--name", "first", "--note", "the weights alone")
    (state,) = json.loads(invoke("status", "first", "--json"))
    assert (state["name"], state["note"]) == ("first", "the weights alone")
    assert f"first ({state['run']}): the weights alone" in invoke("status")
    assert "on two cores" in invoke("note", "first", "on two cores")
    assert invoke("report", "first").splitlines()[-1] == f"report: {state['report']}"
    assert "nothing to train" in invoke("run", "augment_ablation", *given, "--name", "second")
    (state,) = json.loads(invoke("status", "--json"))
    assert (state["name"], state["note"]) == ("second", "on two cores")
    assert "unknown run 'first'" in refused("report", "first")
    assert "already means run" in refused(
        "run", "augment_ablation", "--runner", "inline", *settings(arms="base", seeds="2"), "--name", "second"
    )


def test_a_quiet_run_says_where_all_is_and_its_log_what_the_terminal_would_have(workplace, monkeypatch):
    given = ["--runner", "inline", *settings(arms="base")]
    results, report = invoke("run", "augment_ablation", *given, "--quiet").splitlines()
    assert results.startswith("results: ") and report.startswith("report: ")
    (log,) = workplace.glob("hpt-store/runs/*/log.txt")
    lines = log.read_text().splitlines()
    assert all(re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d \S", line) or line[20:21] == " " for line in lines)
    text = [line[20:] for line in lines]
    assert text[0] == "augment_ablation: preparing ..."
    assert "writing the tables and the report ..." in text and results in text and text[-1] == report
    again = invoke("run", "augment_ablation", *given).splitlines()
    known = log.read_text().splitlines()
    assert known[: len(lines)] == lines  # the log of the first attempt stays
    assert [line[20:].strip() for line in known[len(lines) :]] == [line.strip() for line in again if line.strip()]

    def broken(*_: object) -> None:
        raise StudyError("the report cannot be written.")

    monkeypatch.setattr("hpt_ray.execute.run.finalize", broken)
    with pytest.raises(StudyError):
        invoke("run", "augment_ablation", *given)
    assert log.read_text().splitlines()[-1].endswith("error: the report cannot be written.")


def test_a_failed_stage_is_told_and_the_exit_code_is_1(main, monkeypatch):
    from hpt_ray.training.loop.pretrain import Pretrainer

    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Pretrainer, "run", broken)
    code, out, err = main("run", "augment_ablation", "--runner", "inline", *settings(arms="target,base"))
    assert (code, err) == (1, "error: all that was tried failed for one reason: RuntimeError: out of memory\n")
    assert "From scratch, baseline, seed 0: RuntimeError: out of memory" in out
    assert "run the same command again" in out
    assert out.splitlines()[-1].startswith("report: ")


@pytest.mark.parametrize(
    ("command", "at"),
    [
        (["run", "--runner", "inline"], "hpt_ray.execute.backends.inline.run_unit"),
        (["run", "--runner", "inline"], "hpt_ray.data.decoding.examine"),
        (["plan"], "hpt_ray.data.decoding.examine"),
    ],
)
def test_an_interruption_says_how_to_go_on(main, command, at, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(at, interrupted)
    new = {"target": "synthetic:shape,n=90"} if "examine" in at else {}  # nothing of it is decoded yet
    code, _, err = main(command[0], "augment_ablation", *command[1:], *settings(arms="base", **new))
    assert code == 130
    assert err == "interrupted: what is finished is kept; run the same command again to go on.\n"


@pytest.mark.parametrize("command", [["status"], ["verify"], ["report", "augment_ablation"]])
def test_a_store_that_is_not_there_is_one_line(refused, command):
    assert "there is no store at" in refused(*command, "--store", "nowhere")


def test_status_of_a_store_without_runs(workplace):
    (workplace / "empty").mkdir()
    assert "no runs in empty" in invoke("status", "--store", "empty")


# What bad input gets


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["augment_ablatio"], "unknown study 'augment_ablatio'. Did you mean 'augment_ablation'?"),
        (["./nothing.py"], "no study at nothing.py: there is no such file"),
        (
            ["augment_ablation", "--set", "seed=3"],
            "unknown parameter of augment_ablation 'seed'. Did you mean 'seeds'?",
        ),
        (["augment_ablation", "--set", "seeds"], "--set seeds: write it as NAME=VALUE"),
        (["augment_ablation", "--set", "=5"], "write it as NAME=VALUE"),
        (["augment_ablation", "--set", "target=a", "--set", "target=b"], "target is given as a and as b: give it once"),
        (["augment_ablation", "--config", ""], "--config is empty"),
        (["augment_ablation", "--set", "seeds=three"], "seeds=three: "),
        (["augment_ablation", "--set", "seeds=1.5"], "expected int"),
        (["augment_ablation", "--set", "seeds=0"], "seeds=0: Input should be greater than 0"),
        (["augment_ablation", "--set", f"seeds={10**9}"], "less than or equal to 10000"),
        (["augment_ablation", "--set", f"iterations={10**40}"], "less than or equal to 1000000000"),
        (["augment_ablation", "--set", f"seeds={'x' * 9_000}"], "xxx ... xxx"),
        (["augment_ablation", "--set", "lr=fast"], "expected float"),
        (["augment_ablation", "--set", "lr=0"], "lr: Input should be greater than 0"),
        (["augment_ablation", "--set", "lr=nan"], "lr: Input should be a finite number"),
        (["augment_ablation", "--set", "lr=inf"], "lr: Input should be a finite number"),
        (["augment_ablation", "--set", "iterations=-1"], "iterations=-1: Input should be greater than 0"),
        (
            ["augment_ablation", "--set", "batch=100", "--set", "group=64"],
            "batch 100 is not a multiple of the normalisation group 64",
        ),
        (["augment_ablation", "--set", "scale=huge"], "expected quick | paper"),
        (["augment_ablation", "--set", "precision=float16"], "expected auto | float32 | bfloat16"),
        (["augment_ablation", "--set", "policies="], "policies is empty"),
        (
            ["augment_ablation", "--set", "policies=baseline,crop_onyl"],
            "unknown policy 'crop_onyl'. Did you mean 'crop_only'?",
        ),
        (["augment_ablation", "--set", "arms="], "arms is empty"),
        (
            ["augment_ablation", "--set", "arms=target,bas>target"],
            "unknown role in arm 'bas>target' 'bas'. Did you mean 'base'?",
        ),
        (["augment_ablation", "--set", "arms=target:bn"], "cannot come first"),
        (["augment_ablation", "--set", "arms=base>target:batchnorm"], "cannot be read at 'target:batchnorm'"),
        (["augment_ablation", "--set", "target="], "target is empty"),
        (
            ["augment_ablation", "--set", "target=digit"],
            "unknown data set (neither a name nor an existing path) 'digit'",
        ),
        (
            ["augment_ablation", "--set", "target=synthetic:shap"],
            "unknown synthetic domain 'shap'. Did you mean 'shape'?",
        ),
        (["augment_ablation", "--set", "target=./nowhere"], "data set ./nowhere: nothing there that can be read"),
        (["augment_ablation", "--set", "base=weights:nowhere.pt"], "no checkpoint at nowhere.pt"),
        (["augment_ablation", "--set", "base=nowhere.safetensors"], "no checkpoint at nowhere.safetensors"),
        (["augment_ablation", "--set", "base=weights:stage:abc"], "stage abc is not finished"),
        (["augment_ablation", "--set", "backbone=resnet51"], "unknown backbone 'resnet51'. Did you mean 'resnet50'?"),
        (["augment_ablation", "--set", "image_size=5000"], "an image size of 5000 pixels is not usable"),
        (["augment_ablation", "--runner", "dask"], "unknown backend 'dask'. Available: inline, ray"),
        (["augment_ablation", "--store", "nowhere://bucket"], "store nowhere://bucket cannot be written"),
    ],
    ids=lambda value: " ".join(value[-1:]) if isinstance(value, list) else "",
)
def test_what_is_asked_for_wrongly_is_one_line(refused, arguments, message):
    assert message in refused("run", *arguments)


def test_plan_and_show_refuse_what_run_refuses(refused):
    assert "unknown study" in refused("show", "augment_ablatio")
    assert "seeds=three" in refused("plan", "augment_ablation", "--set", "seeds=three")
    Path("empty").mkdir()
    assert "unknown run 'nothing'. Available: none." in refused("report", "nothing", "--store", "empty")


def data(case: str) -> tuple[str, str]:
    """A data set with something wrong with it, and what is said about it."""
    good = Path("good")
    if case == "empty":
        Path("empty").mkdir()
        return "./empty", "has no images in it"
    if case == "unlabelled":
        return str(images(Path("flat"), ("",))), "flat has no labels"
    if case == "one class":
        return str(images(Path("one"), ("cat",))), "one has one class only (cat); an evaluation needs at least two"
    if case == "few images":
        images(Path("few"), ("cat", "dog"), each=5)
        return "./few", "data set ./few has 8 images to pretrain on, fewer than a batch of 16"
    if case == "not a data set":
        Path("notes.md").write_text("no data")
        return "./notes.md", "data set ./notes.md: nothing there that can be read (a folder of images"
    images(good, ("cat", "dog"))
    if case == "corrupt image":
        (good / "cat" / "3.png").write_bytes(b"nonsense")
    elif case == "truncated image":
        whole = (good / "cat" / "3.png").read_bytes()
        (good / "cat" / "3.png").write_bytes(whole[: len(whole) // 2])
    elif case == "corrupt Parquet":
        Path("good.parquet").write_bytes(b"PAR1nonsense")
        return "./good.parquet", "good.parquet"
    elif case == "broken list":
        Path("list.csv").write_text("good/cat/1.png,cat\ngood/cat/nothing.png,cat\n")
        return "./list.csv", "list.csv, line 2: there is no file 'good/cat/nothing.png'"
    return "./good", str(Path("good", "cat", "3.png"))


@pytest.mark.parametrize(
    "case",
    [
        "empty",
        "unlabelled",
        "one class",
        "few images",
        "not a data set",
        "corrupt image",
        "truncated image",
        "corrupt Parquet",
        "broken list",
    ],
)
def test_data_that_does_not_serve_is_one_line(refused, case):
    spec, message = data(case)
    assert message in refused("run", "augment_ablation", "--runner", "inline", *settings(target=spec))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_is_one_line(refused, workplace):
    images(workplace / "good", ("cat", "dog"))
    (workplace / "good" / "cat").chmod(0)
    try:
        assert "Permission denied" in refused("run", "augment_ablation", *settings(target="./good"))
    finally:
        (workplace / "good" / "cat").chmod(0o700)


def test_a_checkpoint_that_does_not_fit_is_one_line(refused):
    Path("other.safetensors").write_bytes(to_bytes(build("resnet18", 0)))
    torch.save({"state_dict": {"weight": torch.zeros(3)}}, "unrelated.pt")
    Path("damaged.safetensors").write_bytes(b"nonsense")
    for name in ("other.safetensors", "unrelated.pt"):
        line = refused("run", "augment_ablation", "--runner", "inline", *settings(base=name))
        assert f"{name}: the checkpoint does not fit: only 0 of" in line
    line = refused("run", "augment_ablation", "--runner", "inline", *settings(base="damaged.safetensors"))
    assert "damaged.safetensors is not a safetensors file" in line


def test_of_several_networks_in_a_checkpoint_the_user_names_one(refused, main):
    one, other = build("resnet_small", 0).state_dict(), build("resnet_small", 1).state_dict()
    torch.save({"rgb": one, "ir": other}, "towers.pth")
    line = refused("plan", "augment_ablation", *settings(base="towers.pth"))
    assert "towers.pth: the checkpoint holds 2 networks" in line and "weights:FILE#rgb/ does." in line
    for base in ("weights:towers.pth#rgb/", "./towers.pth#rgb"):
        code, out, _ = main("plan", "augment_ablation", *settings(base=base))
        assert code == 0
        assert f"weights {base.removeprefix('weights:')}: 45 of 45 tensors, from rgb/" in out


def test_a_store_that_cannot_be_written_is_one_line(refused):
    Path("file").write_text("in the way")
    for command in (
        ["run", "augment_ablation", "--store", "file"],
        ["run", "augment_ablation", "--store", "file/below"],
    ):
        line = refused(*command, *settings())
        assert "cannot be written (Not a directory): choose another with --store" in line


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_ray_address_that_does_not_answer_is_one_line(command, main, workplace):
    code, out, err = main(command, "augment_ablation", "--address", "127.0.0.1:1", *settings())
    assert (code, "stages" in out) == (2, False)  # nothing is planned: what precision is there decides about ids
    assert err.count("\n") == 1
    assert err.startswith("error: no Ray answers at 127.0.0.1:1 ")
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["run", "augment_ablation", "--nonsense"], ["nonsense"], ["run"], ["run", "x", "--workers", "0"]]
)
def test_wrong_usage_is_exit_code_2(main, arguments):
    code, _, err = main(*arguments)
    assert code == 2
    assert "Usage: " in err
    assert "hpt-study" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def study(:\n", "SyntaxError"),
        ("def study():\n    return [][0]\n", "study mine.py stopped at mine.py, line 2: IndexError"),
        ("policy = 1\n", "defines no `study`"),
        ("raise SystemExit(0)\n", "mine.py cannot be imported: SystemExit"),
        ("def study():\n    exit()\n", "study mine.py stopped at mine.py, line 2: SystemExit"),
    ],
)
def test_a_study_of_ones_own_that_is_broken_is_one_line(refused, text, message):
    Path("mine.py").write_text(text)
    assert message in refused("run", "mine.py")


def test_a_study_of_ones_own_runs_by_its_path():
    source = (registry.folder("studies") / "augment_ablation.py").read_text()
    Path("mine.py").write_text(source.replace('name="augment_ablation"', 'name="mine"'))
    text = invoke("run", "./mine.py", "--runner", "inline", *settings(arms="base"))
    assert "hpt-store/runs/mine-" in text.splitlines()[-1]
    page = Path(text.splitlines()[-1].removeprefix("report: ")).read_text()
    assert f"<code>cd {Path.cwd()} &amp;&amp; hpt-study run ./mine.py --set " in page


@pytest.mark.parametrize(
    ("arguments", "code", "stdout", "stderr"),
    [
        (["list"], 0, "augment_ablation", ""),
        (["run", "augment_ablatio"], 2, "", "error: unknown study 'augment_ablatio'"),
    ],
)
def test_the_installed_command_answers_with_its_exit_code(arguments, code, stdout, stderr):
    command = [sys.executable, "-c", "from hpt_ray.cli.main import main; main()", *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == code
    assert stdout in answer.stdout
    assert answer.stderr.startswith(stderr)
    assert answer.stderr.count("\n") == (1 if stderr else 0)


def test_weights_inspect_shows_every_key_and_says_no_with_exit_2(main, workplace):
    (workplace / "mine.safetensors").write_bytes(to_bytes(build("resnet_small", 0)))
    code, out, _ = main("weights", "inspect", "mine.safetensors")
    assert code == 0 and "would load into resnet_small: 45 of 45 tensors by name" in out
    code, out, _ = main("weights", "inspect", "mine.safetensors", "--backbone", "resnet18")
    assert code == 2 and "refused" in out and "missing" in out
    code, _, err = main("weights", "inspect", "none.pth")
    assert code == 2 and err.startswith("error: cannot read the checkpoint none.pth") and err.count("\n") == 1


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii"])
def test_signs_that_the_output_cannot_show_are_replaced(encoding: str) -> None:
    code = f"import sys; sys.argv = ['hpt-study', 'show', 'augment_ablation']; {MAIN}"
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"iterations" in done.stdout


def test_a_minus_stays_one_where_the_encoding_lacks_it() -> None:
    code = "from hpt_ray.cli import streams; streams.prepare(); print('[\u22121.5, +2.0] \u4e16')"
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
    assert done.stdout.split() == [b"[-1.5,", b"+2.0]", b"?"]


@pytest.mark.parametrize(
    ("redirection", "says"),
    [
        (">/dev/full", "error: the output cannot be written (No space left on device); what was done is kept."),
        (">&-", ""),
    ],
)
def test_output_that_cannot_be_written_is_no_traceback(redirection: str, says: str) -> None:
    code = f"import sys; sys.argv = ['hpt-study', 'list']; {MAIN}"
    command = f'exec "$0" -c "$1" {redirection}'
    done = subprocess.run(["sh", "-c", command, sys.executable, code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, says)


def test_a_run_goes_on_where_its_output_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    out = console.Plain(file=Full())
    out.print("12/40 done")
    assert out.lost is not None and out.lost.errno == errno.ENOSPC


def test_a_user_without_a_home_is_told_to_set_the_cache(refused, monkeypatch) -> None:
    monkeypatch.delenv("HPT_CACHE", raising=False)
    monkeypatch.setattr(cache, "user_cache_dir", lambda *_, **__: Path("~nobody-here").expanduser())
    assert "set HPT_CACHE to a folder" in refused("plan", "augment_ablation", *settings())


#: How a user runs a study from Python.
CALL = """
import sys, hpt_ray
values = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
assert not hpt_ray.run(hpt_ray.make("augment_ablation", **values), runner="inline", store="store").failures
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "start",
    [
        (MAIN, "run", "augment_ablation", "--store", "store", "--runner", "inline"),
        (MAIN, "run", "augment_ablation", "--store", "store", "--runner", "ray"),
        (CALL,),
    ],
    ids=["inline", "ray", "python"],
)
def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, start: tuple[str, ...]) -> None:
    """A network of torchvision's brings torch's compiler along, which makes a folder there."""
    (tmp_path / "temporary").mkdir()
    asked = settings(backbone="resnet18", image_size="32", policies="baseline", arms="target")
    done = subprocess.run(
        [sys.executable, "-c", *start, *asked],
        env={name: value for name, value in os.environ.items() if name != COMPILER}
        | {"TMPDIR": str(tmp_path / "temporary")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "temporary").iterdir()) == []


def outer(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a shell, its standard output as the words behind it say."""
    code = f"import sys; sys.argv = ['hpt-study', *sys.argv[1:]]; {MAIN}"
    line = ["bash", "-c", f'set -o pipefail; "$0" "$@" {command}', sys.executable, "-c", code, *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["list"], ["show", "augment_ablation"], ["--help"], ["run", "--help"]])
@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_reader_that_has_seen_enough_is_no_failure(arguments: list[str], reader: str) -> None:
    done = outer(f"| {reader}", *arguments)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "redirection", [">/dev/full", *(pytest.param(to, marks=pytest.mark.slow) for to in (">&-", "| true"))]
)
def test_where_a_result_is_stands_on_stderr_if_stdout_does_not_take_it(workplace, redirection: str) -> None:
    done = outer(redirection, "run", "augment_ablation", "--runner", "inline", *settings(arms="base"))
    again = outer(redirection, "report", "augment_ablation")
    (folder,) = (workplace / "hpt-store" / "runs").iterdir()
    for ended in (done, again):
        assert ended.returncode == 0
        assert f"results: {folder}/results.parquet\nreport: {folder}/report.html\n" in ended.stderr
        assert ("the output cannot be written" in ended.stderr) == (redirection == ">/dev/full")
