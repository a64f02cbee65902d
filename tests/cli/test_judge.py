"""``hpt-study judge`` on the command line: what it prints, refuses, and imports."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hpt_ray.cli import main as cli

TABLE = "model,seed,acc\n" + "".join(
    f"{model},{seed},{80 + 4 * (model == 'ours') + seed + 0.3 * (model == 'ours') * seed}\n"
    for model in ("base", "ours")
    for seed in range(4)
)
Main = Callable[..., tuple[object, str, str]]


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Main:
    """Call the entry point in this process, in a folder with a table: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    Path("runs.csv").write_text(TABLE)

    def main(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["hpt-study", "judge", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code, *capfd.readouterr()

    return main


def test_it_says_how_it_read_the_table_and_what_follows(main: Main) -> None:
    code, out, err = main("runs.csv", "--baseline", "base")
    assert (code, err) == (0, "")
    text = " ".join(out.split())
    assert "arm = column 'model', value = column 'acc' (accuracy, higher is better, per cent from 0 to 100)" in text
    assert "over 4 seeds and for this very test set: - Ours is better than base (+4.4 [+3.8, +5.1] points)" in text
    assert "ours 86.0 %" in text


def test_not_enough_evidence_is_an_answer(main: Main) -> None:
    code, out, _ = main("runs.csv", "--baseline", "base", "--where", "seed=0")
    assert code == 0 and "not comparable with base" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--baseline", "bass"], "Did you mean 'base'?"),
        (["--baseline", "base", "--where", "seed"], "is no condition"),
        (["--baseline", "base", "--unit", "fold"], "unknown column 'fold'"),
    ],
)
def test_what_is_wrong_is_one_line(main: Main, arguments: list[str], said: str) -> None:
    code, _, err = main("runs.csv", *arguments)
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1 and said in err


def test_it_imports_neither_torch_nor_ray(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text(TABLE)
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom hpt_ray.cli.main import app\n"
        f"result = CliRunner().invoke(app, ['judge', {str(tmp_path / 'runs.csv')!r}, '--baseline', 'base'])\n"
        "assert result.exit_code == 0, result.output\n"
        "print([name for name in ('torch', 'ray', 'plotly') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_column_has_one_condition(main: Main) -> None:
    code, _, err = main("runs.csv", "--baseline", "base", "--where", "seed=0", "--where", "seed=1")
    assert code == 2 and "--where names 'seed' twice" in err


def test_a_file_may_have_a_name_that_is_no_text(main: Main) -> None:
    name = os.fsdecode(b"runs-\xff.csv")
    Path("runs.csv").rename(name)
    code, out, _ = main(name, "--baseline", "base", "-o", "judged")
    assert code == 0 and "On runs-\\udcff.csv" in " ".join(out.split()) and Path("judged/report.html").exists()
