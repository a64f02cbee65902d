"""What a run tells Prometheus, and that the Grafana page asks for nothing else."""

from __future__ import annotations

import json
import re

import pytest

from hpt_ray.execute.backends.ray.metrics import COUNTERS, GAUGES, Metrics
from hpt_ray.execute.events import Event
from tests.support.places import ROOT

PAGE = ROOT / "dashboards" / "grafana" / "hpt_study.json"


class Spy:
    """Stands for a metric of Ray's; keeps the sum of what was added, or the last value, by stage."""

    def __init__(self, name, description, tag_keys):
        self.values: dict[str, float] = {}
        assert tag_keys == ("study", "stage")

    def inc(self, value=1.0, tags=None):
        self.values[tags["stage"]] = self.values.get(tags["stage"], 0) + value

    def set(self, value, tags=None):
        self.values[tags["stage"]] = value


@pytest.fixture
def metrics(monkeypatch):
    import ray.util.metrics

    monkeypatch.setattr(ray.util.metrics, "Counter", Spy)
    monkeypatch.setattr(ray.util.metrics, "Gauge", Spy)
    return Metrics("ablation")


def test_a_run_in_metrics(metrics):
    def tell(kind, unit, **more):
        metrics.note(Event(kind=kind, unit=unit, label=f"label of {unit}", **more))

    tell("started", "a")
    tell("started", "b")
    tell("progress", "a", images=64, loss=2.5)
    tell("progress", "a", images=32, loss=2.0)
    assert metrics.gauges["hpt_units_running"].values == {"": 2}
    tell("finished", "a")
    tell("failed", "b", reason="NaN")
    found = {name: metric.values for name, metric in (metrics.counters | metrics.gauges).items()}
    assert found == {
        "hpt_images": {"label of a": 96},
        "hpt_units_finished": {"label of a": 1},
        "hpt_units_failed": {"label of b": 1},
        "hpt_units_running": {"": 0},
        "hpt_loss": {"label of a": 2.0},
    }


def test_the_page_asks_for_what_there_is():
    page = json.loads(PAGE.read_text())
    asked = {target["expr"] for panel in page["panels"] for target in panel["targets"]}
    named = {name for expression in asked for name in re.findall(r"ray_(\w+)", expression)}
    assert named == {f"{name}_total" for name in COUNTERS} | set(GAUGES)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in page["panels"]]
    assert len(set(places)) == len(places)
