"""The looks of a run in words and as a table, against the records that they are of."""

from __future__ import annotations

import dataclasses

import pytest

from hpt_ray.analysis.until_decided import until_decided
from hpt_ray.report.figures.looks import compute
from hpt_ray.store.records import Look, Looks
from tests.planning.test_sequence import claim
from tests.support import simulate

OPEN = claim("HPT", "From scratch", target="rsscn7")
BETTER = claim("HPT", "Direct transfer", target="rsscn7", decided=True, decision="better", low=0.02)
LOOKS = Looks(
    most=24,
    made=(
        Look(rows=3, claims=(OPEN, BETTER)),
        Look(rows=5, claims=(OPEN.model_copy(update={"rows": 5, "futile": "few test images"}),)),
    ),
    cells=40,
    fixed_cells=240,
    ended="closed",
)


def test_every_claim_has_its_path_and_its_decision() -> None:
    run = simulate.run(seeds=2, examples=20)
    assert until_decided(run) is None
    looked = dataclasses.replace(run, manifest=run.manifest.model_copy(update={"looks": LOOKS}))
    found = until_decided(looked)
    assert found is not None
    assert found.sentence == (
        "Of 2 claims, looked at after 3 and 5 seeds of at most 24, 1 decided and 1 futile, as the test set is too "
        "small; no claim is left open. It has 40 cells; all of them with 24 seeds would have been 240."
    )
    assert found.table.columns == ("Claim", "Decision", "After 3 seeds", "After 5 seeds")
    assert found.table.rows == (
        (
            "Accuracy: HPT against from scratch",
            "futile after 5 seeds: too few test images",
            "+10.0 [−10.0, +30.0]",
            "+10.0 [−10.0, +30.0]",
        ),
        ("Accuracy: HPT against direct transfer", "better after 3 seeds", "+10.0 [+2.0, +30.0] ▲", "–"),
    )
    (first, *_), seen = LOOKS.made, "after 3 seeds of at most 24, "
    one = LOOKS.model_copy(update={"made": (first.model_copy(update={"claims": first.claims[:1]}),)})
    alone = until_decided(dataclasses.replace(run, manifest=run.manifest.model_copy(update={"looks": one})))
    assert alone is not None and alone.sentence.startswith(f"Of 1 claim, looked at {seen}")
    paths = compute(looked).paths
    assert [path.rows for path in paths] == [(3, 5), (3,)]
    assert [path.boundaries[0] for path in paths] == pytest.approx([0.2, 0.14])
