"""The command line: ``hpt-study run``, ``advise``, ``plan`` and the others that ``hpt-study --help`` lists.

Commands import torch, Ray and plotly only when they need them, so that ``--help`` answers at once.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated

import typer

from hpt_ray.cli import advise, export, judge, opening, queries, repair, streams
from hpt_ray.cli.options import (
    Address,
    Config,
    CsvFile,
    Gpus,
    LatexFile,
    MaxSeeds,
    RunName,
    Settings,
    StorePath,
    StudyName,
    UntilDecided,
    Watch,
    Workers,
    most_seeds,
    requested,
)
from hpt_ray.cli.run import run, show, show_to
from hpt_ray.core import user_code
from hpt_ray.core.errors import StudyError
from hpt_ray.execute import compiler_folder

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    """Show the version and end."""
    if wanted:
        from importlib import metadata

        from hpt_ray.cli import console

        console.out.print(f"hpt_ray {metadata.version('hpt_ray')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Studies of hierarchical pretraining: is it worth pretraining further on your own images?"""


app.command("list")(queries.list_files)
app.command()(queries.show)


@app.command()
@streams.interruptible()
def plan(
    study: StudyName,
    settings: Settings = None,
    config: Config = None,
    store: StorePath = "hpt-store",
    workers: Workers = 1,
    gpus: Gpus = None,
    address: Address = None,
    until_decided: UntilDecided = False,
    max_seeds: MaxSeeds = None,
) -> None:
    """Show what a run would do, and what it would cost, without running anything."""
    from hpt_ray.cli import plan_output, progress
    from hpt_ray.execute.earlier import comparisons
    from hpt_ray.execute.estimate import estimate
    from hpt_ray.execute.prepare import prepare, with_precision
    from hpt_ray.spec.growing import growing
    from hpt_ray.store.store import Store

    asked, existing = requested(study, settings, config), Store(store, create=False)
    most = most_seeds(until_decided, max_seeds)
    with progress.decoding() as show_decoding:
        prepared = prepare(with_precision(growing(asked, most), "ray", address, gpus), existing, show_decoding)
    cost = estimate(prepared, existing, workers)
    plan_output.plan(prepared.plan, cost)
    earlier = comparisons(prepared.plan.study, prepared.fingerprints, existing)
    if most:
        plan_output.until_decided(prepared, cost, earlier)
    else:
        plan_output.can_show(prepared, earlier)


app.command()(run)
app.command()(advise.advise)
app.command()(queries.status)
app.command()(queries.note)
app.command("open")(opening.open_page)


@app.command()
def report(
    run: RunName,
    store: StorePath = "hpt-store",
    trust: Annotated[
        bool, typer.Option("--trust", help="Run the Python that a run was made with, where needed.")
    ] = False,
    csv: CsvFile = None,
    latex: LatexFile = None,
    watch: Watch = None,
) -> None:
    """Write a run's report again from what is in the store."""
    gc.disable()  # hardly any of millions of objects are in cycles, and looking for them takes a seventh of the time
    try:
        from hpt_ray.cli import console
        from hpt_ray.execute.claim_files import write_claims
        from hpt_ray.execute.runs import rewrite
        from hpt_ray.execute.watching import writers
        from hpt_ray.store.store import Store

        chosen = writers(watch)
        result = rewrite(Store.existing(store), run, trust=trust)
        console.written(write_claims(result.verdicts, csv, latex))
        show_to(chosen, result)
        show(result)
    finally:
        gc.enable()


app.command()(export.export)
app.command()(judge.judge)
app.command()(repair.verify)
app.add_typer(queries.weights, name="weights")


def main() -> None:
    """The entry point: a user's error is one line and exit code 2."""
    # Arrow's own allocator makes the kernel clear much more memory than the tables need.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    streams.prepare()
    try:
        with compiler_folder.removed():
            app()
    except StudyError as error:
        streams.say(f"error: {error}")
        sys.exit(2)
    except Exception as error:
        if user_code.place(error) is None:
            raise
        streams.say(f"error: {StudyError(f'{user_code.reason(error)}. Mend the file.')}")
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == 1 and streams.unread():  # only help texts end like this; commands go on without output
            sys.exit(0)
        raise
    finally:
        if lost := streams.close(console.out.lost if (console := sys.modules.get("hpt_ray.cli.console")) else None):
            streams.say(f"error: the output cannot be written ({lost}); what was done is kept.")
