"""The command ``run``: run a study, show how it goes, and say where its results are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hpt_ray.cli import streams
from hpt_ray.cli.opening import show_in_browser
from hpt_ray.cli.options import (
    Address,
    Config,
    Gpus,
    MaxSeeds,
    Settings,
    StorePath,
    StudyName,
    UntilDecided,
    Watch,
    Workers,
    most_seeds,
    requested,
    seconds,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpt_ray.cli.progress import RunObserver
    from hpt_ray.execute.finalize import Result
    from hpt_ray.report.watched import Writer


@streams.interruptible()
def run(
    study: StudyName,
    settings: Settings = None,
    config: Config = None,
    store: StorePath = "hpt-store",
    runner: Annotated[
        str, typer.Option(help="How stages are run: ray, inline (in this process), or a path to a Python file.")
    ] = "ray",
    workers: Workers = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each worker; chosen from the machine.")] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Stages side by side; chosen from the machine.")] = None,
    gpus: Gpus = None,
    stages_per_gpu: Annotated[
        int | None, typer.Option(min=1, help="Stages that share a GPU; chosen from their size and its memory.")
    ] = None,
    address: Address = None,
    until_decided: UntilDecided = False,
    max_seeds: MaxSeeds = None,
    budget: Annotated[
        str | None, typer.Option(help="With --until-decided: end before a look that costs more, such as 90m or 2h.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Call the run so: it stands for its id in every command.")] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Remember this with the run.")] = None,
    watch: Watch = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors and, last, where all is.")] = False,
    open_report: Annotated[bool, typer.Option("--open", help="Open the report at the end.")] = False,
) -> None:
    """Run a study: what is finished in the store is not run again."""
    most, time_to_spend = most_seeds(until_decided, max_seeds), seconds(budget, until_decided)
    study_to_run = requested(study, settings, config)
    from hpt_ray.execute.watching import writers

    chosen = writers(watch)

    def work(observer: RunObserver) -> Result:
        from hpt_ray.execute.run import run as execute

        result = execute(
            study_to_run,
            store=store,
            runner=runner,
            workers=workers,
            threads=threads,
            slots=slots,
            gpus=gpus,
            stages_per_gpu=stages_per_gpu,
            address=address,
            until_decided=most,
            budget=time_to_spend,
            name=name,
            note=note,
            observer=observer,
        )
        show_to(chosen, result)
        return result

    carry_out(work, study, store, quiet, open_report)


def show_to(chosen: dict[str, Writer], result: Result) -> None:
    """Hand a result to writers, and say where it is."""
    from hpt_ray.cli import console
    from hpt_ray.execute.watching import write_for

    for line in write_for(chosen, result):
        console.out.print(f"watch: {line}", soft_wrap=True)


def carry_out(
    work: Callable[[RunObserver], Result], what: str, store: str, quiet: bool = False, open_report: bool = False
) -> None:
    """Do the work of a run, show how it goes and its result, and end with exit code 1 where a stage failed.

    Args:
        what: that is run, for the first words: they come before the imports, which take seconds.
        store: where the log of the run is kept.
    """
    from hpt_ray.cli import console, run_log

    with run_log.kept(store) as log, console.out.silent(quiet):
        console.out.print(f"{what}: preparing ...")
        from hpt_ray.cli import progress

        with progress.live(log) as observer:
            observer.doing("loading the libraries")
            result = work(observer)
        show(result)
    if quiet:
        for line in console.places(result):
            console.out.print(line, soft_wrap=True)
    if open_report:
        show_in_browser(result.report)
    if result.failures:
        if given_up := result.run.manifest.given_up:
            streams.say(f"error: all that was tried failed for one reason: {given_up}")
        raise typer.Exit(1)


def show(result: Result) -> None:
    """Print a result; if standard output fails, print the paths of its files on standard error."""
    from hpt_ray.cli import console

    console.result(result)
    if not streams.written(console.out.lost):
        streams.say("\n".join(console.places(result)))
