"""On Ray, processes and nodes are killed while a study runs: it finishes, with the numbers of a run without a fault."""

from __future__ import annotations

import contextlib
import random
import re
import subprocess
import sys
import time

import pytest
from ray.cluster_utils import Cluster

from tests.support.processes import assert_same, at_work, bench, wait_until

#: Says which placement groups a cluster still has, and which actors but those that Ray keeps for every run.
HELD = """
import sys, ray
from ray.util.state import list_actors
ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
states = {each["state"] for each in ray.util.placement_group_table().values()} - {"REMOVED"}
alive = list_actors(filters=[("state", "!=", "DEAD")], detail=True)
print("places:", sorted(states), "actors:", sorted(actor.class_name for actor in alive if not actor.is_detached))
"""
NOTHING = "places: [] actors: []"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("ray::RayTrainWo", 4),  # a worker: its group is started again and gets the same unit
        ("ray::ImplicitFu", 3),  # a Tune trial: it only shows its unit
        ("ray::TrainContr", 1),  # the controller of a group, and with it the group
        ("ray::Synchroniz", 1),
        ("ray::_Autoscali", 1),
    ],
)
def test_a_process_is_killed(name, times, tmp_path, reference):
    moments = random.Random(name)
    with bench(tmp_path) as runs:
        process = runs.start()
        assert wait_until(lambda: at_work(tmp_path), 120)
        killed = 0
        while process.poll() is None and killed < times:
            time.sleep(moments.uniform(0.5, 3.0))
            killed += runs.kill_one(name)
        said = process.communicate(timeout=300)[0]
        assert killed, f"no {name} among {[each.name() for each in runs.processes()]}"
        assert process.returncode == 0, said
        assert "Traceback" not in said, said
        runs.assert_nothing_left()
        assert_same(tmp_path, reference)


@pytest.mark.parametrize("moment", ["KillsAtRestart", "KillsAndNotices"])
def test_a_worker_is_killed_again_while_its_group_starts(moment, tmp_path, reference):
    """Ray Train then leaves behind the place of the group, which on a full machine nothing else can have."""
    with bench(tmp_path) as runs:
        process = runs.start(RAY_TRAIN_CALLBACKS=f"tests.support.untimely.{moment}")
        assert wait_until(lambda: at_work(tmp_path), 120)
        assert runs.kill_one("ray::RayTrainWo")
        said = process.communicate(timeout=120)[0]
        assert process.returncode == 0, said
        assert "Traceback" not in said, said
        runs.assert_nothing_left()
        assert_same(tmp_path, reference)


@pytest.mark.parametrize("name", ["ray::Broker", "raylet", "gcs_server"])
def test_what_a_run_cannot_do_without_is_killed(name, tmp_path, reference):
    """Then the run ends with one line, and the same command goes on."""
    with bench(tmp_path) as runs:
        process = runs.start()
        assert wait_until(lambda: at_work(tmp_path), 120)
        time.sleep(2.0)
        assert runs.kill_one(name)
        said = process.communicate(timeout=120)[0]
        assert process.returncode == 2, said
        assert "Traceback" not in said, said
        assert said.strip().splitlines()[-1].endswith("run the same command again to go on.")
        runs.assert_nothing_left()
        runs.finish()
        assert_same(tmp_path, reference)


@contextlib.contextmanager
def a_cluster(runs, monkeypatch, cores):
    """A cluster of one node, which a run may join and leave; its dashboard lists its actors."""
    for name, value in runs.environment.items():
        monkeypatch.setenv(name, value)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cores, "include_dashboard": True})
    try:
        yield cluster
    finally:
        cluster.shutdown()


def test_a_node_is_lost_and_another_joins(tmp_path, reference, monkeypatch):
    with bench(tmp_path) as runs:
        with a_cluster(runs, monkeypatch, cores=1) as cluster:
            second = cluster.add_node(num_cpus=1)
            process = runs.start("--address", cluster.address)
            assert wait_until(lambda: at_work(tmp_path), 120)
            time.sleep(3.0)
            cluster.remove_node(second, allow_graceful=False)
            cluster.add_node(num_cpus=1)
            said = process.communicate(timeout=400)[0]
            assert_nothing_on(cluster, runs)
        assert process.returncode == 0, said
        assert_same(tmp_path, reference)
        runs.assert_nothing_left()


def test_a_cluster_grows_from_nothing_while_a_run_waits_and_works(tmp_path, reference, monkeypatch):
    with bench(tmp_path) as runs:
        with a_cluster(runs, monkeypatch, cores=0) as cluster:
            process = runs.start("--address", cluster.address)
            assert process.stdout is not None
            line = next(line for line in process.stdout if line.startswith("waiting at most"))
            assert line == "waiting at most 30 minutes until the cluster has a node with a core (Ctrl-C ends this).\n"
            cluster.add_node(num_cpus=1)
            assert wait_until(lambda: at_work(tmp_path), 120)
            cluster.add_node(num_cpus=1)
            said = process.communicate(timeout=400)[0]
            assert_nothing_on(cluster, runs)
        assert process.returncode == 0, said
        assert "Nodes have joined: 2 stages run at a time now." in said
        assert_same(tmp_path, reference)
        runs.assert_nothing_left()


@pytest.mark.parametrize("victim", ["ray::TrainContr", "driver"])
def test_a_cluster_goes_on_without_a_run_that_lost_its_controller_or_was_killed(
    victim, tmp_path, reference, monkeypatch
):
    """What is local to a run ends with its Ray; on a cluster, which stays, it would be in the way of the next."""
    with bench(tmp_path) as runs:
        with a_cluster(runs, monkeypatch, cores=2) as cluster:
            process = runs.start("--address", cluster.address)
            assert wait_until(lambda: at_work(tmp_path), 120)
            assert re.fullmatch(r"places: .*'CREATED'.* actors: \['.*", held(cluster, runs))
            if victim == "driver":
                process.kill()
                process.communicate()
                assert_nothing_on(cluster, runs)
                runs.finish("--address", cluster.address)
            else:
                assert runs.kill_one(victim)
                said = process.communicate(timeout=240)[0]
                assert process.returncode == 0, said
            assert_nothing_on(cluster, runs)
        assert_same(tmp_path, reference)
        runs.assert_nothing_left()


def held(cluster, runs):
    """What runs hold of a cluster."""
    # In a process of its own: one that has connected to Ray looks like a part of it.
    said = runs.begin([sys.executable, "-c", HELD, cluster.address]).communicate(timeout=60)[0]
    return said.splitlines()[-1]


def assert_nothing_on(cluster, runs):
    assert wait_until(lambda: held(cluster, runs) == NOTHING, 60), held(cluster, runs)


LONGEST_FOLDER = """
import os, shutil, tempfile
from hpt_ray.execute.backends.ray.session import LONGEST, ray_session
own = f"/hpt-ray-{os.getpid()}-12345678"
tempfile.tempdir = "/tmp/" + "x" * (LONGEST - len(own) - len("/tmp/"))
os.makedirs(tempfile.tempdir)
try:
    with ray_session(None) as ray:
        (folder,) = os.listdir(tempfile.tempdir)
        assert len(os.path.join(tempfile.tempdir, folder)) == LONGEST
        print("started")
finally:
    shutil.rmtree(tempfile.tempdir)
"""


def test_ray_starts_with_its_dashboard_in_the_longest_folder_it_is_given() -> None:
    done = subprocess.run([sys.executable, "-c", LONGEST_FOLDER], capture_output=True, text=True, check=False)
    assert done.stdout == "started\n", done.stderr
