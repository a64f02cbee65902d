"""The command ``export``: weights of a run to a file that other programs load."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from hpt_ray.cli.options import RunName, StorePath


class Library(StrEnum):
    """Whose names and format a file of weights has."""

    TORCHVISION = "torchvision"
    TIMM = "timm"
    SAFETENSORS = "safetensors"


def export(
    run: RunName,
    to: Annotated[
        Library, typer.Option("--to", help="torchvision (.pth), timm (.safetensors), or this package's own names.")
    ],
    file: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="The file to write.")],
    arm: Annotated[str | None, typer.Option(help="An arm, such as HPT or base>target; the one that won.")] = None,
    level: Annotated[
        list[str] | None,
        typer.Option(metavar="LEVEL", help="A level of a factor, or FACTOR=LEVEL (repeatable); the winner's."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="A seed; the one with the median score on val.")] = None,
    target: Annotated[str | None, typer.Option(help="A target, where the run has several.")] = None,
    store: StorePath = "hpt-store",
) -> None:
    """Write the weights that won, or others, to a file that torchvision, timm or hpt_ray.load_backbone loads."""
    from hpt_ray.cli import console
    from hpt_ray.execute.export import export as write
    from hpt_ray.store.store import Store

    console.exported(write(Store.existing(store), run, to.value, file, arm=arm, level=level, seed=seed, target=target))
