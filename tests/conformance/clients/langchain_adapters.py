"""LangChain's adapters (langchain-mcp-adapters), over stdio: each tool as a LangChain tool."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from following import Session, follow
from langchain_core.tools import ToolException
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools


@asynccontextmanager
async def connect(entry: dict[str, Any]) -> AsyncGenerator[Session]:
    client = MultiServerMCPClient({"atos": {"transport": "stdio", **entry, "cwd": "/"}})
    async with client.session("atos") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}

        async def call(tool: str, arguments: dict[str, Any]) -> str:
            try:
                said: Any = await tools[tool].ainvoke(arguments)
            except ToolException as error:
                return str(error)
            if isinstance(said, str):
                return said
            return "".join(block.get("text", "") for block in said)

        yield len(tools), call


anyio.run(follow, connect)
