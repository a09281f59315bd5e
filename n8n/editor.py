"""The editor as a person sees it, in Chromium: each node found by searching for it, each workflow drawn.

Pictures, light and dark, go to `build/n8n/pictures`; with ATOS_PICTURES=docs/pictures, into the documentation.
Needs playwright and a Chromium, which the project's tests have; without them it says so and is passed over.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from host import OWNER, Host

from toolchain import CACHE, PACKAGE, StepFailedError

if TYPE_CHECKING:
    from playwright.sync_api import Page

NODES = {
    "ATOS Agent Router": "agent router",
    "ATOS Result Aggregator": "atos result",
    "ATOS Goal": "local model",
    "ATOS Deploy": "atos deploy",
    "ATOS Trigger": "atos trigger",
}
"""Node -> what a person types to find it."""
TRIGGER = "Starts when a goal ends"
"""What is read in the panel of the trigger: n8n leaves the word "Trigger" out of its triggers' names there."""
Theme = Literal["light", "dark"]
SIZE: Any = {"width": 1280, "height": 800}
SHOWN_MS = 1500
WAIT_MS = 180_000
"""Longest wait for the editor: seconds on a quiet machine."""


def check(host: Host) -> None:
    """Search for every node, and draw every workflow, light and dark.

    Raises:
        StepFailedError: a node is not found by its search.
    """
    for page, folder, theme in _pages(host, "light", "dark"):
        _panel(page, host, folder, theme)
        _workflows(page, host, folder, theme)


def check_panel(host: Host) -> None:
    """Search for every node.

    Raises:
        StepFailedError: one is not found.
    """
    for page, folder, theme in _pages(host, "light"):
        _panel(page, host, folder, theme)


def _pages(host: Host, *themes: Theme) -> Iterator[tuple[Page, Path, Theme]]:
    """Yield a page of each theme, signed in, with the folder for its pictures; none without a browser."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium or not find_spec("playwright"):
        print("  passed over: no Chromium, or no playwright")
        return
    from playwright.sync_api import sync_playwright

    folder = Path(os.environ.get("ATOS_PICTURES") or CACHE / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for theme in themes:
            page = browser.new_page(viewport=SIZE, color_scheme=theme)
            page.set_default_timeout(WAIT_MS)
            _sign_in(page, host)
            yield page, folder, theme
            page.close()
        browser.close()


def _sign_in(page: Page, host: Host) -> None:
    login = {"emailOrLdapLoginId": OWNER, "password": host.password}
    page.request.post(f"{host.url}/rest/login", data=login)


def _panel(page: Page, host: Host, folder: Path, theme: str) -> None:
    page.goto(f"{host.url}/workflow/new")
    opener = "[data-test-id='canvas-add-button'], [data-test-id='node-creator-plus-button']"
    page.locator(opener).first.click()
    field = page.locator("[data-test-id='node-creator-search-bar']").first
    field.wait_for()
    if field.evaluate("each => each.tagName") != "INPUT":
        field = field.locator("input").first
    for name, typed in {**NODES, "all": "atos"}.items():
        field.fill(typed)
        page.wait_for_timeout(SHOWN_MS)
        shown = page.locator("[data-test-id='node-creator']").inner_text()
        wanted = NODES if name == "all" else {name: typed}
        missing = [n for n in wanted if (TRIGGER if n == "ATOS Trigger" else n) not in shown]
        found = [each for each in wanted if each not in missing]
        print(f"  {theme}: {typed!r} finds {found}", flush=True)
        if missing:
            page.screenshot(path=folder / f"n8n-missing-{theme}.png")
            message = f"a search for {typed!r} does not show {missing}: {shown[:500]}"
            raise StepFailedError(message)
    page.screenshot(path=folder / f"n8n-panel-{theme}.png")


def _workflows(page: Page, host: Host, folder: Path, theme: str) -> None:
    import json

    for file in sorted((PACKAGE / "workflows").glob("*.json")):
        workflow = json.loads(file.read_text(encoding="utf-8"))
        page.goto(f"{host.url}/workflow/{workflow['id']}")
        page.wait_for_selector(".vue-flow__node")
        page.keyboard.press("1")
        page.wait_for_timeout(SHOWN_MS)
        page.screenshot(path=folder / f"n8n-{file.stem}-{theme}.png")
    _nodes(page, host, folder, theme)


def _nodes(page: Page, host: Host, folder: Path, theme: str) -> None:
    """Open each of our nodes in a workflow that has it."""
    for workflow, name, title in (
        ("atosGoalFiles001", "ATOS Goal", "goal"),
        ("atosRouteAggr001", "ATOS Agent Router", "router"),
        ("atosRouteAggr001", "ATOS Result Aggregator", "aggregator"),
        ("atosDeployVer001", "ATOS Deploy", "deploy"),
        ("atosGoalEnded001", "ATOS Trigger", "trigger"),
    ):
        page.goto(f"{host.url}/workflow/{workflow}")
        page.wait_for_selector(".vue-flow__node")
        page.wait_for_timeout(SHOWN_MS)
        page.locator(f".vue-flow__node:has-text('{name}')").first.dblclick()
        page.wait_for_timeout(SHOWN_MS)
        page.screenshot(path=folder / f"n8n-node-{title}-{theme}.png")
