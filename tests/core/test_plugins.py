"""An installed package adds files: its entry point is read from the metadata that an installer leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpt_ray.core import plugins
from hpt_ray.core.errors import StudyError
from tests.support.places import ROOT, install_plugin

POLICY = '"""Crops alone."""\n\nfrom ._crops import crops\n\npolicy = crops\n'
CROPS = (
    'from hpt_ray.spec.policy import Policy\n\ncrops = Policy().without("color_jitter", "grayscale", "blur", "flip")\n'
)
FILES = {"policies/lab_crop.py": POLICY, "policies/_crops.py": CROPS}


def python(code: str, site: Path) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_plugin_is_listed_imported_and_part_of_an_identity(tmp_path: Path) -> None:
    install_plugin(tmp_path, "our_lab", FILES)
    code = (
        "import sys; from hpt_ray.core import registry\n"
        "print('lab_crop' in registry.names('policies'), registry.summary('policies', 'lab_crop'))\n"
        "print('our_lab' in sys.modules, 'crop_only' in registry.names('policies'))\n"
        "print(registry.load('policies', 'lab_crop') == registry.load('policies', 'crop_only'))\n"
        "print(registry.code_hash(('policies', 'lab_crop')), registry.code_hash(('policies', 'crop_only')))\n"
    )
    summary, imported, same, hashes = python(code, tmp_path).splitlines()
    assert summary == "True Crops alone." and imported == "False True" and same == "True"
    mine, own = hashes.split()
    assert len(mine) == 16 and own == "None"
    hashes_seen = {mine}
    for name, text in FILES.items():  # what it imports counts as it does itself
        (tmp_path / "our_lab" / name).write_text(text + "# changed\n")
        hashes_seen.add(python(code, tmp_path).splitlines()[-1].split()[0])
    assert len(hashes_seen) == 3


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        (
            {"policies/crop_only.py": POLICY},
            "crop_only",
            "'crop_only' is in hpt_ray.spec.policies and our_lab.policies",
        ),
        ({"policies/bad.py": "x = 1\ny = 1 / 0\n"}, "bad", "ZeroDivisionError: division by zero (bad.py, line 2)"),
        (FILES, "lab_corp", "unknown policy 'lab_corp'. Did you mean 'lab_crop'? Available: baseline, "),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, files: dict[str, str], name: str, message: str) -> None:
    install_plugin(tmp_path, "our_lab", files)
    code = (
        "from hpt_ray.core import errors, registry\n"
        f"try:\n    registry.load('policies', {name!r})\nexcept errors.StudyError as error:\n    print(error)"
    )
    assert message in python(code, tmp_path)


def test_an_entry_point_that_names_no_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugin(tmp_path, "nowhere_lab", {})
    (tmp_path / "nowhere_lab" / "__init__.py").unlink()
    (tmp_path / "nowhere_lab").rmdir()
    monkeypatch.syspath_prepend(tmp_path)
    plugins.packages.cache_clear()
    with pytest.raises(StudyError, match="names the package 'nowhere_lab', which is not there: install it again"):
        plugins.packages()
    plugins.packages.cache_clear()
