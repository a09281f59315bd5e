"""Every HTTP client comes from one factory: no proxy for this machine, keys and passwords where they belong."""

import ast
from pathlib import Path

import httpx
import pytest

from atos_daemon import outbound_http
from atos_daemon.key_source import KeySource
from atos_protocol.redaction import redacted
from atos_protocol.server_url import ServerUrl
from doubles.strict_server import StrictServer

ROOT = Path(__file__).parents[2]
MADE_ELSEWHERE = {
    "clients/atos/scheduler_client.py": "the library, which knows no daemon: to the scheduler's socket, without proxies",
    "clients/atos/cli/scheduler_call.py": "standard library only: over the scheduler's socket",
    "clients/atos/cli/gateway.py": "standard library only: asks a port of this machine who is there",
    "scheduler/atos_scheduler/engines/ollama_worker.py": "standard library only: asks the Ollama on loopback that it started",
}
CLIENTS = {
    "AsyncClient",
    "Client",
    "AsyncHTTPTransport",
    "HTTPTransport",
    "HTTPConnection",
    "HTTPSConnection",
    "urlopen",
}
FROM = {"httpx", "httpx2", "ollama", "client", "request", "requests"}


def makes_a_client(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Attribute):
        owner = called.value
        module = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
        return called.attr in CLIENTS and module in FROM
    return isinstance(called, ast.Name) and called.id in CLIENTS - {"Client"}  # fastmcp has one too


def test_no_other_module_makes_one() -> None:
    makers = {
        path.relative_to(ROOT).as_posix()
        for part in ("clients", "scheduler", "orchestrator", "servers")
        for path in (ROOT / part).rglob("*.py")
        if any(map(makes_a_client, ast.walk(ast.parse(path.read_text()))))
    }
    assert makers == {"clients/atos_daemon/outbound_http.py", *MADE_ELSEWHERE}


def mounted(client: httpx.Client | httpx.AsyncClient) -> list[str]:
    return sorted(pattern.pattern for pattern in client._mounts)  # pyright: ignore[reportPrivateUsage]


def test_what_stays_on_this_machine_goes_through_no_proxy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    made = {
        "loopback": outbound_http.client(ServerUrl("http://127.0.0.1:1"), 1.0),
        "socket": outbound_http.unix_client(tmp_path / "s", "http://atos", 1.0),
        "waiting socket": outbound_http.async_unix_client(
            tmp_path / "s", "http://atos", 1.0, headers={}, keep=0
        ),
        "outside": outbound_http.client(ServerUrl("http://api.example"), 1.0),
    }
    assert {name: bool(mounted(client)) for name, client in made.items()} == {
        "loopback": False, "socket": False, "waiting socket": False, "outside": True,
    }  # fmt: skip


async def test_a_key_counts_more_than_a_password_and_a_changed_one_holds_at_once(
    tmp_path: Path,
) -> None:
    path = tmp_path / "key"
    sent: list[str] = []
    with StrictServer() as server:
        url = ServerUrl(server.url.replace("//", "//me:passw0rd-of-mine@"))
        path.touch(mode=0o600)
        async with outbound_http.async_client(url, 5.0, key=KeySource(str(path), "KEY")) as client:
            for key in ("first-key", "second-key"):
                path.write_text(key)
                reply = await client.get("/v1/models")
                sent.append(reply.request.headers["authorization"])
        with outbound_http.client(url, 5.0) as plain:
            sent.append(plain.get("/v1/models").request.headers["authorization"])
    assert sent[:2] == ["Bearer first-key", "Bearer second-key"]
    assert sent[2].startswith("Basic ")
    told = f"{sent} passw0rd-of-mine"
    assert not [
        part for part in ("first-key", "second-key", "passw0rd", sent[2]) if part in redacted(told)
    ]
