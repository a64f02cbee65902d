"""The arguments and options that several commands have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpt_ray.core.errors import StudyError

if TYPE_CHECKING:
    from hpt_ray.spec.study import Study


def _studies(incomplete: str) -> list[str]:
    """The studies that a shell offers for what is typed so far."""
    from hpt_ray.core import registry

    return [name for name in registry.names("studies") if name.startswith(incomplete)]


StudyName = Annotated[
    str,
    typer.Argument(help="A study by name, or a path to a Python file that defines one.", autocompletion=_studies),
]
RunName = Annotated[str, typer.Argument(help="A run by its id or name, or a study: its latest run.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter of the study (repeatable).")
]
Config = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Settings from a .toml, .yaml or .json file, or a run's run.json; --set comes on top."
    ),
]
Workers = Annotated[
    int, typer.Option(min=1, help="Processes that share each stage's batch (distributed data parallel).")
]
Address = Annotated[str | None, typer.Option(help="Join the Ray cluster at this address.")]
Gpus = Annotated[int | None, typer.Option(min=0, help="GPUs to use, 0 for none; all there are.")]
StorePath = Annotated[
    str, typer.Option("--store", help="Where stages and runs are kept: a folder or s3://... address.")
]
CsvFile = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the claims as CSV.")]
LatexFile = Annotated[Path | None, typer.Option("--latex", metavar="FILE", help="Write the claims as LaTeX.")]
UntilDecided = Annotated[
    bool,
    typer.Option("--until-decided", help="Add seeds until the claims are decided; every look at them is counted."),
]
Watch = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="At the end write curves, metrics, verdict and report for tensorboard, wandb or mlflow, several separated "
        "by commas, or by a path to a Python file.",
    ),
]
MaxSeeds = Annotated[int | None, typer.Option(min=3, help="With --until-decided: how many seeds at most; 24.")]

#: Seeds at the last look, if nothing else is said.
MOST = 24


def most_seeds(until_decided: bool, max_seeds: int | None) -> int | None:
    """How many seeds a run that grows has at most; None where it does not grow."""
    if max_seeds is not None and not until_decided:
        raise StudyError("--max-seeds is for --until-decided: write --set seeds= for a fixed number.")
    return (max_seeds or MOST) if until_decided else None


def seconds(budget: str | None, until_decided: bool) -> float | None:
    """A time such as 90m, 2h or 1h30m in seconds; None without one."""
    if budget is None:
        return None
    if not until_decided:
        raise StudyError("--budget is for --until-decided: a run of a fixed number of seeds has its cost, see plan.")
    import pandas as pd

    try:
        # Without a unit pandas would read nanoseconds, and its name for a day is D.
        text = "" if budget.strip().isdigit() else re.sub(r"(?<=\d)d\b", "D", budget)
        length = pd.Timedelta(text).total_seconds()
    except ValueError:
        length = 0.0
    if not length > 0:
        raise StudyError(f"--budget {budget!r} is no time: write one with its unit, such as 90m, 2h or 1d.")
    return float(length)


def requested(study: str, settings: list[str] | None, config: str | None) -> Study:
    """The study that a user asks for: ``--set`` comes before what ``--config`` says."""
    from hpt_ray.spec import settings_file
    from hpt_ray.spec.parameters import given, make

    known = {} if config is None else settings_file.read(config, study)
    return make(study, known | given(settings))
