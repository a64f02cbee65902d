"""Writers: what each wrote is read back with its program's own reader."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpt_ray.core.errors import StudyError
from hpt_ray.core.registry import load, names
from hpt_ray.execute.watching import writers
from hpt_ray.report.render import verdicts
from hpt_ray.report.watched import Watched, watched
from tests.support.simulate_dashboards import simulated

CURVE = "rsscn7/HPT/crop_only/seed 1"


@pytest.fixture(scope="module")
def shown() -> Watched:
    run = simulated("augment_ablation")
    return watched("augment_ablation-1a2b", run, verdicts(run, load("dashboards", "augment_ablation")), b"<p>page</p>")


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for variable in ("TENSORBOARD_LOGDIR", "MLFLOW_TRACKING_URI", "WANDB_MODE", "WANDB_DIR"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def test_a_run_for_writers_has_every_stage_once_and_the_mean_over_seeds(shown: Watched) -> None:
    run = simulated("augment_ablation")
    own = [curve.name for curve in shown.curves]
    assert len(own) == len(set(own)) == run.curves["stage"].nunique() and CURVE in own
    rows = run.results.query("arm == 'base>target' and policy == 'crop_only' and split == 'test' and iteration > 0")
    rows = rows[rows["evaluation"] == "linear"]
    assert shown.metrics["rsscn7/HPT/crop_only/linear accuracy"] == pytest.approx(rows["value"].mean())
    assert "Not enough evidence" in shown.verdict and shown.settings["Budget"].startswith("base for 600")


def points(shown: Watched) -> list[tuple[int, float]]:
    (curve,) = [curve for curve in shown.curves if curve.name == CURVE]
    return list(curve.measures["loss"])


def test_tensorboard(shown: Watched, workplace: Path) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    for _ in range(2):  # the second time replaces what the first wrote
        line = load("writers", "tensorboard")(shown)
    folder = workplace / "tensorboard" / shown.name
    assert line == "tensorboard --logdir tensorboard" and (folder / "report.html").read_bytes() == shown.report
    events = reader.EventAccumulator(str(folder / CURVE)).Reload()
    read = [(event.step, event.value) for event in events.Scalars("training/loss")]
    assert read == [(step, pytest.approx(value, rel=1e-6)) for step, value in points(shown)]
    top = reader.EventAccumulator(str(folder)).Reload()
    (metric,) = top.Scalars("test/rsscn7/HPT/crop_only/linear_accuracy")
    assert metric.value == pytest.approx(shown.metrics["rsscn7/HPT/crop_only/linear accuracy"])
    assert top.Tensors("verdict/text_summary")[0].tensor_proto.string_val[0].decode() == shown.verdict


@pytest.mark.slow
def test_mlflow(shown: Watched, workplace: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    place = (workplace / "mlruns").as_uri()
    assert load("writers", "mlflow")(shown) == f"mlflow ui --backend-store-uri {place}"
    client = mlflow.MlflowClient(tracking_uri=place)
    (run,) = client.search_runs([client.get_experiment_by_name("augment_ablation").experiment_id])
    read = [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, f"{CURVE}/loss")]
    assert sorted(read) == points(shown)
    assert run.data.metrics["rsscn7/HPT/crop_only/linear accuracy"] == pytest.approx(
        shown.metrics["rsscn7/HPT/crop_only/linear accuracy"]
    )
    assert run.data.params["Budget"] == shown.settings["Budget"] and run.info.run_name == shown.name
    (page,) = workplace.glob("mlruns/*/*/artifacts/report.html")
    assert page.read_bytes() == shown.report and page.with_name("verdict.txt").read_text() == shown.verdict


def wandb_records(data: bytes) -> Iterator[bytes]:
    """The records of an offline run's file: a log as LevelDB writes it, of blocks of 32 KiB, after a header of 7 bytes.

    Each piece of a record has a checksum, its length and whether it is whole (1), the first (2), a middle (3) or the
    last (4) one.
    """
    block, position, record = 32_768, 7, b""
    while position + 7 <= len(data):
        if block - position % block < 7:
            position += block - position % block
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        record += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            yield record
            record = b""


@pytest.mark.slow
def test_wandb_offline(shown: Watched, workplace: Path) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    from wandb.proto import wandb_internal_pb2 as messages

    line = load("writers", "wandb")(shown)
    (file,) = workplace.glob("wandb/offline-run-*/run-*.wandb")
    assert line == f"wandb sync {file.parent}"
    losses, summary, artifacts = [], {}, []
    for data in wandb_records(file.read_bytes()):
        record = messages.Record()
        record.ParseFromString(data)
        if record.HasField("history"):
            items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
            if f"{CURVE}/loss" in items:
                losses.append((int(float(items[f"{CURVE}/iteration"])), float(items[f"{CURVE}/loss"])))
        elif record.HasField("summary"):
            summary |= {item.key or "/".join(item.nested_key): item.value_json for item in record.summary.update}
        elif record.HasField("request") and record.request.HasField("log_artifact"):
            artifacts.append(record.request.log_artifact.artifact.type)
        elif record.HasField("artifact"):
            artifacts.append(record.artifact.type)
    assert losses == points(shown) and "report" in artifacts
    assert float(summary["rsscn7/HPT/crop_only/linear accuracy"]) == pytest.approx(
        shown.metrics["rsscn7/HPT/crop_only/linear accuracy"]
    )


@pytest.mark.parametrize(
    ("name", "library"), [("tensorboard", "tensorboardX"), ("wandb", "wandb"), ("mlflow", "mlflow")]
)
def test_a_missing_library_is_one_line_before_anything_runs(
    name: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name in names("writers")
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"hpt_ray.report.writers.{name}", raising=False)
    with pytest.raises(StudyError, match=rf"--watch {name} needs {library}: pip install 'hpt_ray\[{name}\]'"):
        writers(name)
