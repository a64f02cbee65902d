"""What all tests share without asking for it; what they ask for is in ``tests/support/``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# No deadline: a machine that is busy with something else is no failure. No database: tests write in tmp_path alone.
settings.register_profile("house", deadline=None, database=None)
settings.load_profile("house")


@pytest.fixture(autouse=True, scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache of decoded data for the whole session, never the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def one_thread_each() -> None:
    """One thread of torch's for each process of ``pytest -n``: more would wait for each other at every operation."""
    torch = sys.modules.get("torch")
    if torch is not None and "PYTEST_XDIST_WORKER" in os.environ:
        torch.set_num_threads(1)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread of torch's: more are slower at the size of tests, and their number may decide the last bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
