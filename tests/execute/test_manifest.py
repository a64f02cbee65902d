"""The command that repeats a run, from whatever folder it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpt_ray.execute.manifest import reproduce_command
from tests.support import small


@pytest.mark.parametrize(
    ("changes", "store", "runner", "command"),
    [
        ({"seeds": 2}, "hpt-store", "ray", "hpt-study run x --set seeds=2"),
        ({"base": "torchvision:cifar10,root=./data"}, "hpt-store", "ray", "cd {here} && hpt-study run x --set "),
        ({"target": ["digits", "image_folder:data"]}, "hpt-store", "ray", "cd {here} && hpt-study run x --set "),
        ({"target": "{here}/data"}, "hpt-store", "ray", "hpt-study run x --set target={here}/data"),
        ({"target": "data/part-*.parquet"}, "hpt-store", "ray", "cd {here} && hpt-study run x --set "),
        ({}, "not-there-yet", "ray", "cd {here} && hpt-study run x --store not-there-yet"),
        ({}, "s3://me:secret@bucket/x", "ray", "hpt-study run x --store s3://bucket/x"),
        ({}, "hpt-store", "./mine.py", "cd {here} && hpt-study run x --runner ./mine.py"),
        ({"policies": ["p" * 300] * 20}, "hpt-store", "inline", "hpt-study run x --set policies=ppp"),
    ],
)
def test_it_enters_a_folder_where_relative_paths_start_from_it(
    changes: dict[str, Any], store: str, runner: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "mine.py").touch()
    monkeypatch.chdir(tmp_path)
    here = str(tmp_path)
    parameters = {
        name: value.replace("{here}", here) if isinstance(value, str) else value for name, value in changes.items()
    }
    study = small.study(made_from="x", parameters=parameters)
    assert reproduce_command(study, store, runner).startswith(command.replace("{here}", here))


def test_a_study_of_no_study_function_has_no_command() -> None:
    assert reproduce_command(small.study(), "hpt-store", "ray") == ""
