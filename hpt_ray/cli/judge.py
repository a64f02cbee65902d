"""The command ``judge``: this project's statistics for anyone's table of results."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import typer

from hpt_ray.cli.options import CsvFile, LatexFile
from hpt_ray.core.errors import StudyError

#: Panels of the help text.
COLUMNS, QUESTION = "Which column is what (else found by the usual names)", "What is asked"


_column = functools.partial(typer.Option, metavar="COLUMN", rich_help_panel=COLUMNS)


def judge(
    table: Annotated[
        str,
        typer.Argument(metavar="TABLE", help="Results as .csv, .tsv or .parquet: a row per run or test example."),
    ],
    baseline: Annotated[
        str, typer.Option(help="The arm that every other one is held against.", rich_help_panel=QUESTION)
    ],
    arm: Annotated[str | None, _column(help="What is compared: methods, models.")] = None,
    value: Annotated[
        str | None, _column(help="The metric; several, separated by commas, are of one data set each.")
    ] = None,
    unit: Annotated[str | None, _column(help="What arms are paired by: seeds, folds, data sets.")] = None,
    example: Annotated[str | None, _column(help="Test examples, where each has a value.")] = None,
    group: Annotated[str | None, _column(help="Groups of test examples: patients, scenes.")] = None,
    target: Annotated[str | None, _column(help="Data sets, each judged and then together.")] = None,
    level: Annotated[str | None, _column(help="Levels of a factor that is varied.")] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a column of metrics, this one.", rich_help_panel=QUESTION)
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Use these rows alone (repeatable).", rich_help_panel=QUESTION),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL", help="The level at which arms are compared; the first.", rich_help_panel=QUESTION
        ),
    ] = None,
    higher: Annotated[
        bool | None,
        typer.Option("--higher/--lower", help="Which is better; as the metric's name says.", rich_help_panel=QUESTION),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(min=0, help="A difference without weight, in points; 1.", rich_help_panel=QUESTION),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Write a page and all files."),
    ] = None,
    csv: CsvFile = None,
    latex: LatexFile = None,
) -> None:
    """Judge anyone's table of results: which arms are better than a baseline, and how surely."""
    from hpt_ray.analysis.judged import judge_table
    from hpt_ray.analysis.measures.long_table import Options
    from hpt_ray.analysis.measures.read_table import read
    from hpt_ray.cli import console

    options = Options(
        baseline=baseline,
        arm=arm,
        value=value,
        seed=unit,
        example=example,
        group=group,
        target=target,
        level=level,
        metric=metric,
        where=_conditions(where or []),
        at=at,
        higher=higher,
        margin=margin,
    )
    judged = judge_table(read(table, options))
    console.judged(judged)
    if output or csv or latex:
        from hpt_ray.execute.claim_files import write_claims, write_judged

        files = [*(write_judged(judged, output) if output else []), *write_claims(judged.verdicts, csv, latex, table)]
        console.written(files)


def _conditions(given: list[str]) -> dict[str, str]:
    """COLUMN=VALUE, each once.

    Raises:
        StudyError: for anything else.
    """
    conditions: dict[str, str] = {}
    for text in given:
        if not all(text.partition("=")[::2]):
            raise StudyError(f"--where {text!r} is no condition: write COLUMN=VALUE, such as --where split=test.")
        column, value = text.split("=", 1)
        if conditions.setdefault(column, value) != value:
            raise StudyError(f"--where names {column!r} twice, and no row has two values of it: choose one.")
    return conditions
