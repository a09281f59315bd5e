"""The request of the n8n nodes, and the answers they understand, are those of the real servers.

`n8n/test/contract.json` is shared: the package's own tests hold the nodes to it, these the servers.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastmcp import FastMCP

from atos_protocol.errors import MCP_META_KEY, NotFoundError
from atos_servers.host.tool_middleware import ToolMiddleware

CONTRACT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "n8n" / "test" / "contract.json").read_text(encoding="utf-8")
)


@pytest.fixture
async def post(goals: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that is set up and served as the host does it."""
    server = FastMCP("atos-orchestrate")

    @server.tool
    async def get_goal(goal_id: str) -> dict[str, str]:
        if goal_id not in goals:
            message = f"there is no goal {goal_id}"
            raise NotFoundError(message, next_step="Use list_goals.")
        return {"id": goal_id, "state": goals[goal_id]}

    server.add_middleware(ToolMiddleware(server))
    app = server.http_app(path=CONTRACT["path"], stateless_http=True, json_response=True)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8756") as client,
    ):
        yield client
    del get_goal


@pytest.fixture
def goals() -> dict[str, str]:
    return {"g1": "running"}


async def _answer(client: httpx.AsyncClient, **changes: str | None) -> httpx.Response:
    request = CONTRACT["request"]
    headers = {**request["headers"], **changes}
    kept = {name: value for name, value in headers.items() if value is not None}
    return await client.post(CONTRACT["path"], json=request["body"], headers=kept)


def _without_server(answer: httpx.Response) -> Any:
    body = answer.json()
    meta: dict[str, Any] = body["result"].pop("_meta", {})
    if ours := {name: value for name, value in meta.items() if name == MCP_META_KEY}:
        body["result"]["_meta"] = ours
    return body


async def test_the_request_of_the_nodes_is_answered_as_they_expect(post: httpx.AsyncClient) -> None:
    answer = await _answer(post)
    assert answer.status_code == 200
    assert _without_server(answer) == CONTRACT["success"]


async def test_a_failed_tool_answers_as_they_expect(
    post: httpx.AsyncClient, goals: dict[str, str]
) -> None:
    goals.clear()
    assert _without_server(await _answer(post)) == CONTRACT["failure"]


@pytest.mark.parametrize(
    ("name", "status"), [("Mcp-Name", 400), ("Mcp-Method", 400), ("accept", 406)]
)
async def test_no_header_of_the_request_is_there_in_vain(
    post: httpx.AsyncClient, name: str, status: int
) -> None:
    answer = await _answer(post, **{name: "text/html" if name == "accept" else None})
    assert answer.status_code == status
