"""The heat maps: what a cell shows, its colour, and what a reader who sees no colour is told."""

from __future__ import annotations

import re

import pytest

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.measures.text_format import points
from hpt_ray.core.registry import load
from hpt_ray.report.figures.landscape import BETTER, EQUAL, WORSE, DifferenceMap, color
from tests.support import simulate_studies as simulate

FIGURE = load("figures", "landscape")


def truth(cell: simulate.Cell) -> float:
    """HPT is far ahead of from scratch at the small budget and far behind at the large one."""
    return {"base": 0.6, "base>target": 0.7, "target": 0.4 if cell.others == ("30",) else 0.95}.get(cell.arm, 0.6)


def lost(cell: simulate.Cell, seed: int | None) -> bool:
    return (cell.arm, cell.level, cell.others) == ("target", "crop_only", ("270",))


@pytest.fixture(scope="module")
def value() -> tuple[DifferenceMap, ...]:
    panels: tuple[DifferenceMap, ...] = FIGURE.compute(
        simulate.run(simulate.landscape(), truth, examples=200, failed=lost)
    )
    return panels


def test_there_is_a_map_per_comparison_hpt_first(value: tuple[DifferenceMap, ...]) -> None:
    assert [panel.title for panel in value] == [
        "HPT minus from scratch",
        "HPT minus direct transfer (exploratory)",
        "Direct transfer minus from scratch (exploratory)",
        "HPT-BN minus from scratch (exploratory)",
    ]
    assert value[0].corner == "Policy" and value[0].columns == {"30": "30 iterations", "270": "270 iterations"}


def test_a_cell_shows_its_number_its_interval_and_a_mark(value: tuple[DifferenceMap, ...]) -> None:
    html = str(FIGURE.draw(value[:1]))
    shown = re.findall(r'<td style="background: (#\w{6})" title="([^"]*)"><(strong|span)>([^<]*)</', html)
    claims = [claim for claim in value[0].cells.values() if claim.difference is not None]
    assert [title for _, title, _, _ in shown] == [str(claim.outcome) for claim in claims]
    marks = {Outcome.BETTER: " ▲", Outcome.WORSE: " ▼"}
    assert [number for *_, number in shown] == [
        points(claim.difference.estimate) + marks[claim.outcome] for claim in claims if claim.difference is not None
    ]
    assert {tag for _, _, tag, _ in shown} == {"strong"}
    assert html.count('class="hole"') == 1 and "no result" in html


def test_what_is_not_decided_has_neither_mark_nor_bold_type() -> None:
    run = simulate.run(simulate.landscape(), lambda cell: 0.6, examples=30)
    html = str(FIGURE.draw(FIGURE.compute(run)))
    assert "<strong>" not in html and "▲" not in html.split("map-scale", maxsplit=1)[0] and html.count("<span>") > 12


def test_colours_go_both_ways_from_the_middle_and_carry_dark_text() -> None:
    def rgb(share: float) -> tuple[int, ...]:
        return tuple(int(color(share)[place : place + 2], 16) for place in (1, 3, 5))

    def luminance(channels: tuple[int, ...]) -> float:
        """WCAG 2.1's relative luminance."""
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in channels)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert (rgb(-1), rgb(0), rgb(1)) == (WORSE, EQUAL, BETTER)
    assert rgb(0.5) == tuple(round((middle + end) / 2) for middle, end in zip(EQUAL, BETTER, strict=True))
    ink = luminance((0x1C, 0x1E, 0x21))
    assert all((luminance(rgb(share)) + 0.05) / (ink + 0.05) > 4.5 for share in (-1, -0.5, 0, 0.5, 1))


def test_names_are_escaped_and_targets_told_apart() -> None:
    run = simulate.run(simulate.landscape(targets=("a<b>", "two")), truth, examples=20)
    html = str(FIGURE.draw(FIGURE.compute(run)))
    assert "HPT minus from scratch, a&lt;b&gt;" in html and "<b>" not in html


def test_a_study_of_one_factor_has_no_map() -> None:
    run = simulate.run(simulate.methods(), lambda cell: 0.6, examples=20)
    assert FIGURE.compute(run) == ()
