"""The command ``advise``: what serves a target's images best, and what that is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hpt_ray.cli import streams
from hpt_ray.cli.options import Address, Gpus, Settings, StorePath, Workers, seconds
from hpt_ray.cli.run import carry_out

if TYPE_CHECKING:
    from hpt_ray.cli.progress import RunObserver
    from hpt_ray.execute.finalize import Result


@streams.interruptible()
def advise(
    target: Annotated[str, typer.Argument(help="Your images: a folder, an image list, Parquet, or a data set's name.")],
    bases: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Bases, separated by commas: data sets, files, weights:torchvision:NAME."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Begin nothing that would take longer than this in all, such as 30m or 2h.")
    ] = None,
    settings: Settings = None,
    store: StorePath = "hpt-store",
    runner: Annotated[str, typer.Option(help="How stages are run: ray, inline, or a path to a Python file.")] = "ray",
    workers: Workers = 1,
    gpus: Gpus = None,
    address: Address = None,
) -> None:
    """Recommend a base, an arm, a policy and a number of iterations for your images, and say what that is worth."""
    from hpt_ray.spec.parameters import given

    time_to_spend, chosen = seconds(budget, until_decided=True), given(settings)

    def work(observer: RunObserver) -> Result:
        from hpt_ray.execute.advise import advise as execute

        return execute(
            target,
            bases,
            chosen,
            store=store,
            runner=runner,
            workers=workers,
            gpus=gpus,
            address=address,
            budget=time_to_spend,
            observer=observer,
        )

    carry_out(work, "advise", store)
