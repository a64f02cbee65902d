"""What earlier runs in a store say of a study that differs from theirs in its seeds alone.

Data sets are given by their fingerprints, by name or path as the study writes them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from hpt_ray.core.errors import StoreError
from hpt_ray.execute import stored
from hpt_ray.execute.finalize import run_of
from hpt_ray.report import dashboard
from hpt_ray.spec.study import Study
from hpt_ray.store.labels import study_of
from hpt_ray.store.records import Manifest
from hpt_ray.store.schema import VIEWS
from hpt_ray.store.store import Store

if TYPE_CHECKING:
    from hpt_ray.analysis.claim import Claim


def looked_at(study: Study, fingerprints: Mapping[str, str], store: Store, own: str) -> tuple[int, ...]:
    """After how many of a study's seeds, but not all, other runs have looked at its claims.

    Args:
        study: with all the seeds that it may have. own: the run itself, whose looks are no others'.
    """
    rows = set()
    for run, earlier in _runs(study, fingerprints, store):
        if run != own:
            looks = earlier.looks.made if earlier.looks else ()
            seeds = [earlier.study.seeds[: look.rows] for look in looks] or [earlier.study.seeds] * earlier.collected
            rows |= {len(each) for each in seeds if set(each) < set(study.seeds)}
    return tuple(sorted(rows))


def comparisons(study: Study, fingerprints: Mapping[str, str], store: Store) -> list[Claim]:
    """The comparisons of two arms in the earlier run with most seeds, each as at a single look."""
    finished = [(run, earlier) for run, earlier in _runs(study, fingerprints, store) if earlier.collected]
    if not finished:
        return []
    from hpt_ray.report.render import verdicts

    run, earlier = max(finished, key=lambda each: len(each[1].study.seeds))
    try:
        tables = stored.tables(store, run, study) | {"views": VIEWS.empty_table()}
    except StoreError:  # what is damaged says nothing
        return []
    run_as_given = run_of(tables, earlier.model_copy(update={"looks": None}))
    claims = [claim for verdict in verdicts(run_as_given, dashboard.find(earlier.study)) for claim in verdict.claims]
    return [claim for claim in claims if claim.difference is not None and claim.floor is not None]


def _runs(study: Study, fingerprints: Mapping[str, str], store: Store) -> Iterator[tuple[str, Manifest]]:
    """The runs that ask the same of the same data as a study, but for its seeds."""
    for run in sorted(store.runs()):
        if study_of(run) == study.name:
            with contextlib.suppress(StoreError):  # what is damaged says nothing
                earlier = store.manifest(run)
                its = {spec: data.fingerprint for spec, data in earlier.datasets.items()}
                if its == fingerprints and _content(earlier.study) == _content(study):
                    yield run, earlier


def _content(study: Study) -> dict[str, object]:
    """What a study asks, but for its seeds and what changes none of its numbers."""
    return study.model_dump(
        mode="json", exclude={"seeds", "parameters", "made_from", "question", "dashboard", "margin"}
    )
