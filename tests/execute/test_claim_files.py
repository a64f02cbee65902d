"""The stored tables of a run are tables that can be judged, and give the claims of its own ``verdict.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpt_ray.analysis.judged import judge_table
from hpt_ray.analysis.measures.long_table import Options
from hpt_ray.analysis.measures.read_table import read
from hpt_ray.core.errors import StudyError
from hpt_ray.execute.claim_files import write_claims, write_judged
from hpt_ray.execute.run import run
from tests.support import small


def claims(file: Path) -> list[dict[str, Any]]:
    (target,) = json.loads(file.read_text())["targets"]
    claims: list[dict[str, Any]] = target["claims"]
    return claims


@pytest.mark.slow
def test_a_run_and_its_tables_make_the_same_claims(tmp_path: Path) -> None:
    study = small.study(arms=("target", "base>target"), factors=(), seeds=(0, 1))
    result = run(study, store=tmp_path / "store", runner="inline")
    own = claims(Path(result.report).with_name("verdict.json"))
    predictions = str(Path(result.report).with_name("predictions.parquet"))
    judged = judge_table(read(predictions, Options(baseline="target")))
    assert "Of the evaluations the first is used, linear" in " ".join(judged.table.reading)
    written = write_judged(judged, tmp_path / "judged")
    assert [path.name for path in written] == ["claims.csv", "claims.tex", "verdict.json", "report.html"]
    (mine,) = claims(tmp_path / "judged" / "verdict.json")
    assert mine["difference"]["seeds"] == 2
    assert [mine | {"evaluation": "linear"}] == own
    # Of its results, a value a seed, the differences are the same; but the test images' luck is not seen in them.
    results = judge_table(read(str(Path(result.results)), Options(baseline="From scratch")))
    (claim,) = results.verdicts[0].claims
    assert claim.difference is not None
    assert claim.difference.estimate == pytest.approx(mine["difference"]["estimate"])
    assert "for this very test set" in results.verdicts[0].about


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("model,acc\nbase,0.5\nours,0.6\n")
    judged = judge_table(read(str(tmp_path / "runs.csv"), Options(baseline="base")))
    with pytest.raises(StudyError, match="cannot be written"):
        write_claims(judged.verdicts, tmp_path / "runs.csv" / "claims.csv", None)


def test_neither_the_table_nor_another_file_is_replaced(tmp_path: Path) -> None:
    runs = tmp_path / "claims.csv"
    runs.write_text("model,acc\nbase,0.5\nours,0.6\n")
    judged = judge_table(read(str(runs), Options(baseline="base")))
    latex = tmp_path / "b" / ".." / "a"
    for attempt in (
        lambda: write_judged(judged, tmp_path),
        lambda: write_claims(judged.verdicts, runs, None, str(runs)),
        lambda: write_claims(judged.verdicts, tmp_path / "a", latex),
    ):
        with pytest.raises(StudyError, match="choose another place"):
            attempt()
    assert runs.read_text().startswith("model,acc") and list(tmp_path.iterdir()) == [runs]
