"""The five servers of one host and `all`, which combines them; all behind the same middleware."""

from __future__ import annotations

import importlib
import logging
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from fastmcp import FastMCP

from atos_protocol.errors import AtosError, BadConfigError
from atos_protocol.host_protocol import ALL, SERVERS
from atos_servers.host.combined import combine
from atos_servers.host.mcp_session import lifespan, low_level
from atos_servers.host.services import Services
from atos_servers.host.tool_middleware import HandledFailures, ToolMiddleware

Suite = dict[str, FastMCP]
"""Name of a server -> the server."""

AT_THE_FIRST_CALL = (
    "fastmcp.server.providers.prefab_payload",
    "fastmcp.server.providers.prefab_synthesis",
)
"""What fastmcp imports there, around all middleware: without a descriptor to spare, calls would fail in words of its own."""


def build_suite(services: Services, names: tuple[str, ...] = SERVERS) -> Suite:
    """Build the servers; one that can't be built fails the whole start.

    Raises:
        BadConfigError: names the server and the reason; no server is left out silently.
    """
    quiet_fastmcp()
    for module in AT_THE_FIRST_CALL:
        importlib.import_module(module)
    suite = {name: _build(name, services) for name in names}
    if set(names) >= set(SERVERS):
        suite[ALL] = finished(combine(suite), plain=True)
        for extension in services.extensions:
            suite[ALL].add_extension(extension())
    dropped: Counter[str] = Counter()
    for name, server in services.entries.items():
        suite[name] = finished(server, plain=True, dropped=dropped)
    services.reports["dropped_arguments"] = lambda: dict(dropped)
    return suite


def quiet_fastmcp() -> None:
    """Keep fastmcp from logging failures that `ToolMiddleware` reports or logs anyway."""
    log = logging.getLogger("fastmcp.server.server")
    if not any(isinstance(known, HandledFailures) for known in log.filters):
        log.addFilter(HandledFailures())


def _build(name: str, services: Services) -> FastMCP:
    try:
        server: FastMCP = importlib.import_module(f"atos_servers.{name}.server").build(services)
    except AtosError:
        raise
    except Exception as error:
        message = f"the {name} server can't be built: {type(error).__name__}: {error}"
        step = "Install ATOS again; if that does not help, report this line."
        raise BadConfigError(message, next_step=step) from error
    return finished(server)


def finished(
    server: FastMCP, *, plain: bool = False, dropped: Counter[str] | None = None
) -> FastMCP:
    """Return the server behind the suite's middleware, with the version of ATOS."""
    # Around fastmcp's own, so that their failures are told too.
    server.middleware.insert(0, ToolMiddleware(server, plain=plain, dropped=dropped))
    low_level(server).version = version("atos")
    return server


@asynccontextmanager
async def running(suite: Suite) -> AsyncGenerator[None]:
    """Enter every server's lifespan once, rather than once per connection."""
    async with AsyncExitStack() as stack:
        for server in suite.values():
            await stack.enter_async_context(lifespan(server))
        yield
