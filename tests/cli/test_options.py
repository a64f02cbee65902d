"""The options of a run that grows until it is decided: what they mean, and one line for what they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hpt_ray.cli import main as cli
from hpt_ray.cli.options import MOST, most_seeds, seconds
from hpt_ray.core.errors import StudyError
from tests.cli.test_cli import settings


@pytest.mark.parametrize(
    ("budget", "expected"), [("90m", 5400.0), ("2h", 7200.0), ("1d", 86400.0), ("1h30m", 5400.0), ("45s", 45.0)]
)
def test_a_budget_is_a_time_with_its_unit(budget: str, expected: float) -> None:
    assert seconds(budget, until_decided=True) == expected


@pytest.mark.parametrize("budget", ["2", "", "soon", "-2h", "0h", "nan", "1e400h"])
def test_what_is_no_time_is_refused(budget: str) -> None:
    with pytest.raises(StudyError, match="is no time: write one with its unit, such as 90m, 2h or 1d"):
        seconds(budget, until_decided=True)


def test_what_is_for_a_run_that_grows_is_refused_without_it() -> None:
    assert most_seeds(True, None) == MOST and most_seeds(True, 8) == 8 and most_seeds(False, None) is None
    with pytest.raises(StudyError, match="--max-seeds is for --until-decided"):
        most_seeds(False, 8)
    with pytest.raises(StudyError, match="--budget is for --until-decided"):
        seconds("2h", until_decided=False)


def test_a_plan_says_what_growing_will_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["plan", "augment_ablation", "--until-decided", "--max-seeds", "5", *settings()]
    answer = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert answer.exit_code == 0
    text = " ".join(answer.output.split())
    assert "looks after 3 and 5 seeds, until every claim is decided" in text
    assert "a seed's 2.8, the test sample's" in text and "(as measured at the quick scale)" in text
    for difference in ("0.0 points", "+3.0 points", "+5.0 points"):
        assert difference in text
