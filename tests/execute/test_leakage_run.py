"""A run whose base holds test images of its target, from the plan to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hpt_ray.cli import plan_output
from hpt_ray.core.errors import StageError
from hpt_ray.core.layout import Layout
from hpt_ray.execute.backends.inline import InlineRunner
from hpt_ray.execute.prepare import prepare
from hpt_ray.execute.run import run
from hpt_ray.execute.stage_data import stage_data
from hpt_ray.planning.plan import Unit
from hpt_ray.planning.stage import Stage
from hpt_ray.spec.study import Study
from hpt_ray.store.store import Store
from hpt_ray.training.loop.pretrain import Pretrainer
from tests.support import small

LINE = "base: 2 images are also test images of target: left out of pretraining."


def folder(root: Path, **splits: list[int]) -> str:
    for split, seeds in splits.items():
        for place, seed in enumerate(seeds):
            path = root / split / "ab"[place % 2] / f"{place:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(noise).resize((16, 16), Image.Resampling.BICUBIC).save(path)
    return str(root)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    base = folder(tmp_path / "base", train=[*range(30), 200, 201], val=[30, 31], test=[32, 33])
    target = folder(tmp_path / "target", train=[*range(100, 120)], val=[*range(120, 124)], test=[*range(200, 206)])
    recipes = {"base": small.recipe(data=base, seed=0, iterations=3), "target": small.recipe()}
    return small.study(targets=(target,), recipes=recipes, arms=("base", "base>target"), factors=())


def test_nothing_of_test_is_trained_on_and_the_reader_is_told(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store, seen, begin = tmp_path / "store", list[bytes](), Pretrainer.__init__

    def spying(self: Pretrainer, *given: Any, **more: Any) -> None:
        begin(self, *given, **more)
        data = self.batches.data
        seen.extend(data.images[i].tobytes() for i in self.batches.indices)

    monkeypatch.setattr(Pretrainer, "__init__", spying)
    made = run(study, store=store, runner="inline")
    assert not made.failures
    prepared = prepare(study, Store(store))
    target = prepared.datasets[study.targets[0]]
    assert len(seen) == 32 + 24
    assert not set(seen) & {target.images[i].tobytes() for i in target.splits["test"]}
    plan_output.describe_plan(prepared.plan, 0)
    assert LINE in capsys.readouterr().out
    assert made.run.manifest.datasets[study.recipes["base"].data].shared[0].copies == 2  # type: ignore[union-attr]
    page = Path(made.report).read_text()
    assert '<th scope="row">base</th><td class="word">target</td><td>2</td><td>0 of 6 (0.0 %)</td>' in page


def base_stage(study: Study, store: Store) -> Stage:
    stages = prepare(study, store).plan.stages.values()
    return next(stage for stage in stages if stage.data == study.recipes["base"].data)  # type: ignore[union-attr]


def test_a_worker_leaves_out_what_was_planned_or_nothing_at_all(study: Study, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    stage = base_stage(study, store)
    assert len(stage_data(stage).pretraining()) == 32
    (Path(study.targets[0]) / "test" / "a" / "000.png").unlink()
    failed: dict[str, str] = {}

    def tell(event: Any) -> bool:
        if event.kind == "failed":
            failed[event.unit] = event.reason
        return True

    InlineRunner(Layout(slots=1, workers=1, threads=1)).run(
        iter([[Unit(id=stage.id, stages=(stage,), needs=None)]]), store, tell, lambda: False
    )
    assert "has changed since the study was planned" in failed[stage.id]
    assert base_stage(study, store).id != stage.id
    with pytest.raises(StageError, match="has changed"):
        stage_data(stage.model_copy(update={"apart": ()}))
