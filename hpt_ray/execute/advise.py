"""Advise on a target's images: screen candidates, and decide about the best of them on fresh seeds.

Both parts are made of what a study is made of. The rungs of the screening are rounds of units, as those of a search,
and the finalists are a study that grows until it is decided.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hpt_ray.analysis.measures.text_format import duration
from hpt_ray.core import registry
from hpt_ray.core.errors import StudyError
from hpt_ray.execute.backend import Backend, Request
from hpt_ray.execute.estimate import demand_of
from hpt_ray.execute.events import Observer, Progress
from hpt_ray.execute.finalize import Result
from hpt_ray.execute.manifest import advise_command
from hpt_ray.execute.prepare import Prepared, prepare, with_precision
from hpt_ray.execute.run import check_workers, delete_damaged, execute, run
from hpt_ray.execute.screen import Screen
from hpt_ray.execute.visible import paths_of
from hpt_ray.planning.plan import Unit
from hpt_ray.planning.screening import MOST, final
from hpt_ray.spec.candidates import candidates
from hpt_ray.spec.parameters import make, resolved
from hpt_ray.spec.study import Study
from hpt_ray.store.store import Store
from hpt_ray.training.weights.networks import network_of

#: What an advice sets itself.
OWN = ("target", "base", "seeds")


def advise(
    target: str,
    bases: str | Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    store: str | Path = "hpt-store",
    runner: str = "ray",
    workers: int = 1,
    gpus: int | None = None,
    address: str | None = None,
    budget: float | None = None,
    observer: Observer | None = None,
) -> Result:
    """Find which base, arm, policy, method and number of iterations serve a target best, and what that is worth.

    Args:
        target: its images, as a study takes them. bases: data sets or weights; None: the study's own.
        settings: other parameters of the study ``advice``, as typed or as Python values.
        budget: seconds of wall time; no rung and no look is begun that would cost more. None: without end.
        store, runner, workers, gpus, address: as in ``run.run``.

    Returns:
        The result of the run that decided; its ``advice`` is the recommendation.

    Raises:
        StudyError: for anything that the user can fix, a budget among them that does not pay for one look.
    """
    began, observer = time.monotonic(), observer or Observer()
    study = with_precision(_study(target, bases, settings or {}), runner, address, gpus)
    values = resolved(study)
    methods = values["methods"] or (values["method"],)
    every = candidates(values["base"], values["arms"], methods, values["policies"], values["budgets"])
    opened = Store(store)
    prepared = prepare(study, opened, observer.decoding)
    _check_bases(prepared, values["base"])
    delete_damaged(opened, prepared.plan.stages, observer)
    screen = Screen(prepared, every, opened, budget, workers, observer.looked, began=began)
    rounds, progress = screen.rounds(), Progress(finished=set(opened.finished()))
    if first := next(rounds, None):
        plan, units = first
        check_workers(study, workers)
        observer.planned(plan, units, len(opened.finished() & set(plan.stages)))

        def begun_rungs() -> Iterator[list[Unit]]:
            for known, todo in itertools.chain([first], rounds):
                progress.expect(todo)
                progress.begin(known, todo)
                yield todo

        request = Request(
            study=study.name,
            run=f"{study.name}-{uuid.uuid4().hex[:6]}",
            units=len(units),
            targets=study.targets,
            store=opened.shown,
            workers=workers,
            gpus=gpus,
            demand=partial(demand_of, prepared),
            address=address,
            paths=partial(paths_of, study),
        )
        backend: Backend = registry.load("backends", runner)
        with backend(request) as chosen:
            observer.started(chosen.layout, chosen.dashboard)
            execute(begun_rungs(), progress, opened, chosen, observer)
        if progress.hopeless:
            raise StudyError(f"no advice: all that was tried failed for one reason: {progress.hopeless}")
    assert screen.now is not None  # the first rung was paid for and has ended
    decided = final(study, every, screen.now)
    remaining = screen.remaining()
    if remaining is not None and remaining <= 0:
        raise StudyError(
            f"the budget of {duration(budget or 0.0)} was spent on screening before the finalists could be looked at: "
            "run the same command again, which keeps what is finished, or raise --budget."
        )
    command = advise_command(study, str(store), runner, budget)
    return run(
        decided,
        store=store,
        runner=runner,
        workers=workers,
        gpus=gpus,
        address=address,
        until_decided=MOST,
        budget=remaining,
        screening=screen.record(command, time.monotonic() - began),
        observer=observer,
    )


def _study(target: str, bases: str | Sequence[str] | None, settings: Mapping[str, Any]) -> Study:
    """The study of all candidates; its network is that of the given weights, if nothing else is said."""
    if named := [name for name in OWN if name in settings]:
        raise StudyError(f"--set {named[0]}= is not for advise, which takes the target and --bases and chooses seeds.")
    given = {**settings, "target": target, **({} if bases is None else {"base": bases})}
    study = make("advice", given)
    if "backbone" not in settings and (network := network_of(resolved(study)["base"])):
        study = make("advice", given | {"backbone": network})
    if len(study.targets) > 1:
        raise StudyError(f"advise is about one target, not {len(study.targets)}: run it for each.")
    return study


def _check_bases(prepared: Prepared, bases: Sequence[str]) -> None:
    """Raise a StudyError if a base is the target itself, however it is written."""
    data, (target,) = prepared.fingerprints, prepared.plan.study.targets
    if itself := next((base for base in bases if data.get(base) == data[target]), None):
        raise StudyError(
            f"base {itself} is the target itself, and pretraining on that alone is tried in any case, as from scratch: "
            "name others in --bases."
        )
