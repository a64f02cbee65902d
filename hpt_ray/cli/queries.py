"""The commands that only read: ``list``, ``show``, ``status`` and ``weights inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hpt_ray.cli import streams
from hpt_ray.cli.options import Config, RunName, Settings, StorePath, StudyName, requested
from hpt_ray.core.errors import StudyError

if TYPE_CHECKING:
    from hpt_ray.execute.states import RunState

#: What ``list`` lists: folders whose files are chosen by name.
LISTED = ("studies", "datasets", "policies", "methods", "backbones", "probes", "metrics", "backends", "writers")


def list_files() -> None:
    """List everything that is chosen by its name: studies, data sets, policies and more."""
    from hpt_ray.cli import console
    from hpt_ray.core import registry

    console.listing({kind: {name: registry.summary(kind, name) for name in registry.names(kind)} for kind in LISTED})


def show(study: StudyName, settings: Settings = None, config: Config = None) -> None:
    """Show what a study asks, and its parameters with what they are where nothing is set."""
    from hpt_ray.cli import console
    from hpt_ray.core import registry
    from hpt_ray.spec.parameters import defaults, parameters

    listed, text = parameters(registry.load("studies", study)), registry.module("studies", study).__doc__ or ""
    try:
        asked = requested(study, settings, config)
    except StudyError:
        if settings or config is not None:
            raise
        console.study("", text, listed)  # it needs settings, which are listed
    else:
        console.study(asked.question, text, defaults(listed, asked))


def status(
    run: Annotated[
        str | None, typer.Argument(help="A run by id or name, or a study: its latest run. All runs if left out.")
    ] = None,
    store: StorePath = "hpt-store",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on showing it while a run goes on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: a list, newest run first.")] = False,
) -> None:
    """List the runs in a store: running, interrupted, failed or finished, since when, and how much of each is there."""
    from hpt_ray.cli import console
    from hpt_ray.execute.states import runs
    from hpt_ray.store.files import public
    from hpt_ray.store.labels import latest
    from hpt_ray.store.store import Store

    if follow and as_json:
        raise StudyError("--follow is for a reader and --json for a script: choose one of them.")
    opened = Store.existing(store)

    def look() -> list[RunState]:
        return runs(opened, None if run is None else [latest(opened, run)])

    if as_json:
        console.out.print_json(data=[state.model_dump() for state in look()])
        return
    from hpt_ray.cli import runs_output

    if follow:
        with streams.interruptible("no longer followed: what runs goes on."):
            runs_output.follow(look, public(store))
    else:
        runs_output.show(look(), public(store))


def note(
    run: RunName,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help='What to remember of the run; "" for nothing.')
    ] = None,
    name: Annotated[str | None, typer.Option(help="Call the run so from now on.")] = None,
    store: StorePath = "hpt-store",
) -> None:
    """Give a run a note, or another name, which `status` and `open` show."""
    from hpt_ray.cli import console
    from hpt_ray.store import labels
    from hpt_ray.store.store import Store

    opened = Store.existing(store)
    chosen = labels.latest(opened, run)
    label = labels.checked(opened, chosen, name, text)
    if text is not None or name is not None:
        labels.write(opened, chosen, label)
    lines = console.facts()
    for title, value in (("run", chosen), ("name", label.name), ("note", label.note)):
        lines.add_row(title, value)
    console.out.print(lines)


weights = typer.Typer(help="Checkpoints from elsewhere.", no_args_is_help=True)


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
