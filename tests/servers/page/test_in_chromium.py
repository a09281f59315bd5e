"""The page in a real browser: opened with a code, walked by keyboard, calm under sixty events a second."""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from atos.cli.opening import PAGE
from doubles.host_process import HostProcess, host_process
from doubles.page_browser import (
    WrittenGoal,
    at_rate,
    chromium,
    frozen_worker,
    opened,
    page_address,
    written_goal,
)

pytestmark = pytest.mark.timeout(240)
HOSTILE = '<img src=x onerror="window.broken=1"><script>window.broken=1</script> of a price tracker'
HEAP = "async () => { globalThis.gc(); await new Promise((r) => setTimeout(r, 50)); globalThis.gc(); return performance.memory.usedJSHeapSize; }"


@pytest.fixture(scope="module")
def host() -> Generator[HostProcess]:
    with host_process() as host:
        host.ensure()
        yield host


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def goal(host: HostProcess) -> WrittenGoal:
    goal = written_goal(host, "price-tracker", "Build a price tracker: fetch, parse, keep, compare")
    steps = goal.work()
    for _ in range(200):
        next(steps)
    goal.end()
    return goal


@pytest.fixture
def page(host: HostProcess, browser: Browser) -> Generator[Page]:
    with opened(browser, page_address(host)) as page:
        yield page


def test_a_code_opens_the_page_once_and_does_not_stay_in_the_address(
    host: HostProcess, browser: Browser
) -> None:
    address = page_address(host)
    with opened(browser, address) as page:
        expect(page.get_by_role("status").first).to_have_text("live")
        assert page.url.endswith("/#/")
        assert page.evaluate("document.cookie") == ""
        page.reload()
        expect(page.get_by_role("status").first).to_have_text("live")
    with opened(browser, address) as second:
        expect(second.get_by_role("alert")).to_contain_text("this code was used already")
        expect(second.get_by_role("alert")).to_contain_text("atos-client open")


def test_the_file_with_which_a_browser_is_started_leads_to_the_page(
    host: HostProcess, browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "open.html"
    file.write_text(PAGE.format(url=page_address(host).replace("&", "&amp;")))
    with opened(browser, file.as_uri()) as page:
        expect(page.get_by_role("status").first).to_have_text("live")
        assert page.url.startswith("http://127.0.0.1:")


def test_what_models_and_people_wrote_is_shown_as_text(host: HostProcess, page: Page) -> None:
    written_goal(host, "hostile", HOSTILE)
    page.goto(page.url.split("#")[0] + "#/goal/hostile")
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    assert page.evaluate("window.broken") is None


def test_a_goal_is_walked_by_keyboard_from_the_list_to_an_answer(
    page: Page, goal: WrittenGoal
) -> None:
    link = page.get_by_role("link", name="price tracker: fetch")
    expect(link).to_contain_text("29 of 30 tasks")
    tab_to(page, "Build a price tracker: fetch")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("price tracker")
    tab_to(page, "T30 Write part 30 of the price tracker: asks you")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("T30")
    expect(page.get_by_text("median([1, 2]) gives 1 or 1.5?")).to_be_visible()
    tab_to(page, "1.5")
    page.keyboard.press("Enter")
    # the goal has events and no workflow: what comes back says so, and what to do
    expect(page.get_by_role("alert").first).to_contain_text("left no record to go on from")
    expect(page.get_by_role("alert").first).to_contain_text("Start the goal again.")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has the focus is called so."""
    called = "() => (document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent)"
    for _ in range(120):
        page.keyboard.press("Tab")
        if name in page.evaluate(called):
            return
    pytest.fail(f"Tab does not reach {name!r}")


def test_a_page_left_open_goes_on_after_a_restart(page: Page, host: HostProcess) -> None:
    expect(page.get_by_role("status").first).to_have_text("live")
    port = page.url.split(":")[2].split("/")[0]
    host.kill()
    expect(page.get_by_role("alert")).to_contain_text("atos-client up", timeout=60_000)
    env = host.person / ".atos" / ".env"
    text = env.read_text(encoding="utf-8")
    env.write_text(
        f"{text}ATOS_HTTP_PORT={port}\n".replace("ATOS_HTTP_PORT=0\n", ""), encoding="utf-8"
    )
    host.ensure()
    expect(page.get_by_role("status").first).to_have_text("live", timeout=60_000)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_where_the_time_went_is_drawn_by_task_and_in_its_place(
    host: HostProcess, browser: Browser, page: Page
) -> None:
    drawn = written_goal(host, "waterfall", "Build something whose time is drawn")
    begin = time.time() - 60
    drawn.tell(
        "model_call",
        "T1",
        model="m",
        started_at=begin,
        ended_at=begin + 20,
        queued=12.0,
        loading=10.0,
    )
    drawn.tell("evaluated", "T1", started_at=begin + 20, ended_at=begin + 30, rows=1, candidates=1)
    drawn.tell(
        "model_call",
        "T2",
        model="m",
        started_at=begin + 30,
        ended_at=begin + 60,
        queued=0.0,
        loading=0.0,
    )
    page.goto(page.url.split("#")[0] + "#/goal/waterfall")
    picture = page.get_by_role("img", name="where the time went, by task")
    expect(picture.locator("rect")).to_have_count(5)
    widths = {
        kind: [
            float(bar.get_attribute("width") or 0) for bar in picture.locator(f".bar-{kind}").all()
        ]
        for kind in ("model", "load", "sandbox", "wait")
    }
    every = [width for mine in widths.values() for width in mine]
    assert [round(72 * width / sum(every)) for width in every] == [20, 30, 10, 10, 2]
    expect(picture.locator("rect").first.locator("title")).to_have_text("wait for m: 2.0 s")
    if kept := os.environ.get("ATOS_TEST_PICTURES"):
        page.screenshot(path=f"{kept}/waterfall.png", full_page=True)


def test_an_unknown_goal_says_so(page: Page) -> None:
    page.goto(page.url.split("#")[0] + "#/goal/nobody")
    expect(page.get_by_role("alert")).to_contain_text("there is no goal 'nobody'")


@pytest.mark.parametrize("seconds", [6, pytest.param(60, marks=pytest.mark.long)])
def test_sixty_events_a_second_leave_the_page_quick_and_its_heap_flat(
    host: HostProcess, page: Page, seconds: int
) -> None:
    with frozen_worker(host):
        goal = written_goal(host, f"busy-{seconds}", "Build a price tracker under load")
        page.goto(page.url.split("#")[0] + f"#/goal/busy-{seconds}")
        expect(page.get_by_role("group", name="plan: 30 tasks")).to_be_visible()
        steps = goal.work()
        at_rate(steps, 60, seconds / 2)
        half = page.evaluate(HEAP)
        page.evaluate("window.longest = 0")
        taken = at_rate(steps, 60, seconds / 2)
        whole, longest = page.evaluate(HEAP), page.evaluate("window.longest")
        goal.end()
        expect(page.locator("header .state")).to_contain_text("needs help")
    mib = 2**20
    print(
        f"{2 * taken} events; heap {half / mib:.1f} -> {whole / mib:.1f} MiB; longest {longest:.0f} ms"
    )
    assert taken >= 45 * seconds / 2
    assert whole < half * 1.25 + mib


@pytest.fixture(scope="module")
def worked(host: HostProcess) -> None:
    """Have a real goal done, so that models, requests and decisions are there to be seen."""
    command = [sys.executable, "-m", "atos.cli.main", "build"]
    goal = "Write a Python function to add two numbers"
    subprocess.run([*command, goal], check=True, capture_output=True, timeout=200)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window(
    host: HostProcess, browser: Browser, worked: None, goal: WrittenGoal, width: int, theme: str
) -> None:
    with opened(browser, page_address(host), width=width, theme=theme) as page:  # pyright: ignore[reportArgumentType]
        for name in ("", f"goal/{goal.id}", f"goal/{goal.id}/T30", "machine"):
            page.goto(page.url.split("#")[0] + f"#/{name}")
            expect(page.get_by_role("heading").first).to_be_visible()
            if name == "machine":
                expect(page.get_by_text("L1 asks for atos-mini")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            if folder := os.environ.get("ATOS_PICTURES"):
                expect(page.get_by_text("looking")).to_have_count(0)
                page.screenshot(
                    path=f"{folder}/{name.replace('/', '-') or 'goals'}-{width}-{theme}.png"
                )
