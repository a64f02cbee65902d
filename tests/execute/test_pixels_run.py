"""A study whose pixels stay encoded, beside data sets of arrays: what its stages are, and that nothing is decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpt_ray.cli.main import main
from hpt_ray.core.errors import DataError
from hpt_ray.data import cache as caching
from hpt_ray.execute.estimate import estimate
from hpt_ray.execute.prepare import prepare
from hpt_ray.execute.run import run
from hpt_ray.store.store import Store
from tests.support import small


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def folder(root: Path, width: int = 40, height: int = 24) -> str:
    for number in range(80):
        path = root / "ab"[number % 2] / f"{number:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path, quality=90)
    return str(root)


def test_images_that_stay_encoded_are_trained_and_evaluated_on_and_never_stored(tmp_path: Path, cache: Path) -> None:
    target = folder(tmp_path / "photos")
    study = small.study(targets=(target,), arms=("target", "base>target"), factors=(), pixels="auto")
    result = run(study, store=tmp_path / "store", runner="inline")
    assert not result.failures
    assert set(result.run.results["evaluation"].unique()) == {"linear", "knn"}
    decoded = [np.load(file, mmap_mode="r").shape for file in cache.glob("decoded/*/images.npy")]
    assert decoded == [(80, 3, 16, 16)]  # of the base alone, which are arrays
    assert len([*cache.glob("indexed/*/places.npy")]) == 1
    stages = prepare(study, Store(tmp_path / "store")).plan.stages.values()
    on = {stage.data: stage.encoded for stage in stages if stage.kind != "weights"}
    assert on == {target: (target,), small.BASE: ()}
    assert {stage.id for stage in stages} == Store(tmp_path / "store").finished()


def test_how_pixels_are_kept_is_part_of_what_a_stage_is(tmp_path: Path, cache: Path) -> None:
    study = small.study(targets=(folder(tmp_path / "photos"),), arms=("base", "target"), factors=())
    plans = {
        kept: prepare(study.model_copy(update={"pixels": kept}), Store(tmp_path)).plan for kept in ("resident", "auto")
    }
    shared = plans["resident"].stages.keys() & plans["auto"].stages.keys()
    assert {plans["auto"].stages[stage].data for stage in shared} == {small.BASE}
    assert any("stay encoded" in note for note in plans["auto"].notes)
    assert not any("stay encoded" in note for note in plans["resident"].notes)


def test_the_papers_scale_keeps_large_images_encoded_and_says_why(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def plan(*settings: str) -> tuple[int, str, str]:
        given = dict(setting.split("=", 1) for setting in settings)
        data = {"target": folder(tmp_path / "photos"), "base": folder(tmp_path / "others")} | given
        sizes = ["batch=8", "group=4", "image_size=16", "backbone=resnet_small", "iterations=2", "base_iterations=2"]
        settings = (*(f"{name}={value}" for name, value in data.items()), *sizes)
        asked = [part for setting in settings for part in ("--set", setting)]
        monkeypatch.setattr("sys.argv", ["hpt-study", "plan", "augment_ablation", "--store", str(tmp_path), *asked])
        with pytest.raises(SystemExit) as done:
            main()
        return done.value.code, *capsys.readouterr()

    code, output, _ = plan("scale=paper", "probe=knn", "scratch_iterations=2")
    assert code == 0
    assert "photos: its images stay encoded, since most are larger than 18 px" in " ".join(output.split())
    assert "encoded" not in plan()[1]
    code, output, _ = plan("base=synthetic:objects,n=80", "pixels=encoded")
    assert code == 0
    told = " ".join(output.split())
    assert "photos: its images stay encoded, as asked" in told
    assert "objects: its images are drawn or downloaded as arrays, and stay resident" in told
    code, _, error = plan("base=synthetic:objects,n=80", "target=synthetic:aerial,n=80", "pixels=encoded")
    (line,) = error.splitlines()
    assert code == 2
    assert "synthetic:aerial,n=80 has arrays and no files, which cannot stay encoded: write pixels=auto" in line


def test_data_that_do_not_fit_together_are_refused_before_any_is_decoded(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = 80 * 3 * 16**2
    study = small.study(
        targets=(folder(tmp_path / "photos"), folder(tmp_path / "others")), arms=("target",), factors=()
    )
    monkeypatch.setattr(caching, "room", lambda: 2 * one - 1)
    with pytest.raises(
        DataError, match=r"^the data of study small needs 0 MB in the cache .*where 0 MB are free.*write pixels=auto"
    ):
        prepare(study, Store(tmp_path / "store"))
    assert not [*cache.glob("decoded/*")]
    monkeypatch.setattr(caching, "room", lambda: 2 * one)
    prepared = prepare(study, Store(tmp_path / "store"))
    assert estimate(prepared, None, 1).cache == 2 * one
    monkeypatch.setattr(caching, "room", lambda: 0)  # what is there needs no more room
    prepare(study, Store(tmp_path / "store"))
