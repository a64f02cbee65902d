"""How the stages of a run share machines: what nodes offer -> how many stages run at the same time, each on what."""

from __future__ import annotations

from collections.abc import Sequence

from hpt_ray.core.errors import StudyError
from hpt_ray.core.values import Frozen

#: GFLOP of a forward pass of one group from which a stage keeps a GPU busy. Launching its kernels takes the host about
#: 3 ms, in which a GPU that computes 30 TFLOP/s does 100. Estimated, as are the next two.
BUSY_GFLOP = 100.0
#: Stages that share a GPU at most: they wait for each other's kernels.
MOST_SHARING = 4
#: The share of a GPU's memory that they may take together.
MEMORY_SHARE = 0.8


class Node(Frozen):
    """The cores and GPUs that one machine offers."""

    cores: int
    gpus: int = 0


class Demand(Frozen):
    """What a stage asks of a GPU: bytes of its memory, and GFLOP of the forward pass of one normalisation group."""

    bytes: int
    gflop: float


class Layout(Frozen):
    """How stages share the nodes: ``slots`` stages at the same time, each on ``workers`` processes.

    Attributes:
        threads: of each process.
        stages_per_gpu: processes that share a GPU, each of another stage; 0: all run on CPUs.
        packed: whether the processes of a stage are on one node.
    """

    slots: int
    workers: int
    threads: int
    stages_per_gpu: int = 0
    packed: bool = True


def layout(
    nodes: Sequence[Node],
    stages: int,
    *,
    workers: int = 1,
    threads: int | None = None,
    slots: int | None = None,
    gpus: int | None = None,
    stages_per_gpu: int = 1,
) -> Layout:
    """Choose a layout with at most as many threads on a node as it has cores.

    Where any node has GPUs, stages run on those nodes alone, and a process has its share of the node's cores. On CPUs
    each worker has one thread by default: several stages at a time use the cores better than several threads in one
    stage, and a fixed number of threads keeps the last bit of every result.

    Args:
        stages: how many can run at the same time.
        gpus: how many to use; 0: none; None: all there are. The other arguments are as in ``Layout``.

    Raises:
        StudyError: if the request does not fit the nodes.
    """
    offered = sum(node.gpus for node in nodes)
    if gpus is not None and gpus > offered:
        raise StudyError(
            f"--gpus {gpus} asks for more GPUs than the {offered} found: ask for fewer (0: on CPUs), or start nodes "
            "that have them."
        )
    sharing = stages_per_gpu if offered and gpus != 0 else 0
    if sharing > 1 and workers > 1:
        raise StudyError("the workers of a stage cannot share a GPU: leave --stages-per-gpu out, or use --workers 1.")
    hosts = [node for node in nodes if node.cores and (node.gpus or not sharing)]
    if not hosts:
        raise StudyError("no node has a core to run stages on: start one first.")
    if threads is None:
        threads = min(max(1, node.cores // (node.gpus * sharing)) for node in hosts) if sharing else 1
    rooms = [min(node.cores // threads, node.gpus * sharing if sharing else node.cores) for node in hosts]
    packed = max(rooms) >= workers
    room = sum(each // workers for each in rooms) if packed else sum(rooms) // workers
    if gpus:
        room = min(room, gpus * sharing // workers)
    if room < 1:
        what = f"{gpus or offered} GPUs" if sharing else f"{sum(node.cores for node in hosts)} cores"
        raise StudyError(
            f"{workers} workers of {threads} threads do not fit on {what}: use fewer --workers or --threads."
        )
    if slots is not None and slots > room:
        raise StudyError(f"{slots} stages side by side do not fit: at most {room} with {workers} workers each.")
    return Layout(
        slots=max(1, min(slots or room, stages)),
        workers=workers,
        threads=threads,
        stages_per_gpu=sharing,
        packed=packed,
    )


def sharing(memory: int, demand: Demand) -> int:
    """How many such stages are to share a GPU with so many bytes of memory: several, where one leaves it idle."""
    fitting = int(MEMORY_SHARE * memory / demand.bytes)
    return max(1, min(MOST_SHARING, fitting, int(BUSY_GFLOP / max(demand.gflop, 1e-9))))
