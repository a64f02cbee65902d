"""Every page in a real browser: axe-core finds nothing serious or moderate, light, dark and on a phone."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hpt_ray.core.registry import load, names
from hpt_ray.report.render import render, verdicts
from tests.support.simulate_dashboards import simulated

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)

#: Width and height of the window in pixels, and the colours that the reader prefers.
WINDOWS = {"light": (1100, 900, "light"), "dark": (1100, 900, "dark"), "phone": (390, 844, "light")}

#: What the rules of axe-core would not forgive.
GRAVE = ("critical", "serious", "moderate")

READY = """document.readyState === "complete" &&
    [...document.querySelectorAll(".plot")].every((plot) => plot.querySelector(".legend, .xaxislayer-above"))"""
AUDIT = "axe.run(document, {resultTypes: ['violations']}).then((found) => JSON.stringify(found.violations))"
SMALL = """JSON.stringify([...document.querySelectorAll(".plot text, figure td, figure small, figcaption")]
    .filter((part) => part.textContent.trim() && parseFloat(getComputedStyle(part).fontSize) < 12)
    .map((part) => part.textContent))"""
LEGENDS = """JSON.stringify([...document.querySelectorAll(".legend .legendtoggle")]
    .map((entry) => [entry.tabIndex, entry.getAttribute("aria-label"), entry.getAttribute("aria-pressed")]))"""
PRESS = """(() => {
    const entry = document.querySelector(".legend .legendtoggle");
    entry.focus();
    entry.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
})()"""


async def _evaluate(tab: Any, expression: str) -> Any:
    reply = await tab.send_command(
        "Runtime.evaluate", params={"expression": expression, "awaitPromise": True, "returnByValue": True}
    )
    assert "exceptionDetails" not in reply["result"], reply["result"]
    return reply["result"]["result"].get("value")


async def _open(browser: Any, page: Path, window: tuple[int, int, str]) -> Any:
    width, height, scheme = window
    tab = await browser.create_tab()
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    await tab.send_command("Emulation.setDeviceMetricsOverride", params=size)
    preferred = [{"name": "prefers-color-scheme", "value": scheme}]
    await tab.send_command("Emulation.setEmulatedMedia", params={"features": preferred})
    await tab.send_command("Page.navigate", params={"url": page.as_uri()})
    for _ in range(150):
        await asyncio.sleep(0.2)
        if await _evaluate(tab, READY):
            return tab
    raise TimeoutError(f"{page} does not draw its figures")


async def _audit(pages: Sequence[Path], rules: str) -> list[str]:
    from choreographer import Browser

    complaints = []
    async with Browser(path=CHROMIUM, headless=True, enable_sandbox=False) as browser:
        for page in pages:
            for name, window in WINDOWS.items():
                tab, where = await _open(browser, page, window), f"{page.stem}, {name}"
                await _evaluate(tab, f"{rules};0")
                for rule in json.loads(await _evaluate(tab, AUDIT)):
                    if rule["impact"] in GRAVE:
                        complaints.append(
                            f"{where}: {rule['id']}: {[node['html'][:200] for node in rule['nodes'][:3]]}"
                        )
                if await _evaluate(tab, "document.documentElement.scrollWidth > innerWidth"):
                    complaints.append(f"{where}: the page scrolls sideways")
                if small := json.loads(await _evaluate(tab, SMALL)):
                    complaints.append(f"{where}: text below 12 px: {small[:5]}")
                legends = json.loads(await _evaluate(tab, LEGENDS))
                if not all(tab_index == 0 and label for tab_index, label, _ in legends):
                    complaints.append(f"{where}: legends out of reach: {legends}")
                if legends:
                    await _evaluate(tab, PRESS)
                    await asyncio.sleep(0.8)
                    after = json.loads(await _evaluate(tab, LEGENDS))[0][2]
                    if after == legends[0][2]:
                        complaints.append(f"{where}: Enter does not press the first entry of a legend")
                await browser.close_tab(tab)
    return complaints


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
def test_pages_are_accessible(tmp_path: Path) -> None:
    pytest.importorskip("choreographer", reason="choreographer, which comes with kaleido, is not installed")
    specification = importlib.util.find_spec("axe_core_python")
    if specification is None or not specification.submodule_search_locations:
        pytest.skip("axe-core-python is not installed")
    rules = (Path(specification.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")
    pages = []
    for study in names("dashboards"):
        run, dashboard = simulated(study), load("dashboards", study)
        pages.append(tmp_path / f"{study}.html")
        pages[-1].write_text(render(run, dashboard, verdicts(run, dashboard)), encoding="utf-8")
        assert pages[-1].stat().st_size < 2_500_000
    assert asyncio.run(_audit(pages, rules)) == []
