"""A machine that does not see the store or the data says so in one line, before it takes a unit."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from hpt_ray.core.errors import StudyError
from hpt_ray.execute.visible import NAMES, Visible, check, paths_of, shown
from hpt_ray.spec.study import Weights
from hpt_ray.store.store import Store
from tests.support import small


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for name in [".hidden", *(f"{number}.png" for number in range(2 * NAMES))]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "moco.pth").write_bytes(b"12345")
    return tmp_path / "moco.pth"


def test_the_machine_of_the_command_sees_all_and_leaves_nothing(tmp_path, images, weights):
    store = Store(tmp_path / "store")
    with shown(store, "s-1", [str(images), str(weights)]) as visible:
        check(Visible.model_validate_json(visible.model_dump_json()))
        assert len(visible.paths[str(images)]) == NAMES
        assert len([*(tmp_path / "store").rglob("*.seen")]) == 1
    assert not [*(tmp_path / "store").rglob("*.seen")]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("store", r"does not see the store .*/store of this command: with --store name one .*s3://"),
        ("no data", r"does not see .*/images: put it on a file system that every node sees, or copy it"),
        ("other data", r"has something else at .*/images: put it"),
        ("other weights", r"has something else at .*/moco\.pth: put it"),
        ("a folder for weights", r"has something else at .*/moco\.pth: put it"),
    ],
)
def test_another_machine_says_what_it_does_not_see(change, line, tmp_path, images, weights):
    with shown(Store(tmp_path / "store"), "s-1", [str(images), str(weights)]) as visible:
        there = visible
        if change == "store":
            there = visible.model_copy(update={"store": str(tmp_path / "elsewhere" / "store")})
        elif change == "no data":
            images.rename(tmp_path / "hidden")
        elif change == "other data":
            for image in images.glob("*.png"):
                image.unlink()
        else:
            weights.unlink()
            weights.mkdir() if "folder" in change else weights.write_bytes(b"123456")
        with pytest.raises(StudyError, match=f"^node {re.escape(socket.gethostname())} {line}") as raised:
            check(there)
        assert "\n" not in str(raised.value)
        assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_one_line(tmp_path, images):
    with shown(Store(tmp_path / "store"), "s-1", [str(images)]) as visible:
        images.parent.chmod(0o600)
        try:
            with pytest.raises(StudyError, match=r"cannot read .* \(Permission denied\)"):
                check(visible)
        finally:
            images.parent.chmod(0o700)


def test_the_paths_of_a_study(tmp_path, images, weights, monkeypatch):
    monkeypatch.chdir(tmp_path)
    probe = tmp_path / "probe.py"
    probe.write_text("def probe(subject): ...\n")
    recipes = {"base": Weights(source="moco.pth"), "target": small.recipe(data="image_folder:images")}
    targets = (str(images / "*.png"), small.TARGET)
    study = small.study(recipes=recipes, targets=targets, evaluations=({"probe": "./probe.py"},))
    assert paths_of(study) == tuple(sorted(map(str, (images, weights, probe))))
    assert paths_of(small.study()) == ()
