"""What README.md and its companions say is there is there, and what they show runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hpt_ray
from hpt_ray.cli.main import main
from tests.support.places import ROOT

PAPERS = sorted([*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob(".github/*.md")])


def _blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files(paper: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", paper.read_text(encoding="utf-8"))
    assert [link for link in links if not (paper.parent / link).exists()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def test_the_study_of_ones_own_is_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (study,) = _blocks(".github/CONTRIBUTING.md", "python")
    monkeypatch.chdir(tmp_path)
    Path("my_study.py").write_text(study, encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["hpt-study", "plan", "./my_study.py", "--set", "target=synthetic:shape,n=400"])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 0
    assert "Does blur matter on my images?" in capsys.readouterr().out


@pytest.mark.slow
def test_the_example_in_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = _blocks("README.md", "python")
    monkeypatch.chdir(tmp_path)
    assert "hpt_ray.run(" in code
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})  # the README of this project
    assert list(Path("my-store/runs").glob("*/report.html"))
    assert hpt_ray.__all__ == ["make", "run"]
