"""The command ``export``: weights of a run to a file that other programs load, or what its page shows to a folder."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from hpt_ray.cli.options import RunName, StorePath
from hpt_ray.core.errors import StudyError

#: Panels of the help text.
WEIGHTS, SHOWN = "Weights, to a file", "What the page shows, to a folder"


class Library(StrEnum):
    """Whose names and format a file of weights has."""

    TORCHVISION = "torchvision"
    TIMM = "timm"
    SAFETENSORS = "safetensors"


def export(
    run: RunName,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="PATH", help="The file of weights, or the folder, to write.")
    ],
    to: Annotated[
        Library | None,
        typer.Option(
            "--to",
            help="torchvision (.pth), timm (.safetensors), or this package's own names.",
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    arm: Annotated[
        str | None, typer.Option(help="An arm, such as HPT or base>target; the one that won.", rich_help_panel=WEIGHTS)
    ] = None,
    level: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LEVEL",
            help="A level of a factor, or FACTOR=LEVEL (repeatable); the winner's.",
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="A seed; the one with the median score on val.", rich_help_panel=WEIGHTS)
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="A target, where the run has several.", rich_help_panel=WEIGHTS)
    ] = None,
    figures: Annotated[
        bool, typer.Option("--figures", help="Every figure as SVG and PDF.", rich_help_panel=SHOWN)
    ] = False,
    tables: Annotated[
        bool, typer.Option("--tables", help="Every table as CSV and LaTeX.", rich_help_panel=SHOWN)
    ] = False,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Run the Python that the run is measured or shown by.", rich_help_panel=SHOWN),
    ] = False,
    store: StorePath = "hpt-store",
) -> None:
    """Write the weights that won, or others, for torchvision, timm or hpt_ray.load_backbone; or figures and tables."""
    from hpt_ray.cli import console
    from hpt_ray.store.store import Store

    named = {"--arm": arm, "--level": level, "--seed": seed, "--target": target}
    of_weights = [name for name, value in named.items() if value not in (None, [])]
    if not output:
        raise StudyError("--output is empty: name a file for weights, or a folder for figures and tables.")
    if to is not None and (figures or tables):
        raise StudyError("--to writes weights to a file, --figures and --tables write a folder: give one of the two.")
    if to is None and not (figures or tables):
        raise StudyError(
            "nothing to export: name whose format weights are written in (--to torchvision, timm or safetensors), or "
            "add --figures or --tables."
        )
    if to is None:
        from hpt_ray.execute.export_shown import export_shown

        if of_weights:
            raise StudyError(f"{of_weights[0]} chooses weights, and figures and tables are of all: leave it out.")
        shown = export_shown(Store.existing(store), run, output, figures=figures, tables=tables, trust=trust)
        console.written(list(shown.files))
        for title in shown.left_out:
            console.out.print(f"left out: {title} is shown on the page alone", style="dim")
    else:
        from hpt_ray.execute.export import export as write

        if trust:
            raise StudyError("--trust is for --figures and --tables: weights are written without running any Python.")
        console.exported(
            write(Store.existing(store), run, to.value, output, arm=arm, level=level, seed=seed, target=target)
        )
