from __future__ import annotations

import html
import json
from pathlib import Path

import pytest

from hpt_ray.execute.index import write_index
from hpt_ray.execute.run import run
from hpt_ray.store.store import MANIFEST, Store
from tests.support import small


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two runs of one study, which share a seed, and one of another."""
    place = tmp_path_factory.mktemp("index")
    given = {"arms": ("target",), "factors": ()}
    run(small.study(**given), store=place, runner="inline", name="one seed")
    run(small.study(**given, seeds=(0, 1)), store=place, runner="inline", name="two seeds", note="one more")
    run(small.study(**given, name="other"), store=place, runner="inline")
    return Store(place)


def test_the_index_lists_all_runs_and_compares_those_of_one_study(store: Store) -> None:
    path = write_index(store)
    assert path == store.path("index.html")
    text = html.unescape(Path(path).read_text(encoding="utf-8"))
    for name in store.runs():
        assert f"runs/{name}/report.html" in text
        verdict = json.loads(store.run_file(name, "verdict.json"))
        assert verdict["targets"][0]["headline"] in text
    assert text.count("<summary>") == 2  # the contents and one pair
    assert "one seed <span" in text and "</span> two seeds</summary>" in text and "one more" in text
    assert "<td>0</td><td>0, 1</td>" in text and "the same stages" in text


def test_a_damaged_run_is_listed_and_compared_with_none(store: Store) -> None:
    (bad,) = [
        name
        for name in store.runs()
        if name.startswith("small") and "two" in store.read(f"runs/{name}/label.json").decode()
    ]
    whole = {name: store.read(f"runs/{bad}/{name}") for name in ("results.parquet", MANIFEST)}
    for name, content in whole.items():
        store.write(f"runs/{bad}/{name}", b"damaged")
        text = Path(write_index(store)).read_text(encoding="utf-8")
        assert bad in text and "Two runs compared" not in text
        store.write(f"runs/{bad}/{name}", content)
