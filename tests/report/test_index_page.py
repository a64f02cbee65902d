from __future__ import annotations

import html

from hpt_ray.analysis.compared import Compared
from hpt_ray.analysis.verdict import Table
from hpt_ray.report.index_page import Entry, Pair, index_page

EVIL = "<script>alert(1)</script>"
ENTRY = Entry(
    run="methods-01",
    name="",
    note=EVIL,
    study="methods",
    question=EVIL,
    targets=(EVIL,),
    state="finished",
    since="2026-11-29T13:00:00+01:00",
    part="4 of 4 cells",
    headlines={"aerial": "HPT is better", "medical": EVIL},
    seconds=90.0,
    report=True,
)
RUNNING = Entry("low-02", "mine", "", "low", "Why?", ("aerial",), "running", "", "1 of 4 cells", {}, None, False)


def test_every_run_is_listed_with_its_report_and_names_do_no_harm() -> None:
    page = index_page("store", [ENTRY, RUNNING], [], 0)
    assert EVIL not in page and page.count(html.escape(EVIL)) == 4
    assert '<a href="runs/methods-01/report.html">methods-01</a>' in page
    assert "runs/low-02/report.html" not in page  # it has none yet
    text = html.unescape(page)
    assert "4 of 4 cells · 1 min 30 s of work · 2026-11-29 12:00 UTC" in text
    assert "aerial:</span> HPT is better" in text
    assert "mine <span" in text and "running</span>" in text
    assert "Two runs compared" not in page


def test_pairs_are_tables_of_what_differs() -> None:
    asked = Table(("What", "one", "two"), (("seeds", "3", "5"),))
    pairs = [Pair(ENTRY, ENTRY, Compared(asked, Table(("Arm",), ()), "No numbers."))]
    page = index_page("store", [ENTRY], pairs, 1)
    assert "<td>3</td><td>5</td>" in page and "No numbers." in page and "1 more pair is not shown" in page


def test_a_store_without_runs_says_so() -> None:
    assert "There are no runs in this store." in index_page("store", [], [], 0)
