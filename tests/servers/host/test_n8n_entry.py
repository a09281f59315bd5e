"""An agent of n8n over real HTTP: few calls, few words, the code at the end, and whatever n8n merges in."""

import io
import json
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.client import CallToolResult
from fastmcp.client.transports import StreamableHttpTransport
from mcp.types import TextContent

from atos_protocol.tokens import add_token
from doubles.host_process import HostProcess, host_process

pytestmark = pytest.mark.timeout(120)

ADD = "Write a Python function to add two numbers"
MERGED_BY_N8N = {
    "toolCallId": "call_1",
    "headers": {"host": "n8n"},
    "query": {},
    "webhookUrl": "http://n8n/webhook/x",
    "executionMode": "production",
    "pool": None,
}


@pytest.fixture(scope="module")
def host() -> Iterator[HostProcess]:
    with host_process() as host:
        host.ensure()
        yield host


@pytest.fixture(scope="module")
def token(host: HostProcess) -> str:
    return add_token(host.settings, "agent")


@pytest.fixture
async def n8n(host: HostProcess, token: str) -> AsyncIterator[Client[Any]]:
    async with Client(StreamableHttpTransport(host.url("n8n", "mcp"), auth=token)) as client:
        yield client


@pytest.fixture
async def http(host: HostProcess, token: str) -> AsyncIterator[httpx2.AsyncClient]:
    base = host.url("n8n", "mcp").removesuffix("/n8n/mcp")
    headers = {"authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=base, headers=headers, timeout=60) as client:
        yield client


def text_of(result: CallToolResult) -> str:
    """Return the one text of a result, beside which there is nothing."""
    assert result.structured_content is None
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


async def said(client: Client[Any], tool: str, **arguments: Any) -> str:
    return text_of(await client.call_tool(tool, arguments))


async def finished(client: Client[Any], **arguments: Any) -> tuple[str, list[str]]:
    """Start a goal and look until it has ended; return its id and everything that was said."""
    texts = [await said(client, "start_goal", **arguments)]
    while "get_result again" in texts[-1]:
        texts.append(await said(client, "get_result"))
    return texts[0].split()[0], texts


async def test_a_goal_of_one_function_ends_in_three_calls_and_its_code_is_in_the_answer(
    n8n: Client[Any],
) -> None:
    tools = await n8n.list_tools()
    goal, texts = await finished(n8n, goal=ADD, examples=["add(1, 2) == 3"])
    listed = json.dumps([tool.model_dump(exclude_none=True, by_alias=True) for tool in tools])
    assert len(tools) <= 4
    assert len(listed.encode()) / 4 <= 1000
    assert len(texts) <= 3
    assert sum(len(text.encode()) for text in texts) / 4 <= 500
    assert texts[-1].startswith(f"{goal} success, 1 of 1 tasks")
    assert "def add(" in texts[-1]


async def test_fields_that_n8n_merges_in_do_no_harm_and_are_counted(
    host: HostProcess, n8n: Client[Any]
) -> None:
    before = host.status()["dropped_arguments"].get("webhookUrl", 0)
    merged: dict[str, Any] = {**MERGED_BY_N8N, "key": 17, "examples": '["add(1, 2) == 3"]'}
    goal, texts = await finished(n8n, goal=ADD, **merged)
    again, _ = await finished(n8n, goal=ADD, **merged)
    assert "success" in texts[-1]
    assert again == goal, "the same key starts nothing twice, also as a number"
    assert host.status()["dropped_arguments"]["webhookUrl"] >= before + 2


async def test_a_goal_that_can_not_be_started_says_what_to_do(n8n: Client[Any]) -> None:
    result = await n8n.call_tool("start_goal", {"goal": "Build a SaaS"}, raise_on_error=False)
    assert result.is_error
    assert text_of(result).startswith("out_of_scope: ")


async def test_the_files_come_over_http_and_their_tests_pass_far_from_atos(
    host: HostProcess, n8n: Client[Any], http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    goal, texts = await finished(n8n, goal=ADD, key="files")
    assert "success" in texts[-1]
    result = (await http.get(f"/goals/{goal}/result")).json()
    archive = await http.get(f"/goals/{goal}/files.zip")
    zipfile.ZipFile(io.BytesIO(archive.content)).extractall(tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ran = await anyio.run_process(command, cwd=tmp_path, check=False)

    assert (result["ok"], result["final"], result["tests"]["failed"]) == (True, True, 0)
    assert archive.headers["x-commit"] == result["commit"]
    assert all((tmp_path / f["path"]).read_text() == f["text"] for f in result["files"])
    assert len(result["files"]) > 3
    assert ran.returncode == 0, ran.stdout.decode()


async def test_the_files_of_somebody_else_are_not_there(
    host: HostProcess, n8n: Client[Any], http: httpx2.AsyncClient
) -> None:
    goal, _ = await finished(n8n, goal=ADD, key="private")
    other = {"authorization": f"Bearer {add_token(host.settings, 'other')}"}
    mine = await http.get(f"/goals/{goal}/files.zip")
    theirs = await http.get(f"/goals/{goal}/files.zip", headers=other)
    nobody = await http.get(f"/goals/{goal}/files.zip", headers={"authorization": "Bearer x"})
    assert [mine.status_code, theirs.status_code, nobody.status_code] == [200, 404, 401]
    assert theirs.json()["error"]["next"] == "list_goals shows the goals that exist."
