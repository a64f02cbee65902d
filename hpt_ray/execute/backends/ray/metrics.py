"""A run as Ray metrics: every node's metrics port exports them, for Prometheus and ``dashboards/grafana/``.

All have the tag ``study``, and those of one stage its label: arm, factor levels and seed, as in the report.
"""

from __future__ import annotations

from hpt_ray.execute.events import Event

#: Description by name. Ray adds ``ray_`` before a name, and ``_total`` after that of a counter.
COUNTERS = {
    "hpt_images": "Images trained on.",
    "hpt_units_finished": "Units (a pretraining with its evaluations) that ended with a result.",
    "hpt_units_failed": "Units that ended without one.",
}
GAUGES = {
    "hpt_units_running": "Units that are running.",
    "hpt_loss": "Training loss of a stage, as last reported.",
}


class Metrics:
    """The metrics of a study, exported by the process that creates this object while Ray is connected."""

    def __init__(self, study: str) -> None:
        from ray.util.metrics import Counter, Gauge

        self.study = study
        self.running: set[str] = set()
        keys = ("study", "stage")
        self.counters = {name: Counter(name, text, keys) for name, text in COUNTERS.items()}
        self.gauges = {name: Gauge(name, text, keys) for name, text in GAUGES.items()}

    def note(self, event: Event) -> None:
        """Update the metrics from an event."""
        tags = {"study": self.study, "stage": event.label}
        if event.kind in ("started", "progress"):
            self.running.add(event.unit)
        else:
            self.running.discard(event.unit)
        if counter := self.counters.get(f"hpt_units_{event.kind}"):
            counter.inc(tags=tags)
        if event.images:
            self.counters["hpt_images"].inc(event.images, tags=tags)
        if event.loss is not None:
            self.gauges["hpt_loss"].set(event.loss, tags=tags)
        self.gauges["hpt_units_running"].set(len(self.running), tags={"study": self.study, "stage": ""})
