"""What README.md and its companions say is there is there, and what they show runs.

Each command of ``hpt-study`` is run, in a folder with some images, a checkpoint and a finished run. Not run, but
checked as far as it can be without minutes, a network or a cluster:

- ``hpt-study run`` is parsed, and planned where it names no cluster and no bucket (other tests run studies, small);
- ``make`` says what it would do (the targets install, train or test for minutes);
- ``ray`` is parsed by Ray's command line (it needs a cluster);
- ``pip install`` names an extra that exists (it needs a network);
- ``export``, ``chmod`` and ``ssh`` are the shell's, which checks the syntax.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

import hpt_ray
from hpt_ray.cli.main import app, main
from hpt_ray.spec import scales
from hpt_ray.training.backbone import build
from hpt_ray.training.weights.checkpoints import to_bytes
from tests.support.places import ROOT

PAPERS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("[!.]*/README.md"), *ROOT.glob(".github/*.md")])
}
PROGRAMS = ("hpt-study", "make", "ray", "pip", "export", "chmod", "ssh")
#: Where a block of a language may stand: it is run by a test below, or by tests/test_readme_query.py.
RUN = {"python": ["README.md", ".github/CONTRIBUTING.md", "hpt_ray/README.md"], "sql": ["README.md"]}
#: What stands in a paper for something.
MEANT = {
    "STUDY": "augment_ablation",
    "NAME": "augment_ablation",
    "RUN": "augment_ablation",
    "FILE": "./moco.pth",
    "TABLE": "runs.csv",
    "ARM": "resnet50",
}
DATA = {"base": "synthetic:objects,n=120", "target": "synthetic:shape,n=120"}
SMALL = DATA | {"policies": "baseline", "seeds": 1, "iterations": 2, "scratch_iterations": 2, "base_iterations": 2}


def blocks(paper: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAPERS[paper], re.DOTALL)


def commands() -> Iterator[tuple[str, str]]:
    """Each command, as (paper, line): those of shell blocks, of code in a sentence and of comments in Python."""
    for paper, text in PAPERS.items():
        lines = [line.strip() for block in blocks(paper, "sh") for line in block.splitlines()]
        spans = re.findall(r"`([^`\n]+ [^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        lines += [span for span in spans if span.split()[0] in PROGRAMS]
        lines += [found for block in blocks(paper, "python") for found in re.findall(r"#.*(hpt-study .*)", block)]
        for line in lines:
            for words in map(shlex.split, line.partition(" #")[0].split(" -- ")):
                yield paper, shlex.join(MEANT.get(word, word).removeprefix(".venv/bin/") for word in words)


COMMANDS = {line: paper for paper, line in commands() if line}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, a table, a checkpoint, the study of CONTRIBUTING.md and a finished run of another."""
    place = tmp_path_factory.mktemp("papers")
    rng = np.random.default_rng(0)
    for number in range(120):
        path = place / "my_images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    (place / "runs.csv").write_text("model,seed,acc\nresnet50,0,0.7\nresnet50,1,0.8\nours,0,0.8\nours,1,0.92\n")
    (place / "moco.pth").write_bytes(to_bytes(build("resnet_small", 0)))
    (study,) = blocks(".github/CONTRIBUTING.md", "python")
    (place / "my_study.py").write_text(study, encoding="utf-8")
    for code in blocks("hpt_ray/README.md", "python"):
        (place / re.findall(r"^# (\w+\.py)", code)[0]).write_text(code, encoding="utf-8")
    small = hpt_ray.make("augment_ablation", **SMALL, batch=16, group=8, image_size=32, backbone="resnet18")
    assert not hpt_ray.run(small, store=place / "hpt-store", runner="inline").failures
    return place


def parse(command: Any, arguments: list[str]) -> bool:
    """Have a command line of click's take the arguments, running nothing. False for the name of a command alone."""
    while hasattr(command, "get_command"):
        if arguments[0].startswith("--"):  # an option of the program itself
            assert any(arguments[0] in option.opts for option in command.params)
            return False
        command, arguments = command.get_command(None, arguments[0]), arguments[1:]
        assert command, "no such command"
    if not arguments and any(parameter.required for parameter in command.params):
        return False
    command.make_context(command.name, arguments)
    return True


def hpt_study(*arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as done:
        patch.setattr("sys.argv", ["hpt-study", *arguments])
        main()
    assert done.value.code == 0


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_can_be_given(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(scales, "BASE", DATA["base"])  # drawing thousands of images takes many seconds
    program, *arguments = shlex.split(line)
    assert program in PROGRAMS, f"{COMMANDS[line]} shows a program that nothing here checks"
    if program == "hpt-study":
        if not parse(typer.main.get_command(app), arguments) or {"--address", "s3://bucket/folder"} & {*arguments}:
            return
        if arguments[0] == "advise":  # it trains: tests/execute/test_advise.py runs it, and the commands that it prints
            return
        if arguments[0] == "run":
            arguments = ["plan", *(word for word in arguments[1:] if word not in ("--runner", "inline"))]
        if arguments[:2] == ["plan", "augment_ablation"]:
            given = " ".join(arguments)
            arguments += [f"--set={name}={data}" for name, data in DATA.items() if f"{name}=" not in given]
        hpt_study(*arguments)
    elif program == "make":
        if not shutil.which("make"):
            pytest.skip("make is not here")
        subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, check=True)
    elif program == "ray":
        from ray.scripts.scripts import cli

        parse(cli, [*arguments, *(["--", "true"] if arguments[:2] == ["job", "submit"] else [])])
    elif program == "pip":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        (extra,) = re.findall(rf"^{project['name']}\[(\w+)\]$", arguments[-1])
        assert extra in project["optional-dependencies"]


@pytest.mark.parametrize("paper", PAPERS)
def test_blocks_are_run_and_shell_is_shell(paper: str) -> None:
    opened = re.findall(r"^ *```(\w*)$", PAPERS[paper], re.MULTILINE)[::2]
    assert {*opened} <= {"", "sh", *(language for language, papers in RUN.items() if paper in papers)}
    for block in blocks(paper, "sh"):
        subprocess.run(["sh", "-n", "-c", block], check=True)


@pytest.mark.parametrize("paper", PAPERS)
def test_options_exist(paper: str) -> None:
    from ray.dashboard.modules.job.cli import submit
    from ray.scripts.scripts import get_auth_token, start

    ours = [typer.main.get_command(app), *typer.main.get_command(app).commands.values()]
    ours += [inner for group in ours for inner in getattr(group, "commands", {}).values()]
    everyone = [*ours, start, submit, get_auth_token]
    known = {option for command in everyone for parameter in command.params for option in parameter.opts}
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", PAPERS[paper]))
    assert shown - known - {"--strict"} == set()  # mypy's


@pytest.mark.parametrize("paper", PAPERS)
def test_files_exist(paper: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", PAPERS[paper])
    assert [link for link in links if not (ROOT / paper).parent.joinpath(link).exists()] == []
    named = re.findall(r"`((?:hpt_ray|studies|dashboards|tests)/[\w./-]*)`", PAPERS[paper])
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_readme_is_short() -> None:
    assert len(PAPERS["README.md"].splitlines()) <= 130


def test_the_examples_of_an_extension_are_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    added = {"policies": "baseline,./gentle.py", "probe": "./centroid.py", "arms": "target"}
    study = hpt_ray.make("augment_ablation", **SMALL | added, batch=16, group=8, image_size=16)
    result = hpt_ray.run(study, store="extended", runner="inline")
    rows = result.run.results
    assert not result.failures
    assert set(rows["policy"]) == {"baseline", "gentle"} and set(rows["evaluation"]) == {"centroid"}


@pytest.mark.slow
def test_the_example_in_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("README.md", "python")
    monkeypatch.chdir(tmp_path)
    assert "hpt_ray.run(" in code
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})  # the README of this project
    assert list(Path("my-store/runs").glob("*/report.html"))
    assert hpt_ray.__all__ == ["make", "run"]
