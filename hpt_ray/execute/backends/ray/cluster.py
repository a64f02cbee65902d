"""The nodes of a cluster: those that are up, and waiting for those that are asked for."""

from __future__ import annotations

import logging
import time
from typing import Any

from hpt_ray.core.layout import Node

#: How long nodes may take to join: an autoscaler may have to buy a machine and to load an image on it.
JOIN_SECONDS = 1800.0
POLL_SECONDS = 2.0


def low_on_memory(error: BaseException) -> bool:
    """Whether Ray killed a process because the memory of its node ran low; the error may be wrapped in others."""
    return "low on memory" in str(error)


def nodes(ray: Any) -> list[Node]:
    """The nodes that are up, and what they offer."""
    offers = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Node(cores=int(offer.get("CPU", 0)), gpus=int(offer.get("GPU", 0))) for offer in offers]


def node_ids(ray: Any) -> set[str]:
    """The ids of the nodes that are up."""
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def wait_for_nodes(ray: Any, gpus: int | None) -> None:
    """Wait until a cluster has nodes with what is wanted, or time is up; an autoscaler adds them meanwhile.

    Args:
        gpus: how many are wanted; 0 or None: a core.
    """
    wanted = f"{gpus} GPU{'s' if gpus > 1 else ''}" if gpus else "a node with a core"

    def is_there() -> bool:
        up = nodes(ray)
        return sum(node.gpus for node in up) >= (gpus or 0) and any(node.cores for node in up)

    if is_there():
        return
    logging.getLogger(__name__).warning(
        f"waiting at most {JOIN_SECONDS / 60:.0f} minutes until the cluster has {wanted} (Ctrl-C ends this)."
    )
    # What waits for a place is what an autoscaler adds nodes for.
    place = ray.util.placement_group([{"GPU": 1.0}] * gpus if gpus else [{"CPU": 1.0}])
    try:
        until = time.monotonic() + JOIN_SECONDS
        while not is_there() and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
    finally:
        ray.util.remove_placement_group(place)
