"""A study on images that come in groups, from the rule to the rows of its predictions."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hpt_ray.cli.main import main
from hpt_ray.execute.finalize import Result
from hpt_ray.execute.prepare import prepare
from hpt_ray.execute.run import run
from hpt_ray.store.store import Store
from tests.support import small

PATIENTS, SLICES = 20, 5


def folder(root: Path, patients: int = PATIENTS) -> str:
    for patient in range(patients):
        inside = root / "ab"[patient % 2] / f"p{patient:02}"
        inside.mkdir(parents=True)
        for number in range(SLICES):
            file, generator = io.BytesIO(), np.random.default_rng([patient, number])
            Image.fromarray(generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(file, "PNG")
            (inside / f"slice{number}.png").write_bytes(file.getvalue())
    return str(root)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    root = tmp_path_factory.mktemp("grouped")
    target = folder(root / "slices")
    study = small.study(targets=(target,), arms=("target", "base"), groups="folder")
    return root / "store", run(study, store=root / "store", runner="inline")


def test_predictions_say_the_patient_of_each_test_image(finished: tuple[Path, Result]) -> None:
    store, result = finished
    table = pq.read_table(Path(result.results).with_name("predictions.parquet"))
    names = [f"p{2 * patient + label:02}" for label in (0, 1) for patient in range(10) for _ in range(SLICES)]
    assert table["group"].to_pylist() == [names[image] for image in table["example"].to_pylist()]
    assert len(set(table["group"].to_pylist())) == 4
    for stage in result.run.results["stage"].unique():
        assert "group" in pq.read_schema(store / "stages" / stage / "predictions.parquet").names


def test_the_page_says_in_how_many_groups_test_images_come(finished: tuple[Path, Result]) -> None:
    _, result = finished
    lines = [line for summary in result.run.manifest.datasets.values() for line in summary.found]
    (line,) = (line for line in lines if "test images in" in line)
    assert "20 test images in 4 groups" in line
    assert line in Path(result.report).read_text(encoding="utf-8")


def test_the_groups_are_part_of_what_a_stage_is(finished: tuple[Path, Result]) -> None:
    """A target's stages have other ids, and its rule; a base is the same stage as without groups."""
    store, result = finished
    study = result.run.study
    target = study.targets[0]
    grouped, plain = (prepare(each, Store(store)).plan for each in (study, study.model_copy(update={"groups": None})))
    shared = grouped.stages.keys() & plain.stages.keys()
    assert shared == {id for id, stage in grouped.stages.items() if getattr(stage, "data", "") == small.BASE}
    rules = {id: stage.groups for id, stage in grouped.stages.items() if id not in shared}
    assert set(map(str, rules.values())) == {str({target: "folder"})}


def test_too_few_patients_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = folder(tmp_path / "two", patients=2)
    asked = ["plan", "augment_ablation", "--set", f"target={target}", "--set", "groups=folder"]
    sizes = ["--set", "batch=4", "--set", "group=2", "--set", "base=synthetic:objects,n=80", "--store", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["hpt-study", *asked, *sizes])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "each class lies in one group" in line
