"""All private parts of Ray that are used, each with its reason, and a check that the installed Ray has them.

Ray 2.60 has no public replacement. No other file names these modules (tests/test_architecture.py), and both tables are
checked before the first use, so that a later Ray without one of these names ends a run with a one-line error.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from hpt_ray.core.errors import StudyError

#: Loggers that would write to the terminal beside the command line's own output.
LOGGERS = ("ray.train", "ray.tune", "ray.data", "ray._private")

#: Names that starting and ending Ray needs, as MODULE:NAME, each with its purpose.
SESSION = {
    "ray._private.ray_constants:ENABLE_RAY_CLUSTER": "keep a Ray on this machine off the network",
    "ray._private.worker:_global_node": "find the Ray that this process started",
    "ray._private.worker:get_dashboard_url": "say where the dashboard is",
    "ray._private.node:Node.is_head": "show the dashboard's token only to the user who started it",
    "ray._private.node:Node.dead_processes": "notice that Ray's processes were ended from outside",
    "ray._private.node:Node.kill_all_processes": "stop at once, where ray.shutdown would wait for a minute",
}
_GROUP = "ray.train.v2._internal.execution.worker_group"
_CALLBACK = "ray.train.v2._internal.execution.callback"
_TRAINER = "ray.train.v2.api.data_parallel_trainer"
_MEMORY = "go on where memory runs low"
_RETURN = "return the placement group of a worker group that died"
#: The same for worker groups.
WORKER_GROUPS = {
    f"{_CALLBACK}:WorkerGroupCallback.before_worker_group_start": _RETURN,
    f"{_CALLBACK}:WorkerGroupCallback.after_worker_group_start": _RETURN,
    f"{_CALLBACK}:WorkerGroupCallback.after_worker_group_poll_status": _MEMORY,
    f"{_GROUP}.poll:WorkerGroupPollStatus.errors": _MEMORY,
    f"{_GROUP}:WorkerGroup.get_worker_group_state": _RETURN,
    f"{_GROUP}:WorkerGroupState.placement_group_handle": _RETURN,
    f"{_GROUP}.placement_group_handle:PlacementGroupHandle.placement_group": _RETURN,
    f"{_TRAINER}:DataParallelTrainer._create_default_callbacks": _RETURN,
}


def check(needed: Mapping[str, str]) -> None:
    """Raise StudyError if this Ray lacks one of the names of a table."""
    for name, purpose in needed.items():
        if not _exists(name):
            version = importlib.import_module("ray").__version__
            raise StudyError(
                f"Ray {version} has no {name}, which hpt_ray needs to {purpose}: "
                'run pip install "ray[default,train,tune]==2.60.0", or use --runner inline.'
            )


def _exists(name: str) -> bool:
    module, _, path = name.partition(":")
    try:
        owner: Any = importlib.import_module(module)
    except ImportError:
        return False
    *outer, last = path.split(".")
    for part in outer:
        owner = getattr(owner, part, None)
    return hasattr(owner, last) or last in getattr(owner, "__annotations__", ())  # a dataclass lists its fields there


def allow_network(allowed: bool) -> None:
    """Set whether the servers of a Ray that starts listen to the network, which Ray reads only at import."""
    importlib.import_module("ray._private.ray_constants").ENABLE_RAY_CLUSTER = allowed  # type: ignore[attr-defined]


def node() -> Any:
    """The Ray node of this process: its processes on this machine; None if this process is a Ray client."""
    return importlib.import_module("ray._private.worker")._global_node


def dashboard_address() -> str | None:
    """HOST:PORT of the dashboard, or None if it is off."""
    address: str | None = importlib.import_module("ray._private.worker").get_dashboard_url()
    return address


def worker_group_bases() -> tuple[Any, Any]:
    """The base classes of Ray Train's callback around the start of a worker group, and of its trainer without torch.

    Raises:
        StudyError: if this Ray lacks what worker groups need.
    """
    check(WORKER_GROUPS)
    return importlib.import_module(_CALLBACK).WorkerGroupCallback, importlib.import_module(_TRAINER).DataParallelTrainer


def placement_group(worker_group: Any) -> Any:
    """The placement group in which a worker group was started."""
    return worker_group.get_worker_group_state().placement_group_handle.placement_group
