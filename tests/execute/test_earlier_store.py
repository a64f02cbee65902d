"""A run that was stored before the package was laid out as it is now: ids hash content, not the places of modules.

``earlier_store`` is the run's folder without its page, of

    hpt-study run augment_ablation --set target=synthetic:shape,n=80 --set base=synthetic:objects,n=80 --runner inline
        --set iterations=2 --set base_iterations=2 --set seeds=1 --set policies=baseline,crop_only --set batch=8
        --set group=4 --set image_size=16 --set precision=float32
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hpt_ray.cli.main import main
from hpt_ray.core.identity import VERSIONS
from hpt_ray.execute.prepare import prepare
from hpt_ray.spec.parameters import make
from hpt_ray.store.store import Store

EARLIER = Path(__file__).with_name("earlier_store")
RUN = "augment_ablation-62f8c0717ef7"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    shutil.copytree(EARLIER, tmp_path / "store")
    return tmp_path / "store"


def test_the_same_study_has_the_same_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Views in bfloat16 have changed since: under the version of that time nothing else may have.
    monkeypatch.setitem(VERSIONS, "pretrain", 1)
    settings = {
        "iterations": 2,
        "base_iterations": 2,
        "base_seeds": 1,
        "seeds": 1,
        "policies": ("baseline", "crop_only"),
    }
    sizes = {"batch": 8, "group": 4, "image_size": 16, "precision": "float32"}
    study = make(
        "augment_ablation", {"target": "synthetic:shape,n=80", "base": "synthetic:objects,n=80"} | settings | sizes
    )
    stored = json.loads((EARLIER / "runs" / RUN / "plan.json").read_text())
    plan = prepare(study, Store(tmp_path)).plan
    assert plan.id == stored["id"]
    assert set(plan.stages) == {stage["id"] for stage in stored["stages"]}


@pytest.mark.parametrize("command", ["status", "report"])
def test_it_opens(
    command: str, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["hpt-study", command, *([RUN] if command == "report" else []), "--store", str(store)]
    )
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 0, capsys.readouterr().err
    if command == "report":
        page = (store / "runs" / RUN / "report.html").read_text(encoding="utf-8")
        assert "HPT-BN" in page
        assert "Is hierarchical pretraining more robust" in page
