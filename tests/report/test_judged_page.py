"""A judged table as page, JSON, CSV and LaTeX: all have the same numbers, and names from outside do no harm."""

from __future__ import annotations

import html
import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from hpt_ray.analysis.judged import Judged, judge_table
from hpt_ray.analysis.measures.long_table import Options
from hpt_ray.analysis.measures.read_table import read
from hpt_ray.report.claim_tables import claims_csv, claims_latex
from hpt_ray.report.judged_page import judged_page
from hpt_ray.report.verdict_file import judged_file

EVIL = "<script>alert(1)</script>_50%"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Two arms against the base on two data sets, of which one has no result on the second."""
    rows = [
        (arm, data, seed, 0.8 + 0.05 * (arm != "base") + 0.01 * seed + 0.004 * (seed == 1) * (arm != "base"))
        for arm in ("base", "ours", EVIL)
        for data in ("aerial", "medical")
        for seed in range(3)
        if (arm, data) != (EVIL, "medical")
    ]
    file = tmp_path_factory.mktemp("judged") / "runs.csv"
    pd.DataFrame(rows, columns=["model", "dataset", "seed", "acc"]).to_csv(file, index=False)
    return judge_table(read(str(file), Options(baseline="base")))


def test_the_page_says_what_was_judged_and_how_the_table_was_read(judged: Judged) -> None:
    page = judged_page(judged)
    text = html.unescape(page).replace("\N{NO-BREAK SPACE}", " ")
    for verdict in judged.verdicts:
        for said in (verdict.headline, *(statement.text for statement in verdict.statements), *verdict.notes):
            assert said in text
    assert judged.across is not None and judged.across.sentence in text
    assert all(line in text for line in judged.table.reading)
    assert EVIL not in page.replace(html.escape(EVIL), "")


def test_the_figure_has_a_line_for_each_difference_of_the_metric(judged: Judged) -> None:
    plot = re.findall(r'<script type="application/json">(.*?)</script>', judged_page(judged), re.DOTALL)
    (drawn,) = map(json.loads, plot)
    assert len(drawn["data"]) == 3 + 2  # the differences on each target, and each arm's mean over targets


def test_the_other_files_have_its_numbers(judged: Judged) -> None:
    content, table = json.loads(judged_file(judged)), pd.read_csv(io.StringIO(claims_csv(judged.verdicts)))
    claims = [claim for target in content["targets"] for claim in target["claims"]]
    assert len(claims) == len(table) == 4
    for claim, (_, row) in zip(claims, table.iterrows(), strict=True):
        assert (claim["subject"], claim["decision"]) == (row["subject"], row["decision"])
        if claim["difference"] is None:
            assert pd.isna(row["difference"])
        else:
            assert claim["difference"]["high"] == pytest.approx(row["high"])
    assert content["across_targets"]["comparisons"][1]["missing"] == ["medical"]


def test_latex_is_escaped_and_plain(judged: Judged) -> None:
    table = claims_latex(judged.verdicts)
    assert table.isascii() and r"\_50\%" in table
    assert r"aerial & accuracy & ours & base & +5.1 [+4.6, +5.7] &" in table and r"& better \\" in table


def test_numbers_that_are_no_shares_are_written_as_they_are(tmp_path: Path) -> None:
    rows = [("base", 0, 3.1), ("base", 1, 3.3), ("ours", 0, 2.1), ("ours", 1, 2.4)]
    pd.DataFrame(rows, columns=["model", "seed", "rmse"]).to_csv(tmp_path / "runs.csv", index=False)
    judged = judge_table(read(str(tmp_path / "runs.csv"), Options(baseline="base", margin=0.1)))
    page = judged_page(judged)
    assert "within ±0.1" in page and "Lower rmse is better" in page
    assert json.loads(judged_file(judged))["targets"][0]["key_figures"][0]["unit"] == "difference"
    assert '"x":[0.95]' in page.replace("\\u003c", "<") or '"x":[0.9500000000000002]' in page
