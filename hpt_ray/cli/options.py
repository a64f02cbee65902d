"""The arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

StudyName = Annotated[str, typer.Argument(help="A study by name, or a path to a Python file that defines one.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter of the study (repeatable).")
]
Workers = Annotated[
    int, typer.Option(min=1, help="Processes that share each stage's batch (distributed data parallel).")
]
Address = Annotated[str | None, typer.Option(help="Join the Ray cluster at this address.")]
Gpus = Annotated[int | None, typer.Option(min=0, help="GPUs to use, 0 for none; all there are.")]
StorePath = Annotated[
    str, typer.Option("--store", help="Where stages and runs are kept: a folder or s3://... address.")
]
