"""The command ``open``, and a page of a store in the user's browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from hpt_ray.cli.options import StorePath
from hpt_ray.core.errors import StudyError


def open_page(
    run: Annotated[
        str | None, typer.Argument(help="A run by id or name, or a study: its latest run. The index if left out.")
    ] = None,
    store: StorePath = "hpt-store",
) -> None:
    """Open a run's report or, for all runs, an index that lists and compares them, which is written into the store."""
    from hpt_ray.cli import console
    from hpt_ray.store.store import REPORT, Store

    opened = Store.existing(store)
    if run is None:
        console.out.print("writing the index of the store ...")
        from hpt_ray.execute.index import write_index

        page, what = write_index(opened), "index"
    else:
        from hpt_ray.store.labels import latest

        file, what = f"runs/{latest(opened, run)}/{REPORT}", "report"
        page = opened.path(file)
        if not opened.exists(file):
            raise StudyError(f"{page} is not written yet: see hpt-study status, or write it by hpt-study report {run}.")
    show_in_browser(page)
    console.out.print(f"{what}: {page}", soft_wrap=True)


def show_in_browser(page: str) -> None:
    """Open a page in the user's browser, where there is one with windows; its path is printed in any case.

    Args:
        page: a path or, of an object store, an address, which no browser opens.
    """
    windows = sys.platform in ("darwin", "win32") or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    if "://" not in page and (windows or "BROWSER" in os.environ):
        webbrowser.open(Path(page).as_uri())
