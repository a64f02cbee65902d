"""Start Ray on this machine or join a cluster, and leave nothing behind."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hpt_ray.core import machine
from hpt_ray.core.errors import StudyError
from hpt_ray.execute.backends.ray import private
from hpt_ray.execute.stopping import StopNow

#: Environment variables to set before Ray is imported, unless the user's environment has them.
ENVIRONMENT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1",  # default: two; much less slows two cores by some per cent
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # leave CUDA_VISIBLE_DEVICES alone in actors without a GPU
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune draws nothing; the command line does
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # not used: they write and fsync for every trial
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the command line handles Ctrl-C
    "PYTHONWARNINGS": "ignore",
    # Ray has some twenty processes, each with a memory arena per thread: this saves 200 MB on two cores.
    "MALLOC_ARENA_MAX": "2",
}


#: What the names of a run's own folders begin with.
PREFIX = "hpt-ray-"
#: Bytes that must be free in the temporary folder for Ray's logs and sockets.
ROOM = 64 << 20
#: Longest path of the run's temporary folder, in characters. The path of a socket may have 103 (macOS) or 107, and the
#: longest one, the dashboard's, adds 70: "/r/session_" with date, time and process, "/sockets/dash_MetricsHead".
LONGEST = 33 if sys.platform == "darwin" else 37

LOCAL_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
#: The same for a Ray on this machine: loopback keeps out other machines, and a token other users of this one.
LOCAL = {
    LOCAL_ONLY: "0",  # otherwise every Ray server listens to the network
    "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
    # Where memory runs low, kill no more processes than it takes: otherwise Ray frees gigabytes beyond that.
    "RAY_max_kill_memory_buffer_bytes": "0",
    "RAY_AUTH_TOKEN": secrets.token_hex(16),  # Ray requires it, unless RAY_AUTH_MODE turns that off
}


@contextlib.contextmanager
def ray_session(address: str | None, dashboard: bool = True, about: Mapping[str, str] | None = None) -> Iterator[Any]:
    """A connected Ray: a new one on this machine, bound to loopback, or the cluster at ``address``.

    Args:
        about: what Ray lists its job with, beside what it was submitted with.

    Yields:
        The ``ray`` module. A Ray that was started here is shut down at the end; a Ray that was already connected in
        this process is used as it is and left running.

    Raises:
        StudyError: if the address does not answer, Ray cannot start, or this Ray lacks a private name that is used.
    """
    _check_address(address)
    for name, value in (ENVIRONMENT if address else ENVIRONMENT | LOCAL).items():
        os.environ.setdefault(name, value)
    import ray

    private.check(private.SESSION)
    for noisy in private.LOGGERS:
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    if ray.is_initialized():
        if not _has_home():
            raise StudyError("this Ray was started for a user without a home folder: set HOME before ray.init().")
        yield ray
        return
    if address is None and LOCAL_ONLY in os.environ:  # Ray has read it at import, perhaps earlier
        private.allow_network(os.environ[LOCAL_ONLY] != "0")
    with scratch(LONGEST) as folder:
        if not _has_home():
            os.environ["HOME"] = folder
        with _inside(folder):
            _start(ray, address, dashboard, folder, about or {})
        try:
            yield ray
        except StopNow as stop:
            _kill(128 + stop.args[0])
            raise
        except BaseException:
            if alive(ray):
                ray.shutdown()
            else:
                _kill(2)
            raise
        else:
            ray.shutdown()


def _has_home() -> bool:
    """Whether this user has a home folder, which Ray Train needs at import although nothing is kept there."""
    try:
        Path.home()
    except RuntimeError:
        return False
    return True


def _start(ray: Any, address: str | None, dashboard: bool, folder: str, about: Mapping[str, str]) -> None:
    """Start Ray on this machine with its files in ``folder``, or join the cluster at ``address``."""
    from ray.job_config import JobConfig

    settings: dict[str, Any] = {"job_config": JobConfig(metadata=dict(about))}
    settings |= {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if address is None:
        _check_room(folder)
        settings |= {
            "address": "local",
            "_temp_dir": f"{folder}/r",  # a sub-folder, since Ray makes it accessible to all users
            "num_cpus": machine.cores(),
            "include_dashboard": dashboard,
            "dashboard_host": "127.0.0.1",
            "_node_ip_address": "127.0.0.1",
            "object_store_memory": 200 * 2**20,  # enough for messages: images are shared as memory-mapped files
        }
    else:
        settings |= {"address": address, "runtime_env": {"env_vars": {"PYTHONWARNINGS": "ignore"}}}
    try:
        ray.init(**settings)
    except Exception as error:
        first = str(error).strip().split("\n", 1)[0]
        if address is None:
            _check_room(folder)  # Ray reports a full disk in many ways, such as "Timed out waiting for file"
            raise StudyError(f"Ray cannot start on this machine ({first}): try --runner inline.") from error
        raise StudyError(
            f"no Ray answers at {address} ({first}): check the address, or leave --address out."
        ) from error


def _check_room(folder: str) -> None:
    """Raise StudyError if the disk has no room for Ray's logs and sockets."""
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise StudyError(
            f"the temporary folder {Path(folder).parent} is full ({free / 2**20:.0f} MB free), and Ray needs "
            f"{ROOM >> 20} MB there: free some, or set TMPDIR to a folder on another disk."
        )


def scratch(longest: int = 1000) -> tempfile.TemporaryDirectory[str]:
    """A new temporary folder for files of Ray that are not used, which only this user can enter.

    It is named after this process. Removes those that processes left when they were killed.

    Args:
        longest: length of its path at most; if the path of the temporary folder is too long, it is created in /tmp.
    """
    parent = tempfile.gettempdir()
    prefix = f"{PREFIX}{os.getpid()}-"
    if len(f"{parent}/{prefix}12345678") > longest:
        parent = "/tmp"
    for folder in Path(parent).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not _is_running(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextlib.contextmanager
def _inside(folder: str) -> Iterator[None]:
    """Start processes in an empty folder of this run, which is also their temporary folder.

    The folder in which Ray starts is on the import path of its processes and of every worker: in the user's folder, her
    own file ``queue.py`` would break them. And nothing stays behind in the temporary folder that all users share.
    """
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = folder
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before


def _kill(code: int) -> None:
    """Kill Ray's processes, and set the exit code of this process.

    A shutdown through Ray would take a minute, and end this process with another code if a thread still uses Ray.
    """
    private.node().kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
    atexit.register(os._exit, code)


def alive(ray: Any) -> bool:
    """Whether Ray's processes on this machine are running: a SIGTERM to a whole process group ends them."""
    node = private.node()
    return node is None or not node.dead_processes()


def _check_address(address: str | None) -> None:
    """Check that the address accepts connections: Ray itself would try for minutes."""
    if address and "://" in address:
        raise StudyError(
            f"a study cannot run through {address}, since Tune and Train need a node of the cluster: submit it as a "
            "job there, `ray job submit --address http://HEAD:8265 -- hpt-study run ... --address auto`."
        )
    host, colon, port = (address or "").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise StudyError(
            f"no Ray answers at {address} ({error}): check the address, or leave --address out."
        ) from error


def dashboard_of(ray: Any) -> str | None:
    """The URL of the Ray dashboard, if it is on, with its token if this process started Ray."""
    address, node = private.dashboard_address(), private.node()
    token = os.environ.get("RAY_AUTH_TOKEN") if node and node.is_head() else None
    return address and f"http://{address}" + (f"  token {token}" if token else "")
