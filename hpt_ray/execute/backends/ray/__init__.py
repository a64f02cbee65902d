"""On Ray, here or on a cluster: resident worker groups of Ray Train, every unit a trial of Tune."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpt_ray.execute.backend import Request, Runner


def backend(request: Request) -> AbstractContextManager[Runner]:
    """Run units on Ray: see ``runner.connected``.

    Raises:
        StudyError: for a layout that does not fit the cluster, or a Ray that does not answer.
    """
    # Imported here, since every Ray process that imports a file of this folder also imports this file.
    from hpt_ray.execute.backends.ray.runner import connected

    return connected(request)


def precision(address: str | None, gpus: int | None) -> str:
    """What precision ``auto`` is where stages would run: see ``hardware.precision``."""
    from hpt_ray.training.device import hardware

    ray = sys.modules.get("ray")
    if address is None and not (ray and ray.is_initialized()):  # Ray will be started on this machine
        return hardware(gpus != 0).precision
    from hpt_ray.execute.backends.ray.hardware import precision as of_nodes

    return of_nodes(address, gpus)
