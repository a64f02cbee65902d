"""The index of a store: a page beside its runs that lists them and compares those of one study, written on request."""

from __future__ import annotations

import contextlib
import itertools
import json
from typing import Any

from hpt_ray.analysis.measures.run import Run
from hpt_ray.core.errors import StoreError
from hpt_ray.execute import stored
from hpt_ray.execute.finalize import run_of
from hpt_ray.execute.states import RunState, runs
from hpt_ray.report.index_page import Entry, Pair, index_page, pair
from hpt_ray.store.labels import study_of
from hpt_ray.store.records import Manifest
from hpt_ray.store.schema import VIEWS
from hpt_ray.store.store import NOT_OURS, REPORT, VERDICT, Store

INDEX = "index.html"
#: Pairs of runs that are compared at most, those of the newest runs: each takes about a second.
MOST_PAIRS = 20


def write_index(store: Store) -> str:
    """Write the index of a store. Returns its path or address. Raises StoreError if it cannot be written."""
    states = runs(store)
    manifests = {state.run: store.manifest(state.run) for state in states if not state.damage}
    entries = {state.run: _entry(store, state, manifests.get(state.run)) for state in states}
    pairs, left_out = _pairs(store, entries, manifests)
    store.write(INDEX, index_page(store.shown, list(entries.values()), pairs, left_out).encode())
    return store.path(INDEX)


def _entry(store: Store, state: RunState, manifest: Manifest | None) -> Entry:
    stages = f"{state.finished} of {state.total} stages"
    cells = stages if state.cells is None else f"{state.cells_done} of {state.cells} cells"
    return Entry(
        run=state.run,
        name=state.name,
        note=state.note,
        study=study_of(state.run),
        question=manifest.study.question if manifest else "",
        targets=manifest.study.targets if manifest else (),
        state=state.state,
        since=state.since,
        part=cells if manifest else state.damage or "",
        headlines=_headlines(store, state.run) if manifest and manifest.collected else {},
        seconds=manifest.compute_seconds if manifest else None,
        report=store.exists(f"runs/{state.run}/{REPORT}"),
    )


def _headlines(store: Store, run: str) -> dict[str, str]:
    """The headline of each target of a run; none where its verdict is missing, damaged or of an earlier version."""
    with contextlib.suppress(StoreError, *NOT_OURS):
        verdict: dict[str, Any] = json.loads(store.run_file(run, VERDICT))
        if verdict["given_up"]:
            return {"": f"Nothing can be said: {verdict['given_up']}"}
        return {str(each["target"]): str(each["headline"]) for each in verdict["targets"]}
    return {}


def _pairs(store: Store, entries: dict[str, Entry], manifests: dict[str, Manifest]) -> tuple[list[Pair], int]:
    """The newest pairs of runs of one study that have tables, compared, and how many pairs are left out."""
    collected = [run for run, manifest in manifests.items() if manifest.collected and not manifest.given_up]
    of_a_study = [
        (new, old) for old, new in itertools.combinations(collected[::-1], 2) if study_of(new) == study_of(old)
    ]
    # In the order of ``collected``, newest first, by the older one of a pair.
    of_a_study.sort(key=lambda two: (collected.index(two[1]), collected.index(two[0])))
    read: dict[str, Run | None] = {}
    pairs = []
    for new, old in of_a_study[:MOST_PAIRS]:
        for run in {new, old} - read.keys():
            read[run] = _read(store, run, manifests[run])
        one, other = read[old], read[new]
        if one is not None and other is not None:
            pairs.append(pair(entries[old], entries[new], (one, other)))
    return pairs, max(0, len(of_a_study) - MOST_PAIRS)


def _read(store: Store, run: str, manifest: Manifest) -> Run | None:
    """A run as it is stored; None where its tables are damaged, which ``hpt-study verify`` says."""
    try:
        return run_of(stored.tables(store, run, manifest.study) | {"views": VIEWS.empty_table()}, manifest)
    except StoreError:
        return None
