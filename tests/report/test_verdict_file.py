"""Page, terminal and ``verdict.json`` of each study have the same sentences, numbers and decisions."""

from __future__ import annotations

import dataclasses
import json
import re
import statistics
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest

from hpt_ray.analysis.measures.run import Run
from hpt_ray.cli import console
from hpt_ray.core.registry import load, names
from hpt_ray.report.render import render, verdicts
from hpt_ray.report.verdict_file import verdict_file
from tests.support import simulate_studies
from tests.support.simulate_dashboards import simulated

#: A number with its interval, as it is written in a sentence.
NUMBER = re.compile(r"[+−]?\d+\.\d(?: %)? \[[^\]]+\]")
#: A predicate with the first number behind it.
SAID = re.compile(r"(better|worse|equivalent|not shown)[^();]*\([^()]*?(\S+ \[[^\]]+\])")
DECISIONS = {"better": "better", "worse": "worse", "equivalent": "equivalent", "not shown": "not enough evidence"}
MARKS = {"better": "▲", "worse": "▼", "equivalent": "≈", "not enough evidence": ""}


class Verdict(HTMLParser):
    """The headline, the statements, the key figures, the caveats and the table of arms on a page with one target."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.headline, self.about, self.inside = "", "", ""
        self.statements: list[str] = []
        self.values: list[str] = []
        self.notes: list[str] = []
        self.rows: list[list[str]] = []
        body = re.sub(r"<(script|style)>.*?</\1>", "", source, flags=re.DOTALL)
        self.feed(body.split('aria-label="Verdict"')[1].split("Arms at a glance")[0])
        self.feed(body.split("Arms at a glance")[-1].split("</table>")[0])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = dict(attrs).get("class") or tag
        if self.inside == "tr":
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        text = data.replace("\xa0", " ").strip()
        if not text:
            return
        if self.inside in ("headline", "about"):
            setattr(self, self.inside, text)
        elif self.inside in ("shown", "open"):
            self.statements.append(text)
        elif self.inside == "strong":
            self.values.append(text)
        elif self.inside in ("li", "warns"):
            self.notes.append(text)
        elif self.inside in ("th", "td", "name"):
            self.rows[-1].append(text)


def written(number: dict[str, Any]) -> str:
    """A number of the file with its interval, formatted here once more."""
    share = number.get("unit") == "share"
    sign = "" if share else "+"
    parts = [f"{100 * number[part]:{sign}.1f}" for part in ("estimate", "low", "high")]
    estimate, low, high = ("0.0" if part in ("+0.0", "-0.0") else part.replace("-", "−") for part in parts)
    return f"{estimate}{' %' if share else ''} [{low}, {high}]"


def terminal(run: Run, found: list[Any]) -> str:
    paths = {"results": "r.parquet", "report": "r.html"}
    result = SimpleNamespace(verdicts=found, run=run, failures={}, handed=[], advice=None, **paths)
    with console.out.capture() as captured:
        console.result(result)  # type: ignore[arg-type]  # stands for a Result
    return " ".join(captured.get().split())


def holm(p_values: list[float]) -> list[float]:
    """Each p-value after Holm: the largest of those below it, each times how many are not smaller."""
    ordered = sorted(p_values)
    steps = {p: min(1.0, p * (len(ordered) - place)) for place, p in reversed(list(enumerate(ordered)))}
    return [max(step for smaller, step in steps.items() if smaller <= p) for p in p_values]


@pytest.mark.parametrize("study", names("dashboards"))
def test_page_terminal_and_file_say_the_same(study: str) -> None:
    run, dashboard = simulated(study), load("dashboards", study)
    found = verdicts(run, dashboard)
    page, lines = Verdict(render(run, dashboard, found)), terminal(run, found)
    (file,) = json.loads(verdict_file(run, found))["targets"]
    assert page.headline == file["headline"] and file["headline"] in lines and len(page.headline.split()) <= 15
    assert page.about == f"{file['about']}:" and page.about in lines
    assert page.statements == [part["text"] for part in file["statements"]]
    assert all(" ".join(f"- {statement}".split()) in lines for statement in page.statements)
    assert file["sentence"].startswith(file["about"])
    assert page.notes == [caveat["text"] for caveat in file["caveats"]]
    assert all(" ".join(note.split()) in lines for note in page.notes)
    texts = [[cell["text"] for cell in row] for row in file["table"]["rows"]]
    assert page.rows == [file["table"]["columns"], *texts]
    assert page.values == [figure["text"] for figure in file["key_figures"]]

    cells = [cell for row in file["table"]["rows"] for cell in row]
    numbers = [part for part in (*cells, *file["key_figures"]) if part.get("unit") in ("share", "difference of shares")]
    for part in numbers:
        if "low" in part:  # a spread has no sign, and a key figure's text no interval
            digits = re.findall(r"\d+\.\d", part["text"])
            assert digits == re.findall(r"\d+\.\d", written(part))[: len(digits)] != []
        assert MARKS[part.get("decision", "not enough evidence")] in part["text"]
    differences = [claim | {"text": written(claim["difference"])} for claim in file["claims"] if claim["difference"]]
    known = {written(part) for part in numbers if "low" in part} | {claim["text"] for claim in differences}
    spreads = {part["text"] for part in numbers}  # without a sign
    assert set(NUMBER.findall(file["sentence"])) <= known | spreads


@pytest.mark.parametrize("study", names("dashboards"))
def test_decisions_follow_from_the_numbers_and_families_of_the_file(study: str) -> None:
    run = simulated(study)
    found = verdicts(run, load("dashboards", study))
    (file,) = json.loads(verdict_file(run, found))["targets"]
    families: dict[str, list[dict[str, Any]]] = {}
    for claim in file["claims"]:
        assert claim["family"] and claim["metric"] == run.metric.name
        if claim["difference"]:
            families.setdefault(claim["family"], []).append(claim)
    assert families
    assert not next(iter(families.values()))[0]["exploratory"]  # the first answers the study's question
    for claims in families.values():
        assert len({claim["exploratory"] for claim in claims}) == 1
        corrected = holm([claim["difference"]["p"] for claim in claims])
        assert [claim["p_corrected"] for claim in claims] == pytest.approx(corrected)
        for claim in claims:
            low, high = claim["difference"]["low"], claim["difference"]["high"]
            if claim["decision"] == "equivalent":
                assert low > -0.01 and high < 0.01
            elif claim["decision"] in ("better", "worse"):
                assert claim["p_corrected"] < 0.05 and (low > 0 if claim["decision"] == "better" else high < 0)
            elif claim["measure"] != "speed":  # is undecided too where the speed-up's interval does not agree
                assert claim["p_corrected"] >= 0.05 or low <= 0 <= high
    decisions: dict[str, set[str]] = {}
    for claim in [claim for claims in families.values() for claim in claims]:
        decisions.setdefault(written(claim["difference"]), set()).add(claim["decision"])
    for word, number in SAID.findall(file["sentence"]):
        assert DECISIONS[word] in decisions[number]


@pytest.mark.parametrize(
    ("study", "marks"),
    [
        ("iteration_budget", {"- Exploratory: ", "points: not enough evidence (exploratory)"}),
        ("methods", {"; exploratory: there is not enough evidence that the difference depends on the method"}),
        ("landscape", {"; exploratory: ", "- Exploratory: HPT ", "Direct transfer, crop only (exploratory)"}),
        ("low_label", {"- Exploratory: ", "Linear (exploratory)"}),
    ],
)
def test_what_is_exploratory_is_said_where_it_stands(study: str, marks: set[str]) -> None:
    run, dashboard = simulated(study), load("dashboards", study)
    found = verdicts(run, dashboard)
    shown = terminal(run, found) + "".join(tile.remark for verdict in found for tile in verdict.tiles)
    assert {mark for mark in marks if mark not in shown} == set()
    (verdict,) = found
    exploratory = [claim for claim in verdict.claims if claim.exploratory]
    assert exploratory and len(exploratory) < len(verdict.claims)


def test_several_targets_and_a_run_that_was_given_up() -> None:
    run = simulate_studies.run(simulate_studies.sequential(targets=("one", "two")), lambda cell: 0.6, examples=60)
    found = verdicts(run, load("dashboards", "sequential"))
    file = json.loads(verdict_file(run, found))
    assert [part["target"] for part in file["targets"]] == ["one", "two"]
    assert file["across_targets"]["sentence"] in terminal(run, found)
    assert file["across_targets"]["exploratory"] and "exploratory" in file["across_targets"]["sentence"]
    direct = file["across_targets"]["comparisons"][1]
    estimates = [difference["estimate"] for difference in direct["differences"].values()]
    assert direct["mean"]["estimate"] == pytest.approx(statistics.fmean(estimates))
    given_up = run.manifest.model_copy(update={"given_up": "the disk is full"})
    assert json.loads(verdict_file(dataclasses.replace(run, manifest=given_up), found))["targets"] == []
