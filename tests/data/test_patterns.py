from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_ray.core.errors import DataError
from hpt_ray.data import patterns

PATTERNS = ["x-{000..012}.tar", "x-{8..11}.tar", "{train,test}-{0..2}", "{a,b,}/{03..5}x", "plain", "{one}", "a{,b}"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is the reference")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_braces_mean_what_they_mean_in_bash(pattern: str) -> None:
    shell = subprocess.run(["bash", "-c", f"echo {pattern}"], capture_output=True, text=True, check=True)
    assert patterns.expanded(pattern) == shell.stdout.split()


@given(st.integers(0, 120), st.integers(0, 40))
def test_a_padded_range_counts(first: int, more: int) -> None:
    expected = [f"x{number:04}" for number in range(first, first + more + 1)]
    assert patterns.expanded(f"x{{{first:04}..{first + more:04}}}") == expected


def test_files_come_in_the_order_of_braces_and_sorted_within(tmp_path: Path) -> None:
    for name in ("b-1", "b-0", "a-0", "c-0"):
        (tmp_path / name).touch()
    (tmp_path / "a-folder").mkdir()
    found = patterns.files(f"{tmp_path}/{{b,a}}-*")
    assert [path.name for path in found] == ["b-0", "b-1", "a-0"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("x-{0..2}.tar", r"there is no file .*x-1\.tar\. Fetch what is missing"),
        ("y-*.tar", r"no file is called .*y-\*\.tar"),
        ("x-{2..0}.tar", r"counts down; write \{0\.\.2\}"),
        ("x-{0..2000000}.tar", "names more than 1,000,000 files"),
        ("x-{0..2000}{0..2000}.tar", "names more than 1,000,000 files"),
    ],
)
def test_what_a_pattern_lacks_is_one_line(tmp_path: Path, pattern: str, message: str) -> None:
    for number in (0, 2):
        (tmp_path / f"x-{number}.tar").touch()
    with pytest.raises(DataError, match=message):
        patterns.files(f"{tmp_path}/{pattern}")


def test_a_name_with_signs_that_exists_is_no_pattern(tmp_path: Path) -> None:
    assert patterns.is_pattern(f"{tmp_path}/x[1].tar")
    (tmp_path / "x[1].tar").touch()
    assert not patterns.is_pattern(f"{tmp_path}/x[1].tar")
