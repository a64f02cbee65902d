"""The worker groups of a run: as many as its layout says, and more where nodes join while units wait."""

from __future__ import annotations

import threading
import time
from typing import Any

from hpt_ray.core.errors import StudyError
from hpt_ray.core.layout import Layout, layout
from hpt_ray.execute.backend import Request
from hpt_ray.execute.backends.ray import worker_group
from hpt_ray.execute.backends.ray.broker import News
from hpt_ray.execute.backends.ray.cluster import node_ids, nodes
from hpt_ray.execute.visible import Visible

#: Seconds between two looks at which nodes there are.
NODES_SECONDS = 5.0


class Groups:
    """Starts the groups, each of which a thread follows until it has ended."""

    def __init__(self, ray: Any, layout: Layout, request: Request, first: int = 0) -> None:
        """
        Args:
            layout: of the nodes that are up.
            first: the number of the first group, of which a run has each only once.
        """
        self.first = first
        self.ray, self.layout, self.request = ray, layout, request
        self.threads: list[threading.Thread] = []
        self.over = threading.Event()
        self.known, self.looked_at = node_ids(ray), time.monotonic()

    @property
    def next(self) -> int:
        """The number of the next group."""
        return self.first + len(self.threads)

    @property
    def running(self) -> int:
        """How many groups have not ended."""
        return sum(thread.is_alive() for thread in self.threads)

    def start(self, number: int, broker: Any, visible: Visible, scratch: str) -> None:
        """Start so many more groups.

        Args:
            visible: what every worker must see. scratch: a folder for Ray's files.
        """
        for _ in range(number):
            self.threads.append(
                worker_group.start(broker, self.next, self.request.run, self.layout, visible, scratch, self.over)
            )

    def room(self, news: News) -> int:
        """For how many more groups there is room on nodes that have joined, where units wait; 0 if no node has."""
        if not news.waiting or time.monotonic() - self.looked_at < NODES_SECONDS:
            return 0
        self.looked_at = time.monotonic()
        up = node_ids(self.ray)
        if up <= self.known:
            return 0
        self.known |= up
        try:
            # Threads, precision and stages that share a GPU stay those of the groups that run already.
            chosen = layout(
                nodes(self.ray),
                min(news.unfinished, self.request.slots or news.unfinished),
                workers=self.layout.workers,
                threads=self.layout.threads,
                gpus=self.request.gpus if self.layout.stages_per_gpu else 0,
                stages_per_gpu=max(1, self.layout.stages_per_gpu),
            )
        except StudyError:  # other nodes have left
            return 0
        return max(0, chosen.slots - self.running - news.retired)

    def end(self, seconds: float) -> None:
        """Wait at most this long for the groups, which end once the broker has closed."""
        until = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))
