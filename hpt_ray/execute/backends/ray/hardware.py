"""What the nodes of a cluster compute with, asked of the nodes: the driver's machine may be of another kind."""

from __future__ import annotations

from typing import Any

from hpt_ray.core.errors import StudyError
from hpt_ray.core.layout import layout
from hpt_ray.execute.backends.ray.cluster import nodes, wait_for_nodes
from hpt_ray.execute.backends.ray.session import ray_session
from hpt_ray.training import device
from hpt_ray.training.device import Hardware

#: How long nodes may take to answer: they start a process that imports torch, and a GPU may be in use.
SECONDS = 120.0


def hardware(ray: Any, gpus: int | None) -> list[Hardware]:
    """What each node has on which stages would run.

    Args:
        gpus: how many to use; 0: none; None: all there are.

    Raises:
        StudyError: if there is no such node, or one does not answer.
    """
    on_gpus = layout(nodes(ray), 1, gpus=gpus).stages_per_gpu > 0
    needed, this_node = "GPU" if on_gpus else "CPU", ray.get_runtime_context().get_node_id()
    hosts = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get(needed)]
    ask = ray.remote(num_cpus=0, num_gpus=0.01 if on_gpus else 0)(device.hardware)
    others = [
        ask.options(label_selector={"ray.io/node-id": node}).remote(on_gpus) for node in hosts if node != this_node
    ]
    answered, waiting = ray.wait(others, num_returns=len(others), timeout=SECONDS) if others else ([], [])
    if waiting:
        raise StudyError(
            f"{len(waiting)} nodes did not say in {SECONDS:.0f} s what they compute with (are their GPUs in use?): "
            "set --set precision=bfloat16 or float32, and --stages-per-gpu."
        )
    own = [device.hardware(on_gpus)] if this_node in hosts else []
    return [*own, *ray.get(answered)]


def precision(address: str | None, gpus: int | None) -> str:
    """What precision ``auto`` is where stages would run: bfloat16 if all nodes multiply it natively, else float32.

    Raises:
        StudyError: as ``hardware``, or if no Ray answers at the address.
    """
    with ray_session(address) as ray:
        if address:
            wait_for_nodes(ray, gpus)
        return "bfloat16" if all(each.precision == "bfloat16" for each in hardware(ray, gpus)) else "float32"
