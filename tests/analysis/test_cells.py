"""The table of cells."""

from __future__ import annotations

import pytest

from hpt_ray.analysis.cells import cells
from tests.support import simulate


def test_every_cell_stands_in_the_table_with_its_reason() -> None:
    run = simulate.run(examples=60, failed=lambda cell: cell == ("base>target", "baseline", 1))
    found = cells(run)
    assert len(found) == 3 * 5 * 3 + 1
    lost = found[found["status"] != "done"]
    assert lost[["arm", "levels", "seed"]].to_numpy().tolist() == [["base>target", ("baseline",), 1]]
    assert lost["reason"].iloc[0].startswith("loss is not finite")
    mine = found[(found["arm"] == "base>target") & (found["levels"] == ("crop_only",))].set_index("seed")
    own = found[(found["arm"] == "base>target") & (found["levels"] == ("baseline",))].set_index("seed")
    assert mine["change"].isna().tolist() == [False, True, False]
    assert mine["change"][0] == pytest.approx(mine["linear"][0] - own["linear"][0])


def test_nothing_finished_is_no_crash() -> None:
    run = simulate.run(failed=lambda cell: True)
    assert set(cells(run)["status"]) == {"failed"}
