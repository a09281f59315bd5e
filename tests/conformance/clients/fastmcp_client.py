"""FastMCP's client, over stdio."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from following import Session, follow


@asynccontextmanager
async def connect(entry: dict[str, Any]) -> AsyncGenerator[Session]:
    async with Client(StdioTransport(**entry, cwd="/", keep_alive=False)) as client:

        async def call(tool: str, arguments: dict[str, Any]) -> str:
            result = await client.call_tool(tool, arguments, raise_on_error=False)
            return "".join(getattr(block, "text", "") for block in result.content)

        yield len(await client.list_tools()), call


anyio.run(follow, connect)
