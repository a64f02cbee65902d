"""The checks for a GPU run in miniature on a CPU, so that they are known to work where there is one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.benchmarks import gpu_check

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("check", gpu_check.CHECKS, ids=lambda check: check.__name__)
def test_a_check_runs_in_miniature(check):
    found = check(torch.device("cpu"), gpu_check.MINIATURE)
    assert "DIFFERENT" not in found
    if check is gpu_check.agreement:
        assert found == "views differ by 0.0e+00, the loss by 0.0e+00"
    if check is gpu_check.study:
        assert found.startswith("exit code 0: ")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line():
    command = [sys.executable, "-m", gpu_check.__name__]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "no GPU here: nothing was checked.\n", "")
