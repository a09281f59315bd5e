"""The Python SDK's own client, 1.x and 2.x alike, over stdio."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from following import Session, follow
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


@asynccontextmanager
async def connect(entry: dict[str, Any]) -> AsyncGenerator[Session]:
    server = StdioServerParameters(**entry, cwd="/")
    async with (
        stdio_client(server) as (reading, writing),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()

        async def call(tool: str, arguments: dict[str, Any]) -> str:
            result = await session.call_tool(tool, arguments)
            return "".join(getattr(block, "text", "") for block in result.content)

        yield len((await session.list_tools()).tools), call


anyio.run(follow, connect)
