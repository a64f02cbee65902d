"""The command line: ``hpt-study list | show | plan | run | status | report | verify | weights``.

Commands import torch, Ray and plotly only when they need them, so that ``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hpt_ray.cli import streams
from hpt_ray.core import user_code
from hpt_ray.core.errors import StudyError
from hpt_ray.execute import compiler_folder

if TYPE_CHECKING:
    from hpt_ray.execute.finalize import Result
    from hpt_ray.store.store import Store

app = typer.Typer(
    help="Studies of hierarchical pretraining: is it worth pretraining further on your own images?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

StudyName = Annotated[str, typer.Argument(help="A study by name, or a path to a Python file that defines one.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter of the study (repeatable).")
]
Workers = Annotated[
    int, typer.Option(min=1, help="Processes that share each stage's batch (distributed data parallel).")
]
StorePath = Annotated[
    str, typer.Option("--store", help="Where stages and runs are kept: a folder or s3://... address.")
]


@app.command("list")
def list_studies() -> None:
    """List everything that is chosen by its name: studies, data sets, policies and more."""
    from hpt_ray.cli import console
    from hpt_ray.core import registry

    console.listing({kind: {name: registry.summary(kind, name) for name in registry.names(kind)} for kind in LISTED})


LISTED = ("studies", "datasets", "policies", "methods", "backbones", "probes", "backends")


@app.command()
def show(study: StudyName) -> None:
    """Show what a study asks, and its parameters."""
    from hpt_ray.cli import console
    from hpt_ray.core import registry
    from hpt_ray.spec.parameters import parameters

    function = registry.load("studies", study)
    console.study(registry.module("studies", study).__doc__ or "", parameters(function))


@app.command()
def plan(study: StudyName, settings: Settings = None, store: StorePath = "hpt-store", workers: Workers = 1) -> None:
    """Show what a run would do, and what it would cost, without running anything."""
    from hpt_ray.cli import console, progress
    from hpt_ray.execute.estimate import estimate
    from hpt_ray.execute.prepare import prepare
    from hpt_ray.spec.parameters import given, make
    from hpt_ray.store.store import Store

    requested, existing = make(study, given(settings)), Store(store, create=False)
    with progress.decoding() as show_decoding:
        prepared = prepare(requested, existing, show_decoding)
    console.plan(prepared.plan, estimate(prepared, existing, workers))


@app.command()
def run(
    study: StudyName,
    settings: Settings = None,
    store: StorePath = "hpt-store",
    runner: Annotated[
        str, typer.Option(help="How stages are run: ray, inline (in this process), or a path to a Python file.")
    ] = "ray",
    workers: Workers = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each worker; chosen from the machine.")] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Stages side by side; chosen from the machine.")] = None,
    address: Annotated[str | None, typer.Option(help="Join the Ray cluster at this address.")] = None,
) -> None:
    """Run a study: what is finished in the store is not run again."""
    from hpt_ray.cli import progress
    from hpt_ray.spec.parameters import given, make

    requested = make(study, given(settings))
    try:
        with progress.live() as observer:
            from hpt_ray.execute.run import run as execute

            result = execute(
                requested,
                store=store,
                runner=runner,
                workers=workers,
                threads=threads,
                slots=slots,
                address=address,
                observer=observer,
            )
    except KeyboardInterrupt as interrupt:
        _say("interrupted: what is finished is kept; run the same command again to go on.")
        raise typer.Exit(128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)) from None
    _show(result)
    if result.failures:
        if given_up := result.run.manifest.given_up:
            _say(f"error: all that was tried failed for one reason: {given_up}")
        raise typer.Exit(1)


@app.command()
def status(store: StorePath = "hpt-store") -> None:
    """List the runs in a store and how complete each is."""
    from hpt_ray.cli import console
    from hpt_ray.execute.runs import runs
    from hpt_ray.store.files import public
    from hpt_ray.store.store import Store

    console.runs(runs(Store.existing(store)), public(store))


@app.command()
def report(
    study: Annotated[str, typer.Argument(help="A run's folder name as `status` lists it, or a study: its latest run.")],
    store: StorePath = "hpt-store",
    trust: Annotated[
        bool, typer.Option("--trust", help="Run the Python that a run was made with, where needed.")
    ] = False,
) -> None:
    """Write a run's report again from what is in the store."""
    gc.disable()  # hardly any of millions of objects are in cycles, and looking for them takes a seventh of the time
    try:
        from hpt_ray.execute.runs import rewrite
        from hpt_ray.store.store import Store

        _show(rewrite(Store.existing(store), study, trust=trust))
    finally:
        gc.enable()


@app.command()
def verify(
    store: StorePath = "hpt-store",
    yes: Annotated[bool, typer.Option("--yes", help="Mend without asking; orphans are kept.")] = False,
) -> None:
    """Check every file in a store that nothing is running on, and mend what is damaged or left over."""
    from hpt_ray.cli import console
    from hpt_ray.store import verify as verification
    from hpt_ray.store.files import public
    from hpt_ray.store.store import Store

    opened = Store.existing(store)
    findings = verification.verify(opened)
    console.findings(findings, public(store))
    repaired = findings.sound
    question = "Remove what is damaged or left over, and write damaged tables again? (Nothing may be running on it.)"
    if not findings.sound and (yes or _agreed(question)):
        verification.clear(opened, findings)
        repaired = not [run for run in findings.tables if not _rewritten(opened, run)]
    if findings.orphans and _agreed("Remove the orphans as well?"):
        for stage in findings.orphans:
            opened.delete(stage)
    if not repaired:
        raise typer.Exit(1)


def _agreed(question: str) -> bool:
    return sys.stdin.isatty() and typer.confirm(question)


def _rewritten(store: Store, run: str) -> bool:
    from hpt_ray.execute.runs import rewrite

    try:
        rewrite(store, run)
    except StudyError as error:
        _say(f"error: {error}")
        return False
    return True


weights = typer.Typer(help="Checkpoints from elsewhere.", no_args_is_help=True)
app.add_typer(weights, name="weights")


@weights.command("inspect")
def inspect_file(
    source: Annotated[str, typer.Argument(help="A checkpoint file, or torchvision:NAME or timm:NAME.")],
    backbone: Annotated[
        str | None, typer.Option(help="The network it is for; the one that fits best if left out.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(min=8, help="Side of the views, for networks made for one size.")
    ] = None,
) -> None:
    """Show what is in a checkpoint and whether it fits a network, key by key, without training."""
    from hpt_ray.cli import console
    from hpt_ray.training.weights.inspect_weights import inspect_weights

    inspection = inspect_weights(source, backbone, image_size)
    console.inspection(inspection)
    if not inspection.loads:
        raise typer.Exit(2)


def main() -> None:
    """The entry point: a user's error is one line and exit code 2."""
    # Arrow's own allocator makes the kernel clear much more memory than the tables need.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    streams.prepare()
    try:
        with compiler_folder.removed():
            app()
    except StudyError as error:
        _say(f"error: {error}")
        sys.exit(2)
    except Exception as error:
        if user_code.place(error) is None:
            raise
        _say(f"error: {StudyError(f'{user_code.reason(error)}. Mend the file.')}")
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == 1 and streams.unread():  # only help texts end like this; commands go on without output
            sys.exit(0)
        raise
    finally:
        if lost := streams.close(console.out.lost if (console := sys.modules.get("hpt_ray.cli.console")) else None):
            _say(f"error: the output cannot be written ({lost}); what was done is kept.")


def _show(result: Result) -> None:
    """Print a result; if standard output fails, print the paths of its files on standard error."""
    from hpt_ray.cli import console

    console.result(result)
    if not streams.written(console.out.lost):
        _say("\n".join(console.places(result)))


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
