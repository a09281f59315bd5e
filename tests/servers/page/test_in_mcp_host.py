"""The page inside an MCP host: in a frame without any origin, it sees and steers through the host's tool calls."""

import re
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, Page, expect

from atos import Atos, SyncAtos
from atos_servers.host.manifest import PATH
from atos_servers.host.page_resource import URI, document
from doubles.host_process import HostProcess, host_process
from doubles.mcp_app_host import shown_in_host
from doubles.page_browser import WrittenGoal, chromium, written_goal

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def host() -> Generator[HostProcess]:
    with host_process() as host:
        host.ensure()
        yield host


@pytest.fixture(scope="module")
def atos(host: HostProcess) -> Generator[SyncAtos]:
    with Atos.connect() as atos:
        yield atos


@pytest.fixture(scope="module")
def goal(host: HostProcess) -> WrittenGoal:
    goal = written_goal(host, "price-tracker", "Build a price tracker <img src=x onerror=alert(1)>")
    steps = goal.work()
    for _ in range(60):
        next(steps)
    goal.end()
    return goal


@pytest.fixture(scope="module")
def browser(atos: SyncAtos, goal: WrittenGoal) -> Generator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Generator[Page]:
    context = browser.new_context()
    page = context.new_page()
    yield page
    context.close()


def test_a_goal_is_shown_walked_and_answered_through_the_hosts_tool_calls(
    page: Page, atos: SyncAtos, goal: WrittenGoal
) -> None:
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    app = shown_in_host(page, atos, "orchestrate", "get_goal", {"goal_id": goal.id})
    expect(app.get_by_role("heading", level=1)).to_have_text(
        "Build a price tracker <img src=x onerror=alert(1)>"
    )
    expect(app.get_by_role("group", name="plan: 30 tasks")).to_be_visible()
    expect(app.get_by_role("list", name="events, newest first")).to_contain_text(
        "finished: needs help"
    )
    expect(app.get_by_role("link", name="Machine")).to_have_count(0)  # this server has no such tool
    app.get_by_role("link", name=re.compile("^T30 .*asks you")).first.click()
    expect(app.get_by_role("heading", level=1)).to_contain_text("T30 Write part 30")
    app.get_by_role("button", name="1.5", exact=True).click()
    # the goal has events and no workflow: the tool says so, and the page shows what it says
    expect(app.get_by_role("alert").first).to_contain_text("left no record to go on from")
    app.get_by_role("link", name="← the goal").click()
    expect(app.get_by_role("heading", level=1)).to_contain_text("price tracker")
    assert (page.evaluate("window.begun"), page.evaluate("window.sizes.length > 0")) == (1, True)
    assert page.evaluate("window.asked.protocolVersion") == "2026-01-26"
    assert [text for text in told if "Content Security Policy" in text] == []


def test_the_machine_is_shown_in_the_hosts_colours(page: Page, atos: SyncAtos) -> None:
    app = shown_in_host(page, atos, "vram", "vram_status", {}, theme="dark")
    expect(app.get_by_role("heading", name="Machine")).to_be_visible()
    expect(app.get_by_role("heading", name="Memory: cpu")).to_be_visible()
    expect(app.get_by_role("link", name="Goals")).to_have_count(0)
    expect(app.locator("body")).to_have_css("background-color", "rgb(18, 21, 27)")


def test_a_goal_that_does_not_exist_is_said_in_the_frame(page: Page, atos: SyncAtos) -> None:
    app = shown_in_host(page, atos, "orchestrate", "list_goals", {})
    expect(app.get_by_role("heading", name="Start a goal")).to_be_visible()
    app.get_by_label("What to build").fill(" ")
    app.get_by_role("button", name="Start", exact=True).click()
    expect(app.get_by_role("alert").first).to_be_visible()


def test_the_page_asks_for_nothing_of_any_other_origin() -> None:
    text = re.sub(r"http://(www\.w3\.org|127\.0\.0\.1)", "", document())
    assert ("http:" in text, "https:" in text, "/page/app" in text) == (False, False, False)
    assert text.count("</script") == 1


def test_it_costs_a_conversation_its_uri_and_nothing_else() -> None:
    manifest = PATH.read_text(encoding="utf-8")
    assert manifest.count(f'"uri": "{URI}"') == 0
    assert f'"resourceUri": "{URI}"' in manifest or f'"resourceUri":"{URI}"' in manifest
