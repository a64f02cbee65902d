"""What the fault tests compare with: the faulty study, run in this process without a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

import hpt_ray
from tests.support import faulty


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("reference")
    assert not hpt_ray.run(faulty.study(), store=store, runner="inline").failures
    return store
