"""The Slurm script runs on a Slurm of one machine; the RayJob has the fields that KubeRay knows."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from hpt_ray.core import registry
from tests.support.places import ROOT
from tests.support.processes import assert_same, at_work, wait_until

SCRIPT = ROOT / "studies/clusters/slurm.sh"
RAYJOB = ROOT / "studies/clusters/rayjob.yaml"
STUDY = shlex.split(
    "augment_ablation --set target=synthetic:aerial,n=300 --set base=synthetic:objects,n=600 --set seeds=1 "
    "--set iterations=200 --set base_iterations=200 --set batch=32 --set group=16 --set policies=baseline"
)
SLURM = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "srun")
CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort=17817
SlurmdPort=17818
MpiDefault=none
NodeName={host} CPUs={cores}
PartitionName=all Nodes=ALL Default=YES State=UP
"""
#: What KubeRay's types of version v1 have (ray-operator/apis/ray/v1), as far as the file may use it.
FIELDS = {
    "job": "entrypoint metadata backoffLimit shutdownAfterJobFinishes ttlSecondsAfterFinished rayClusterSpec",
    "cluster": "rayVersion headGroupSpec workerGroupSpecs",
    "head": "rayStartParams template",
    "workers": "groupName replicas minReplicas maxReplicas rayStartParams template",
}


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A running Slurm of one node, and the folder of its files."""
    missing = [program for program in SLURM if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and Slurm (slurmctld, slurmd, slurm-client, munge); missing: {missing}")
    for name in ("state", "spool"):
        (tmp_path / name).mkdir()
    key = tmp_path / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    configuration = tmp_path / "slurm.conf"
    host = os.uname().nodename.partition(".")[0]
    text = CONFIGURATION.format(host=host, folder=tmp_path, cores=os.cpu_count())
    configuration.write_text(text, encoding="utf-8")
    monkeypatch.setenv("SLURM_CONF", str(configuration))
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    munge = ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={tmp_path}/munge.socket"]
    munge += [f"--{name}-file={tmp_path}/munged.{name}" for name in ("pid", "log", "seed")]
    services: list[subprocess.Popen[bytes]] = []
    try:
        for command in (munge, ["slurmctld", "-D"], ["slurmd", "-D"]):
            with (tmp_path / f"{command[0]}.out").open("wb") as log:
                services.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
            time.sleep(1)
        assert wait_until(lambda: "idle" in run("sinfo"), 30), run("sinfo")
        yield tmp_path
    finally:
        for service in reversed(services):
            service.terminate()
            service.wait()


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def state(job: str) -> str:
    return dict(part.split("=", 1) for part in run("scontrol", "show", "job", job).split() if "=" in part)["JobState"]


@pytest.mark.slow
def test_a_job_that_is_out_of_time_goes_on_where_it_was(slurm: Path) -> None:
    script = ["sbatch", "--parsable", f"--cpus-per-task={min(2, os.cpu_count() or 1)}", str(SCRIPT)]
    job = run(*script, *STUDY, "--store", "store").strip()
    log = slurm / f"hpt-study-{job}.log"
    assert wait_until(lambda: at_work(slurm / "store"), 120), log.read_text()
    run("scancel", "--signal=TERM", "--batch", job)  # what Slurm does before the time limit
    assert wait_until(lambda: "the job is queued again" in log.read_text(), 60), log.read_text()
    run("scontrol", "update", f"jobid={job}", "starttime=now")
    assert wait_until(lambda: state(job) == "COMPLETED", 300), log.read_text()
    assert "interrupted: what is finished is kept" in log.read_text()
    alone = slurm / "alone"
    subprocess.run(["hpt-study", "run", *STUDY, "--runner", "inline", "--store", alone], check=True)
    assert_same(slurm / "store", alone)


@pytest.mark.slow
def test_a_job_with_bad_input_fails_with_its_exit_code_and_line(slurm: Path) -> None:
    job = run("sbatch", "--parsable", "--cpus-per-task=1", str(SCRIPT), *STUDY, "--set", "seeds=abc").strip()
    assert wait_until(lambda: state(job) == "FAILED", 120)
    assert "ExitCode=2:0" in run("scontrol", "show", "job", job)
    assert "error: " in (slurm / f"hpt-study-{job}.log").read_text()


def test_the_script_is_bash() -> None:
    subprocess.run(["bash", "-n", SCRIPT], check=True)


def test_the_rayjob_has_fields_that_kuberay_knows() -> None:
    document = yaml.safe_load(RAYJOB.read_text(encoding="utf-8"))
    assert (document["apiVersion"], document["kind"]) == ("ray.io/v1", "RayJob")
    job = document["spec"]
    cluster = job["rayClusterSpec"]
    parts: dict[str, Any] = {"job": job, "cluster": cluster, "head": cluster["headGroupSpec"]}
    for part, fields in (parts | {"workers": cluster["workerGroupSpecs"][0]}).items():
        assert set(fields) <= set(FIELDS[part].split()), part
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]} == volumes
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_the_rayjobs_versions_and_command_are_ours() -> None:
    job = yaml.safe_load(RAYJOB.read_text(encoding="utf-8"))["spec"]
    ray = job["rayClusterSpec"]["rayVersion"]
    (required,) = (
        line for line in map(Requirement, requires("hpt_ray") or []) if line.name == "ray" and not line.marker
    )
    assert required.specifier.contains(ray)
    assert f"rayproject/ray:{ray}-" in RAYJOB.read_text(encoding="utf-8")
    program, command, study, *options = shlex.split(job["entrypoint"])
    assert (program, command) == ("hpt-study", "run")
    assert dict(zip(options[::2], options[1::2], strict=True))["--address"] == "auto"
    assert study in registry.names("studies")
