"""Every error crosses every boundary whole: wire, MCP over stdio framing, MCP over HTTP, resources."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastmcp import Client, FastMCP
from fastmcp.client.transports import StreamableHttpTransport
from mcp import MCPError

from atos.tools import tool_error
from atos_protocol.errors import MCP_META_KEY, AtosError, from_wire
from atos_servers.filesystem.errors import NotUniqueError
from atos_servers.host.tool_middleware import ToolMiddleware

MESSAGE = "a said: Next: wait, 21.4 of 16.0 GiB"
STEP = "Use a smaller one. Next: ask again."
DATA = {"needed": 22_978_820_000, "budget": 2**34, "models": ["a", "b"]}


class UnheardOfError(AtosError):
    """One that no other process knows; its class is taken out of the registry below."""

    code = "unheard_of"
    status = 418
    retry = True


def classes() -> list[type[AtosError]]:
    found, queue = [AtosError], [AtosError]
    while queue:
        children = queue.pop().__subclasses__()
        queue += children
        found += [c for c in children if not c.__module__.startswith("test") or c is UnheardOfError]
    return sorted(set(found), key=lambda cls: cls.__name__)


def wire_of(cls: type[AtosError]) -> dict[str, Any]:
    return cls(MESSAGE, next_step=STEP, data=DATA).to_wire()


def test_the_codes_are_all_different() -> None:
    codes = [cls.code for cls in classes()]
    assert NotUniqueError.code in codes
    assert len(codes) > 30
    assert sorted(set(codes)) == sorted(codes)


@pytest.mark.parametrize("cls", classes())
def test_an_error_comes_back_from_the_wire_as_it_was(cls: type[AtosError]) -> None:
    back = from_wire(json.loads(json.dumps(wire_of(cls))))
    assert type(back) is cls
    assert back.to_wire() == wire_of(cls)
    assert str(back) == f"{MESSAGE} {STEP}"


def test_a_process_that_has_never_heard_of_a_class_keeps_all_that_it_says() -> None:
    program = (
        "import json, sys; from atos_protocol.errors import from_wire;"
        "e = from_wire(json.load(sys.stdin)); print(json.dumps([type(e).__name__, e.to_wire()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(wire_of(UnheardOfError)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == ["AtosError", wire_of(UnheardOfError)]


@pytest.mark.parametrize("junk", [None, 3, "no", [], {"code": None}, {"data": 1, "status": "x"}])
def test_what_is_not_an_error_gives_an_internal_one(junk: Any) -> None:
    error = from_wire(junk)
    assert (error.code, error.status, error.data) == ("internal", 500, {})
    assert error.message


@pytest.fixture
def server() -> FastMCP:
    """A server whose one tool has an output schema and fails as it is asked to."""
    made = FastMCP("failing")
    known = {cls.code: cls for cls in classes()}

    @made.tool
    async def fail(code: str) -> dict[str, int]:
        raise known[code](MESSAGE, next_step=STEP, data=DATA)

    @made.resource("fail://{code}")
    async def failing(code: str) -> str:
        raise known[code](MESSAGE, next_step=STEP, data=DATA)

    made.add_middleware(ToolMiddleware(made))
    return made


@pytest.fixture
async def http(server: FastMCP) -> AsyncIterator[Client[Any]]:
    app = server.http_app(path="/mcp", stateless_http=True)

    def client(
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
        **options: Any,
    ) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app)
        return httpx2.AsyncClient(
            transport=transport, headers=headers, timeout=timeout, auth=auth, **options
        )

    transport = StreamableHttpTransport("http://127.0.0.1/mcp", httpx_client_factory=client)
    async with app.router.lifespan_context(app), Client(transport) as connected:
        yield connected


async def crossed(client: Client[Any], cls: type[AtosError]) -> dict[str, Any]:
    result = await client.call_tool("fail", {"code": cls.code}, raise_on_error=False)
    assert result.is_error
    assert result.structured_content is None  # TypeScript SDK 1.x would hold it to the schema
    return tool_error(result).to_wire()


async def test_every_error_crosses_mcp_whole(server: FastMCP) -> None:
    async with Client(server) as client:
        for cls in classes():
            assert await crossed(client, cls) == wire_of(cls)


async def test_every_error_crosses_http_whole(http: Client[Any]) -> None:
    for cls in classes():
        assert await crossed(http, cls) == wire_of(cls)


async def test_a_resources_error_crosses_mcp_whole(server: FastMCP) -> None:
    async with Client(server) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(f"fail://{UnheardOfError.code}")
    assert caught.value.data == {MCP_META_KEY: wire_of(UnheardOfError)}
