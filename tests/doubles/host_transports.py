"""The three ways by which a client reaches the orchestrate server of a host."""

import sys

from fastmcp.client.transports import (
    ClientTransport,
    SSETransport,
    StdioTransport,
    StreamableHttpTransport,
)

from doubles.host_process import HostProcess
from doubles.shim_process import SHIM


def stdio(host: HostProcess) -> ClientTransport:
    environment = {"HOME": str(host.person), "PATH": "/usr/bin:/bin"}
    words = ["-S", "-I", str(SHIM), "orchestrate"]
    return StdioTransport(sys.executable, words, environment, "/", keep_alive=False)


def sse(host: HostProcess) -> ClientTransport:
    return SSETransport(host.url("orchestrate", "sse"), auth=host.token)


def http(host: HostProcess) -> ClientTransport:
    return StreamableHttpTransport(host.url("orchestrate", "mcp"), auth=host.token)
