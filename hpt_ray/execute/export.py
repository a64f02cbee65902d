"""Write weights of a stored run to a file that torchvision, timm or ``hpt_ray.load_backbone`` loads."""

from __future__ import annotations

import json

from hpt_ray.analysis.measures.choice import Choice
from hpt_ray.core.errors import StoreError, WeightsError
from hpt_ray.core.paths import path_of
from hpt_ray.core.values import Frozen
from hpt_ray.execute.handover import Handover, Level
from hpt_ray.execute.runs import read_run
from hpt_ray.store.files import replace_whole
from hpt_ray.store.labels import latest
from hpt_ray.store.store import NOT_OURS, VERDICT, Store
from hpt_ray.training.weights.counterparts import SUFFIXES, Layout, check, loading
from hpt_ray.training.weights.exported import Provenance, to_bytes


class Exported(Frozen):
    """A file of weights: where it is, its size in bytes, where its weights come from, and the Python that loads it."""

    path: str
    size: int
    provenance: Provenance
    loading: str


def export(
    store: Store,
    run: str,
    to: Layout,
    file: str,
    *,
    arm: str | None = None,
    level: Level | None = None,
    seed: int | None = None,
    target: str | None = None,
) -> Exported:
    """Write weights of a run to a file.

    Args:
        run: the name of its folder, or of a study, whose latest run is taken.
        to: whose names and format the file has. file: its path; the suffix must be that of ``to``.
        arm, level, seed, target: as in ``Handover.choose``.

    Raises:
        StudyError: for weights that do not exist, are damaged, or have no counterpart in that library, and for a file
            that cannot be written.
    """
    path = path_of(file)
    if path.suffix != SUFFIXES[to]:
        raise WeightsError(f"{file} has another suffix than files --to {to}: call it {path.stem}{SUFFIXES[to]}.")
    stored_run = opened(store, run)
    choice = stored_run.choose(arm, level, seed, target)
    state, provenance = stored_run.state(choice), stored_run.provenance(choice)
    check(provenance.backbone, to, provenance.image_size, state)
    data = to_bytes(state, provenance, path.suffix)
    try:
        replace_whole(path, data)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written ({error.strerror}): name another file with -o.") from error
    text = loading(provenance.backbone, to, provenance.image_size, file, len(provenance.mean))
    return Exported(path=str(path), size=len(data), provenance=provenance, loading=text)


def opened(store: Store, name: str) -> Handover:
    """The weights of a stored run.

    Raises:
        UnknownNameError: if there is no such run. StoreError: if it is damaged, or its report does not say which
            weights won, since it is unfinished or of an earlier version.
    """
    run = latest(store, name)
    plan, tables = read_run(store, run)
    try:
        targets = json.loads(store.run_file(run, VERDICT))["targets"]
        winners = {each["target"]: each["winner"] and Choice.model_validate(each["winner"]) for each in targets}
        sentences = {each["target"]: str(each["sentence"]) for each in targets}
    except NOT_OURS as error:
        raise StoreError(
            f"{store.path(f'runs/{run}/{VERDICT}')} does not say which weights won, as that of an earlier version: "
            f"write it again, with hpt-study report {run}."
        ) from error
    return Handover(store, plan, tables, winners, sentences)
