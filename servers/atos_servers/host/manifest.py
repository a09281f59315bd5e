"""`manifest.json`: what the shim answers without a host; `python -m atos_servers.host.manifest` writes it.

The answers are the real servers' own, recorded over the same low-level loop that serves
connections, once per protocol era. A test compares the file with the servers.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
from fastmcp import FastMCP
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from atos_protocol.settings import load_settings
from atos_protocol.toolsets import EVERYTHING, Selection
from atos_servers.host.combined import toolsets_of
from atos_servers.host.connection import Connection, connected
from atos_servers.host.mcp_session import Incoming, low_level
from atos_servers.host.services import Services
from atos_servers.host.suite import Suite, build_suite, running

PATH = Path(__file__).parents[1] / "shim" / "manifest.json"
LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
CLIENT = {"name": "atos-manifest", "version": "1"}

Json = dict[str, Any]


def digest() -> str:
    """Return the digest of the manifest that this installation's shims answer from."""
    return json.loads(PATH.read_bytes())["digest"]


async def describe(server: FastMCP) -> Json:
    """Return what one server answers to handshakes and lists, by protocol era; and its toolsets, if it has any."""
    toolsets = {name: list(tools) for name, tools in (await toolsets_of(server)).items()}
    with connected(Connection(selection=Selection(EVERYTHING))):
        eras = await _eras(server)
    return {**eras, "toolsets": toolsets} if toolsets else eras


async def _eras(server: FastMCP) -> Json:
    recorded = {
        version: await _handshake(server, version) for version in HANDSHAKE_PROTOCOL_VERSIONS
    }
    newest = recorded[HANDSHAKE_PROTOCOL_VERSIONS[-1]]
    alike = [version for version, answers in recorded.items() if answers == newest]
    (modern,) = MODERN_PROTOCOL_VERSIONS
    return {
        "handshake": {"versions": alike, "answers": newest},
        "modern": {"versions": [modern], "answers": await _modern(server, modern)},
    }


async def describe_all(suite: Suite) -> Json:
    """Return the whole manifest."""
    servers = {name: await describe(server) for name, server in suite.items()}
    text = json.dumps(servers, sort_keys=True)
    return {"digest": hashlib.sha256(text.encode()).hexdigest()[:16], "servers": servers}


async def _handshake(server: FastMCP, version: str) -> Json:
    hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": CLIENT}
    requests = [
        {"id": 0, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        *({"id": method, "method": method} for method in (*LISTS, "ping")),
    ]
    first, *lists = await _ask(server, requests)
    del first["protocolVersion"]  # the shim negotiates it
    return {"initialize": first, **dict(zip((*LISTS, "ping"), lists, strict=True))}


async def _modern(server: FastMCP, version: str) -> Json:
    prefix = "io.modelcontextprotocol"
    meta = {
        f"{prefix}/protocolVersion": version,
        f"{prefix}/clientCapabilities": {},
        f"{prefix}/clientInfo": CLIENT,
    }
    methods = ("server/discover", *LISTS)
    requests = [{"id": m, "method": m, "params": {"_meta": meta}} for m in methods]
    return dict(zip(methods, await _ask(server, requests), strict=True))


async def _ask(server: FastMCP, messages: Sequence[Json]) -> list[Json]:
    """Send messages to a server one after another and return the results of the requests."""
    to_server, server_reads = anyio.create_memory_object_stream[Incoming](1)
    server_writes, from_server = anyio.create_memory_object_stream[SessionMessage](1)
    inner = low_level(server)
    options = inner.create_initialization_options()
    results: list[Json] = []
    async with to_server, from_server, anyio.create_task_group() as tasks:
        tasks.start_soon(inner.run, server_reads, server_writes, options)
        for message in messages:
            fields = {"jsonrpc": "2.0", **message}
            parsed = jsonrpc_message_adapter.validate_python(fields, by_name=False)
            await to_server.send(SessionMessage(parsed))
            if "id" in message:
                answer = (await from_server.receive()).message
                dumped = answer.model_dump(by_alias=True, mode="json", exclude_unset=True)
                results.append(dumped["result"])
        tasks.cancel_scope.cancel()
    return results


async def generate() -> Json:
    """Build the servers and return their manifest; nothing is started and nothing is served."""

    async def tell_nobody(message: Json) -> None:
        """There is no worker here."""

    with tempfile.TemporaryDirectory() as home:
        settings = load_settings({"ATOS_HOME": home})
        suite = build_suite(Services(settings, notify_worker=tell_nobody))
        async with running(suite):
            return await describe_all(suite)


def main() -> int:
    """Write the manifest beside this module."""
    text = json.dumps(anyio.run(generate), sort_keys=True, indent=1, ensure_ascii=False)
    PATH.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
