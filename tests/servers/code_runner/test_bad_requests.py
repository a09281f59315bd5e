"""Generated bad requests: each gets an error of the closed set, none is run, and the event loop stays free.

10 a tool in `make test`, 200 in `make test-long`.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema  # noqa: F401 # pyright: ignore[reportUnusedImport] - see below
import pytest
from fastmcp import Client, FastMCP
from fastmcp.exceptions import ToolError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atos_protocol.settings import load_settings
from atos_servers.host.connection import Connection, connected
from atos_servers.host.services import Services
from atos_servers.host.suite import build_suite
from doubles.loop_watchdog import watched_loop

TOOLS = (
    "run_pytest", "evaluate", "run_python", "check_syntax", "prepare_packages", "coverage_report", "environment",
)  # fmt: skip
FEW, MANY = 10, 200
BUSY_SECONDS = 0.1
"""The client in this process imports `jsonschema` at its first answer, which takes seconds: so it is imported above."""
HEALTH = (HealthCheck.too_slow, HealthCheck.filter_too_much)

TEXTS = st.text(max_size=30)
WRONG = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.integers(), max_size=3)
)
OUTSIDE = st.sampled_from(
    ["/etc", "..", "/", "a/../../b", "/proc/self", "x\0y", "~", "\n", "nowhere"]
)
BAD_NUMBERS = st.sampled_from([0, -1, -1e-9, 600.5, 1e9, 1e308, -1e308])
"""Infinities and NaN are no JSON: they would arrive as null, which means the default."""
CLIMBING = st.sampled_from(["../x.py", "/x.py", "", "a\0.py", "..", "a/../../x.py", "x" * 500])
NOTHING: list[list[dict[str, str]]] = [[], [{}]]
EMPTY = st.sampled_from(NOTHING)
VALID: dict[str, dict[str, Any]] = {
    "run_pytest": {"path": "{ws}"},
    "evaluate": {"path": "{ws}", "candidates": [{"m.py": ""}], "assertions": ["assert 1"]},
    "run_python": {"path": "{ws}", "code": "1"},
    "check_syntax": {"path": "{ws}"},
    "prepare_packages": {"packages": []},
    "coverage_report": {"path": "{ws}"},
    "environment": {"path": "{ws}"},
}
BAD: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "run_pytest": {
        "path": OUTSIDE, "timeout_s": BAD_NUMBERS, "tests": st.lists(CLIMBING, min_size=1, max_size=3),
        "overlay": st.dictionaries(CLIMBING, TEXTS, min_size=1, max_size=2),
        "policy": TEXTS, "packages": st.lists(CLIMBING.filter(bool), min_size=1, max_size=2), "unknown": TEXTS,
    },
    "evaluate": {
        "path": OUTSIDE, "timeout_s": BAD_NUMBERS, "candidates": EMPTY | WRONG,
        "assertions": WRONG.filter(lambda value: value != []), "modules": st.just(["os; x"]), "policy": TEXTS,
    },
    "run_python": {
        "path": OUTSIDE, "timeout_s": BAD_NUMBERS, "file": CLIMBING.filter(bool), "code": st.just(""),
        "args": st.just(["a\0b"]) | st.just(["x" * 100_001]), "stdin": st.just("x" * (2**20 + 1)),
    },
    "check_syntax": {"path": OUTSIDE | st.just(""), "source": st.just("x = 1")},
    "coverage_report": {
        "path": OUTSIDE, "timeout_s": BAD_NUMBERS, "tests": st.lists(CLIMBING, min_size=1, max_size=3),
        "packages": st.lists(CLIMBING.filter(bool), min_size=1, max_size=2),
    },
    "environment": {"path": OUTSIDE | WRONG, "unknown": TEXTS},
    "prepare_packages": {"packages": st.lists(CLIMBING, min_size=1, max_size=3) | WRONG.filter(lambda v: v != [])},
}  # fmt: skip
"""Tool -> argument -> values that are never right beside the valid ones."""


@st.composite
def bad_requests(draw: st.DrawFn, tool: str) -> dict[str, Any]:
    """A valid request with one argument made bad."""
    name = draw(st.sampled_from(sorted(BAD[tool])))
    return VALID[tool] | {name: draw(BAD[tool][name])}


@pytest.fixture
async def client(workspace: Path, atos_home: Path) -> AsyncIterator[Client[Any]]:
    del atos_home
    # with what stands around it in the host: fastmcp alone would draw each failure's traceback into the log
    services = Services(load_settings(), _tell_nobody)
    server: FastMCP = build_suite(services, ("code_runner",))["code_runner"]
    with connected(Connection(roots=(workspace,))):
        async with Client(server) as opened:
            yield opened


async def _tell_nobody(message: dict[str, Any]) -> None:
    raise AssertionError(message)


def filled(value: Any, workspace: Path) -> Any:
    return str(workspace) if value == "{ws}" else value


async def refused(client: Client[Any], tool: str, arguments: dict[str, Any], folder: Path) -> str:
    """Call a tool and return how it refused."""
    request = {name: filled(value, folder) for name, value in arguments.items()}
    with pytest.raises(ToolError) as error:
        await client.call_tool(tool, request)
    return str(error.value)


async def try_many(client: Client[Any], tool: str, folder: Path, count: int) -> None:
    asked: list[dict[str, Any]] = []

    @settings(
        max_examples=count, database=None, deadline=None,
        suppress_health_check=HEALTH,
    )  # fmt: skip
    @given(bad_requests(tool))
    def collect(request: dict[str, Any]) -> None:
        asked.append(request)

    collect()
    with watched_loop() as busiest:
        for request in asked[:count]:
            said = await refused(client, tool, request, folder)
            assert "Traceback" not in said
            assert "internal" not in said, (request, said)
    print(f"{tool}: {len(asked[:count])} bad requests, busiest {busiest.seconds * 1000:.0f} ms")
    assert busiest.seconds < BUSY_SECONDS, busiest.callback


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.timeout(60)
async def test_a_few_bad_requests_are_refused(
    tool: str, client: Client[Any], workspace: Path
) -> None:
    await try_many(client, tool, workspace, FEW)


@pytest.mark.long
@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.timeout(600)
async def test_many_bad_requests_are_refused(
    tool: str, client: Client[Any], workspace: Path
) -> None:
    await try_many(client, tool, workspace, MANY)
