"""The server `all`: tools of the five under one name, few by default, the rest by toolset.

An MCP host loads everything that it lists into the context of every conversation, so what is listed here is
lean: twelve tools unless more are asked for, no output schemas, and no arguments that a model rarely needs.
A call takes such arguments all the same: what runs is the other server's own tool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastmcp import FastMCP
from fastmcp.prompts import Prompt
from fastmcp.resources import Resource, ResourceTemplate
from fastmcp.server.providers import Provider
from fastmcp.tools import Tool
from fastmcp.utilities.versions import VersionSpec
from mcp.types import ToolAnnotations

from atos_servers.host.connection import selection
from atos_servers.host.page_resource import EmbeddedPage

INSTRUCTIONS = """\
ATOS has small local models build tested software. `start_goal` with 3 to 5 examples, then
`wait_goal` with the last `seq` until the state is final; it goes on without you. `answer_question` when it asks.
`run_pytest` and `run_python` run code in a sandbox.
"""

CORE = (
    "start_goal", "wait_goal", "list_goals", "answer_question", "cancel_goal",
    "read_text_file", "write_file", "list_directory",
    "run_pytest", "run_python",
    "trigger_workflow", "vram_status",
)  # fmt: skip
N8N = ("start_goal", "wait_goal", "get_goal", "answer_question")
SETS: Mapping[str, str] = {
    "goals": "orchestrate",
    "files": "filesystem",
    "code": "code_runner",
    "models": "vram",
    "workflows": "workflow",
}
"""Toolset -> the server all of whose tools it holds."""

RARE: Mapping[str, frozenset[str]] = {
    "start_goal": frozenset({"priority", "tests", "deploy", "review", "router"}),
    "read_text_file": frozenset({"tail"}),
    "write_file": frozenset({"create_only", "expect_sha256"}),
    "run_pytest": frozenset({"coverage", "overlay", "policy", "ticket", "packages"}),
    "run_python": frozenset({"file", "args", "stdin", "packages", "ticket"}),
    "evaluate": frozenset({"ticket"}),
    "check_syntax": frozenset({"ticket"}),
    "run_task": frozenset({"ticket"}),
    "verified_code": frozenset({"wait_s"}),
    "trigger_workflow": frozenset({"timeout_s"}),
}
"""Tool -> arguments that are taken and not listed."""

READ = frozenset({"goal"})
"""Names of the resources and templates that are listed: a host loads those as well."""
PROMPTS = frozenset({"build"})

SHORT: Mapping[str, str] = {
    "into": "Absolute path: a new or empty folder, or a git repository, where allowed. Default: below ~/atos.",
}
"""Argument -> what `all` says of it instead."""

PLAN = {
    "type": "object",
    "description": "Your own plan for more than one file: {tasks: [{id, title, files: [one .py], contract,"
    " signatures: [`f(x)`], examples: [`f(1) == 2`], depends_on: [ids]}]}. Small models follow `contract` literally.",
}


class Combined(Provider):
    """Lists and finds the tools, prompts and resources of other servers, as the connection selected."""

    def __init__(self, servers: Mapping[str, FastMCP]) -> None:
        super().__init__()
        self._servers = dict(servers)  # a copy: `all` itself is put beside them
        self._known: dict[str, Tool] = {}
        self._toolsets: dict[str, tuple[str, ...]] = {}

    async def toolsets(self) -> Mapping[str, tuple[str, ...]]:
        """Return the names of the tools by toolset; under "" those that are there by default."""
        if not self._toolsets:
            found: dict[str, list[str]] = {}
            for name, server in self._servers.items():
                tools = await server.list_tools(run_middleware=False)
                found[name] = [tool.name for tool in tools]
                self._known |= {tool.name: lean(tool) for tool in tools}
            self._toolsets = {key: tuple(found[name]) for key, name in SETS.items()}
            self._toolsets |= {"": CORE, "n8n": N8N, "all": tuple(self._known)}
        return self._toolsets

    async def _list_tools(self) -> Sequence[Tool]:
        names = selection().names(await self.toolsets())
        return [tool for name, tool in self._known.items() if name in names and self._fits(tool)]

    def _fits(self, tool: Tool) -> bool:
        harmless = tool.annotations is not None and bool(tool.annotations.read_only_hint)
        return harmless or not selection().read_only

    async def _list_prompts(self) -> Sequence[Prompt]:
        listed = [await each.list_prompts(run_middleware=False) for each in self._servers.values()]
        return [
            _brief(prompt) for prompts in listed for prompt in prompts if prompt.name in PROMPTS
        ]

    async def _list_resources(self) -> Sequence[Resource]:
        return [each for each in await self._resources() if each.name in READ]

    async def _get_resource(self, uri: str, version: VersionSpec | None = None) -> Resource | None:
        """Find a resource that is not listed as well."""
        return next((each for each in await self._resources() if str(each.uri) == uri), None)

    async def _resources(self) -> Sequence[Resource]:
        servers = self._servers.values()
        listed = [await each.list_resources(run_middleware=False) for each in servers]
        return [resource for resources in listed for resource in resources]

    async def _list_resource_templates(self) -> Sequence[ResourceTemplate]:
        servers = self._servers.values()
        listed = [await each.list_resource_templates(run_middleware=False) for each in servers]
        return [template for templates in listed for template in templates if template.name in READ]


def lean(tool: Tool) -> Tool:
    """Return a tool as `all` lists it: without an output schema, rarely needed arguments, and what is said twice."""
    rare = RARE.get(tool.name, frozenset())
    given: Mapping[str, Any] = tool.parameters.get("properties", {})
    listed = {
        name: {**schema, **({"description": SHORT[name]} if name in SHORT else {})}
        for name, schema in given.items()
        if name not in rare
    }
    if tool.name == "start_goal":
        listed["plan"] = PLAN
    parameters = {**tool.parameters, "properties": listed}
    parameters.pop("additionalProperties", None)
    marks = tool.annotations
    if marks is not None:
        title = tool.title or marks.title
        hints = marks.model_dump(exclude={"title"}, exclude_none=True)
        tool = tool.model_copy(update={"title": title, "annotations": ToolAnnotations(**hints)})
    return tool.model_copy(update={"output_schema": None, "parameters": parameters})


def _brief(prompt: Prompt) -> Prompt:
    """Return a prompt whose arguments say nothing but their names."""
    arguments = [each.model_copy(update={"description": None}) for each in prompt.arguments or []]
    return prompt.model_copy(update={"arguments": arguments, "description": None})


def combine(servers: Mapping[str, FastMCP]) -> FastMCP:
    """Build the server `all` over five others, whose lifespans are entered elsewhere."""
    server = FastMCP("atos", instructions=INSTRUCTIONS)
    server.add_provider(Combined(servers))
    server.add_provider(EmbeddedPage())
    return server


async def toolsets_of(server: FastMCP) -> Mapping[str, tuple[str, ...]]:
    """Return the toolsets of a server; empty where it has none."""
    for provider in server.providers:
        if isinstance(provider, Combined):
            return await provider.toolsets()
    return {}
