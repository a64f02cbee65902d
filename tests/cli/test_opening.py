from __future__ import annotations

from pathlib import Path

import pytest

from hpt_ray.cli import opening
from hpt_ray.cli.opening import show_in_browser


@pytest.mark.parametrize(
    ("page", "environment", "shown"),
    [
        ("/store/index.html", {"DISPLAY": ":0"}, ["file:///store/index.html"]),
        ("/store/index.html", {"BROWSER": "firefox"}, ["file:///store/index.html"]),
        ("/store/index.html", {}, []),  # only a browser in the terminal, which was not asked for
        ("s3://bucket/index.html", {"DISPLAY": ":0"}, []),
    ],
)
def test_a_page_is_opened_where_there_is_a_browser_with_windows(page, environment, shown, monkeypatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(opening.webbrowser, "open", opened.append)
    monkeypatch.setattr(opening.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    show_in_browser(page)
    assert opened == shown


def test_a_report_that_is_not_written_yet_is_one_line(tmp_path, monkeypatch) -> None:
    from hpt_ray.core.errors import StudyError
    from hpt_ray.store.store import MANIFEST, Store

    Store(tmp_path).write(f"runs/methods-01/{MANIFEST}", b"{}")
    with pytest.raises(StudyError, match="is not written yet"):
        opening.open_page("methods", str(tmp_path))
    assert not Path(tmp_path, "index.html").exists()
