"""A call over HTTP ends with its caller, whichever transport and era it came by."""

import secrets
import sys
import time
from collections.abc import Iterator

import anyio
import pytest
from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport

from doubles.host_process import HostProcess, host_process
from doubles.marked_processes import comes_true, gone, running_with

pytestmark = pytest.mark.timeout(240)

WAYS = {
    "http, modern": ("mcp", "auto"),
    "http, legacy": ("mcp", "legacy"),
    "sse": ("sse", "legacy"),
}


@pytest.fixture(scope="module")
def host() -> Iterator[HostProcess]:
    with host_process() as host:
        host.ensure()
        yield host


def client_of(host: HostProcess, way: str) -> Client[StreamableHttpTransport | SSETransport]:
    path, mode = WAYS[way]
    kind = SSETransport if path == "sse" else StreamableHttpTransport
    transport = kind(host.url("code_runner", path), auth=host.token)
    return Client(transport, mode=mode)


@pytest.mark.parametrize("way", WAYS)
async def test_the_sandbox_of_a_caller_that_went_away_is_gone(
    host: HostProcess, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    word = f"w{secrets.token_hex(6)}"
    source = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)", {word!r}])
time.sleep(60)
"""
    began = 0.0
    arguments = {"path": str(host.settings.workspaces), "code": source, "timeout_s": 20}
    async with client_of(host, way) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.call_tool, "run_python", arguments)
        assert await comes_true(lambda: bool(running_with(word)), 15)
        began = time.monotonic()
        tasks.cancel_scope.cancel()
    assert await gone(word, 30)
    with capsys.disabled():
        sys.stdout.write(f"\n{way}: gone {time.monotonic() - began:.2f} s after its caller\n")


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
async def test_a_run_of_a_minute_shows_progress_and_is_fetched_by_its_handle(
    host: HostProcess, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[tuple[float, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    source = "import time\ntime.sleep(60)\nprint('a minute later')"
    arguments = {"path": str(host.settings.workspaces), "code": source, "timeout_s": 90}
    async with client_of(host, way) as client:
        first = await client.call_tool(
            "run_python", arguments, progress_handler=on_progress, raise_on_error=False
        )
        error = (first.meta or {})["atos/error"]
        handle = error["data"]["handle"]
        ended = await client.call_tool(
            "run_result", {"handle": handle}, progress_handler=on_progress
        )
    assert "a minute later" in str(ended.content)
    assert len(heard) >= 6
    with capsys.disabled():
        sys.stdout.write(f"\n{way}: {len(heard)} notices, the last one {heard[-1]}\n")
