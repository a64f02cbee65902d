"""Extension is one file: of each kind one is added by path, and one through an installed package, and is used."""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from safetensors import safe_open

from hpt_ray.cli.main import main
from hpt_ray.core import registry
from tests.support import extensions
from tests.support.places import ROOT, install_plugin

BY_PATH = {kind: f"./mine/{extensions.FILES[kind][0]}" for kind in extensions.NAMED}


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    extensions.write(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def environment(*sites: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "PYTHONPATH": os.pathsep.join(map(str, [*sites, ROOT]))}


def shell(command: str, folder: Path, *sites: Path) -> str:
    """What a command prints in a folder; it must succeed."""
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment(*sites), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def outcome(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code of a command and what it prints on standard error."""
    monkeypatch.setattr("sys.argv", ["hpt-study", *arguments])
    with pytest.raises(SystemExit) as done:
        main()
    return int(done.value.code or 0), capsys.readouterr().err


def run_folder(store: Path) -> Path:
    (folder,) = (store / "runs").iterdir()
    return folder


def assert_repeats(folder: Path, elsewhere: Path, *sites: Path) -> None:
    """The command on a run's page finds everything finished, from another folder."""
    command = json.loads((folder / "run.json").read_text())["command"]
    assert html.escape(command) in (folder / "report.html").read_text()
    elsewhere.mkdir()
    text = shell(command, elsewhere, *sites)
    assert "everything is finished: nothing to train." in text
    assert text.splitlines()[-1] == f"report: {folder / 'report.html'}"
    assert not list(elsewhere.iterdir())


def test_one_of_each_kind_by_path(workplace, monkeypatch, capsys):
    assert registry.SINGULAR.keys() == extensions.FILES.keys()
    assert outcome(monkeypatch, capsys, *extensions.command(kinds=BY_PATH)) == (0, "")
    folder = run_folder(workplace / "hpt-store")
    rows = pq.read_table(folder / "results.parquet").to_pandas()
    assert set(rows["status"]) == {"done"} and set(rows["study"]) == {"mine"}
    assert set(rows["target"]) == {"./mine/noise.py"} and set(rows["metric"]) == {"misses"}
    assert set(rows["policy"].dropna()) == {"baseline", "gentle"}  # direct transfer has none
    assert set(rows["evaluation"]) == {"always_a", "knn"}
    # Of two classes in turn, half of the answers are wrong.
    constant = rows.query("evaluation == 'always_a' and split == 'test'")
    assert len(constant) and constant["value"].between(0.3, 0.7).all() and constant["value"].nunique() == 1
    assert (workplace / "mine" / "stepped").exists() and (workplace / "mine" / "opened").exists()
    assert (workplace / "mine" / "watched").read_text().startswith("mine, ")
    with safe_open(next((workplace / "hpt-store" / "stages").glob("*/weights.safetensors")), "np") as weights:
        assert "my_conv.weight" in weights.keys()  # noqa: SIM118
    page = (folder / "report.html").read_text()
    for text in ("A page of my own", "A figure of my own", "Prose of my own.", f"{len(rows)} rows, drawn by me"):
        assert text in page
    scope = "for this base and one seed"
    assert "A caption of my own." in page and f"On ./mine/noise.py, {scope}:" in page
    assert "A verdict of my own counts" in page and "Nothing was decided" in page
    assert "Miss rate" in page
    assert_repeats(folder, workplace / "elsewhere")


@pytest.mark.parametrize("probe", ["linear", "knn", "sgd", "finetune"])
def test_every_probe_is_chosen_by_its_name(probe, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, _ = outcome(monkeypatch, capsys, "plan", "augment_ablation", "--set=base=digits", f"--set=probe={probe}",
                      "--set=target=synthetic:shape,n=80", "--set=seeds=1", "--set=policies=baseline")  # fmt: skip
    assert code == 0


@pytest.mark.parametrize("kind", registry.SINGULAR)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "defines no `{singular}`; a file in {kind}/ must define one."),
        ("x = 1\n\ndef f(:\n", "cannot be imported: SyntaxError: invalid syntax ({file}, line 3). Mend the file."),
        ("x = 1\nx / 0\n", "cannot be imported: ZeroDivisionError: division by zero ({file}, line 2). Mend the file."),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(kind, text, message, workplace, monkeypatch, capsys):
    file = extensions.FILES[kind][0]
    (workplace / "mine" / file).write_text(text)
    code, error = outcome(monkeypatch, capsys, *extensions.command(kinds=BY_PATH))
    assert code == 2 and len(error.splitlines()) == 1, error
    assert file in error and message.format(singular=registry.SINGULAR[kind], kind=kind, file=file) in error
    assert not list(workplace.glob("hpt-store/stages/*"))  # before anything is trained


@pytest.mark.parametrize("kind", registry.SINGULAR)
def test_an_unknown_name_is_one_line_with_the_nearest(kind, workplace, monkeypatch, capsys):
    known = registry.names(kind)[0]
    unknown, kinds = f"{known}x", dict(BY_PATH)
    arguments = extensions.command(kinds=kinds)
    if kind in kinds:
        arguments = extensions.command(kinds=kinds | {kind: unknown})
    elif kind == "studies":
        arguments[1] = unknown
    else:
        part, other = {"dashboards": ("study.py", "page.py")}.get(kind, ("page.py", extensions.FILES[kind][0]))
        text = (workplace / "mine" / part).read_text()
        (workplace / "mine" / part).write_text(text.replace(other, unknown))
    code, error = outcome(monkeypatch, capsys, *arguments)
    assert code == 2 and len(error.splitlines()) == 1, error
    assert f"Did you mean {known!r}?" in error and all(name in error for name in registry.names(kind))


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("figures", "return len(run.results)", "return run.no_such_table"),
        ("verdicts", "return replace(", "return undefined("),
        ("datasets", "def read():", "return undefined\n    def read():"),
        ("backends", "with inline(request)", "undefined\n    with inline(request)"),
    ],
)
def test_a_function_that_raises_is_one_line_with_its_place(kind, old, new, workplace, monkeypatch, capsys):
    file, text = extensions.FILES[kind]
    (workplace / "mine" / file).write_text(text.replace(old, new))
    code, error = outcome(monkeypatch, capsys, *extensions.command(kinds=BY_PATH))
    line = 1 + text[: text.index(old)].count("\n")
    assert code == 2 and len(error.splitlines()) == 1, error
    assert f"({file}, line {line}). Mend the file." in error


def test_two_policies_of_one_name_are_refused(workplace, monkeypatch, capsys):
    (workplace / "mine" / "baseline.py").write_text(extensions.POLICY)
    arguments = extensions.command(kinds=BY_PATH | {"policies": "./mine/baseline.py"})
    code, error = outcome(monkeypatch, capsys, *arguments)
    assert code == 2 and "two levels are called 'baseline': name each policy once, or rename a file." in error


INSTALLED = {f"{kind}/lab_{file}": text for kind, (file, text) in extensions.FILES.items()}
INSTALLED["dashboards/lab_page.py"] = extensions.DASHBOARD.replace("stages.py", "lab_stages").replace(
    "count.py", "lab_count"
)
INSTALLED["studies/lab_study.py"] = extensions.STUDY.replace("page.py", "lab_page")
BY_NAME = {kind: f"lab_{Path(extensions.FILES[kind][0]).stem}" for kind in extensions.NAMED}


@pytest.mark.slow
def test_one_of_each_kind_from_an_installed_package(tmp_path):
    site, folder = tmp_path / "site", tmp_path / "here"
    install_plugin(site, "our_lab", INSTALLED)
    folder.mkdir()
    arguments = extensions.command(kinds=BY_NAME)
    arguments[1] = "lab_study"
    shell(f"hpt-study {' '.join(arguments)} --store ./store", folder, site)
    made = run_folder(folder / "store")
    rows = pq.read_table(made / "results.parquet").to_pandas()
    assert set(rows["status"]) == {"done"} and set(rows["metric"]) == {"lab_misses"}
    assert set(rows["policy"].dropna()) == {"baseline", "lab_gentle"}
    assert (site / "our_lab" / "methods" / "stepped").exists() and (site / "our_lab" / "backends" / "opened").exists()
    assert (site / "our_lab" / "writers" / "watched").exists()
    page = (made / "report.html").read_text()
    assert "A page of my own" in page and "A verdict of my own counts" in page and "drawn by me" in page
    assert_repeats(made, tmp_path / "elsewhere", site)
    listed = shell("hpt-study list", folder, site)
    assert all(name in listed for name in BY_NAME.values() if name != "lab_misses") and "lab_study" in listed


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_both_ways_reach_the_workers_of_ray(workplace):
    """Half of the kinds by path and half of an installed package, on Ray and in process: the same rows."""
    install_plugin(workplace / "site", "our_lab", INSTALLED)
    mixed = BY_PATH | {kind: BY_NAME[kind] for kind in ("methods", "probes", "policies")}
    del mixed["backends"]
    arguments = " ".join(extensions.command(kinds=mixed))
    rows = []
    for runner in ("ray", "inline"):
        shell(f"hpt-study {arguments} --runner {runner} --store {runner}", workplace, workplace / "site")
        table = pq.read_table(run_folder(workplace / runner) / "results.parquet")
        rows.append(table.drop_columns(["seconds"]).to_pylist())
    assert {row["status"] for row in rows[0]} == {"done"} and rows[0] == rows[1]
    assert_repeats(run_folder(workplace / "ray"), workplace / "elsewhere", workplace / "site")
