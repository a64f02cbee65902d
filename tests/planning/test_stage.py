"""Identity of stages whose code a user gives by path: the content of the file counts, not the place it lies at."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from hpt_ray.planning.stage import Stage, WeightsStage, weights_stage
from hpt_ray.spec.study import Evaluation, Pretraining, Weights
from tests.support import small

METHOD = "from hpt_ray.training.methods.moco_v2 import method as method\n"
BACKBONE = "from hpt_ray.training.backbones.resnet_small import backbone as backbone\n"
PROBE = "from hpt_ray.training.probes.knn import probe as probe\n"
METRIC = "from hpt_ray.core.metrics.accuracy import metric as metric\n"


def ids(path: Path, kind: str) -> set[str]:
    """The stages of a study that names a file."""
    name, target = str(path), small.recipe()
    changes: dict[str, dict[str, Any]] = {
        "method": {"recipes": {"base": small.recipe(data=small.BASE, seed=0), "target": small.recipe(method=name)}},
        "backbone": {"backbone": name},
        "weights": {"backbone": name, "arms": ("base",), "factors": ()},
        "probe": {"evaluations": (Evaluation(probe=name),)},
        "metric": {"metric": name},
    }
    if kind == "weights":
        changes[kind]["recipes"] = {"base": Weights(source="stage:0123456789abcdef"), "target": target}
    stages = small.plan(small.study(**changes[kind])).stages.values()
    wanted = {"method": "pretrain", "backbone": "pretrain", "weights": "weights"}.get(kind, "evaluate")
    named = [stage for stage in stages if stage.kind == wanted and name in str(stage.content)]
    return {stage.id for stage in named}


@pytest.mark.parametrize(
    ("kind", "text"),
    [("method", METHOD), ("backbone", BACKBONE), ("weights", BACKBONE), ("probe", PROBE), ("metric", METRIC)],
)
def test_a_file_counts_by_its_content(tmp_path: Path, kind: str, text: str) -> None:
    here, there = tmp_path / "here" / "mine.py", tmp_path / "there" / "mine.py"
    for path in (here, there):
        path.parent.mkdir()
        path.write_text(text)
    first = ids(here, kind)
    assert first and ids(there, kind) == first
    here.write_text(text + "# changed\n")
    assert ids(here, kind).isdisjoint(first)


def test_a_source_of_weights_is_taken_apart_once_and_stored_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "moco.pth"
    file.write_bytes(b"weights")
    stage = weights_stage(small.study(), Weights(source=f"{file}#encoder_q."))
    assert (stage.source.path, stage.source.place) == (file, "encoder_q.")
    stored = stage.model_dump(mode="json")
    assert stored["source"] == f"{file}#encoder_q."
    assert TypeAdapter(Stage).validate_python(stored) == stage
    file.unlink()  # a worker may lack it: what the text means there is not asked again
    assert isinstance(stage, WeightsStage) and pickle.loads(pickle.dumps(stage)) == stage


def test_the_weight_of_what_is_kept_is_part_of_those_stages_alone() -> None:
    arms = ("base", "base>target", "base>target:keep")
    plans = [small.plan(small.study(arms=arms, factors=(), recipes=recipes(keep))) for keep in (1.0, 0.5)]
    one, other = ({cell.arm: cell.phases[-1] for cell in plan.cells} for plan in plans)
    assert [one[arm] == other[arm] for arm in arms] == [True, True, False]


def recipes(keep: float) -> dict[str, Pretraining]:
    return {"base": small.recipe(data=small.BASE, keep=keep), "target": small.recipe(keep=keep)}
