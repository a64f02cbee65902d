"""The commands that only read: ``list``, ``show``, ``status`` and ``weights inspect``."""

from __future__ import annotations

from typing import Annotated

import typer

from hpt_ray.cli.options import StorePath, StudyName

#: What ``list`` lists: folders whose files are chosen by name.
LISTED = ("studies", "datasets", "policies", "methods", "backbones", "probes", "metrics", "backends")


def list_files() -> None:
    """List everything that is chosen by its name: studies, data sets, policies and more."""
    from hpt_ray.cli import console
    from hpt_ray.core import registry

    console.listing({kind: {name: registry.summary(kind, name) for name in registry.names(kind)} for kind in LISTED})


def show(study: StudyName) -> None:
    """Show what a study asks, and its parameters."""
    from hpt_ray.cli import console
    from hpt_ray.core import registry
    from hpt_ray.spec.parameters import parameters

    function = registry.load("studies", study)
    console.study(registry.module("studies", study).__doc__ or "", parameters(function))


def status(
    store: StorePath = "hpt-store",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: a list, newest run first.")] = False,
) -> None:
    """List the runs in a store and how complete each is."""
    from hpt_ray.cli import console
    from hpt_ray.execute.states import runs
    from hpt_ray.store.files import public
    from hpt_ray.store.store import Store

    states = runs(Store.existing(store))
    if as_json:
        console.out.print_json(data=[state.model_dump() | {"state": state.state} for state in states])
    else:
        console.runs(states, public(store))


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
