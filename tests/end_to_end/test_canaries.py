"""Secrets of the person's are found nowhere after goals that succeed, fail, and are killed, at debug level.

Daemons, scheduler, sandbox and git are real. The engine tells everybody the key that it was sent, and half of the
code that it writes looks for secrets, prints them, and raises them.
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from atos.transport import SocketTransport
from atos_protocol.settings import Settings, load_settings
from doubles.canaries import Canaries, ProcessLists
from doubles.eventually import eventually
from doubles.installation import Installation
from doubles.leaky_server import LeakyServer
from doubles.otlp_receiver import Receiver, otlp_receiver

GOALS = 20
ENDS = {"success", "failed", "needs_help", "cancelled"}
EXAMPLES = ["clamp(5, 1, 3) == 3", "clamp(0, 1, 3) == 1", "clamp(2, 1, 3) == 2"]
WORKFLOWS = """workflows:
  - name: report
    url: http://127.0.0.1:9/webhook/report
    secret:
      header: X-Key
      file: {}
"""
TOLD = (
    ("explain",), ("film", "--output", "film.html"), ("trace", "--content", "--to", "file:trace.json"),
    ("trace", "--content", "--to", "file:trace.pb"), ("logs",),
)  # fmt: skip
"""What tells of the newest goal; the files are searched with all others."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def engine(canaries: Canaries) -> Iterator[LeakyServer]:
    del canaries
    with LeakyServer("~/.config/engine.key") as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with otlp_receiver() as made:
        yield made


@pytest.fixture
def atos(canaries: Canaries, engine: LeakyServer, receiver: Receiver) -> Iterator[Installation]:
    installation = Installation(**canaries.environment)
    canaries.plant(installation.person)
    key, home = installation.person / ".config" / "engine.key", installation.home
    home.mkdir(mode=0o700)
    (home / "workflows.yaml").write_text(
        WORKFLOWS.format(installation.person / ".config/webhook.key")
    )
    password = canaries.of["engine password"]
    lines = {
        "ATOS_OPENAI_URL": f"http://me:{password}@127.0.0.1:{engine.port}/v1",
        "ATOS_OPENAI_KEY_FILE": str(key),
        "ATOS_LOG_LEVEL": "DEBUG",
        "ATOS_METRICS": "true",
        "ATOS_TRACE_TO": f"otlp:{receiver.url}",
        "ATOS_TRACE_CONTENT": "true",
        "ATOS_GITHUB_TOKEN_FILE": str(key.with_name("github.token")),
        "ATOS_CLOUDFLARE_TOKEN_FILE": str(key.with_name("cloudflare.token")),
        "ATOS_HEROKU_TOKEN_FILE": str(key.with_name("heroku.token")),
    }
    (home / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    yield installation
    installation.close()


async def all_replies(settings: Settings, kill: int) -> tuple[list[str], list[str]]:
    """Give the goals, kill the worker once, follow them to their ends; return states and every reply."""
    said, states = list[str](), list[str]()
    url = f"http://127.0.0.1:{_port(settings)}/orchestrate/mcp"
    token = settings.token_file.read_text()
    async with AsyncExitStack() as stack:

        async def opened(transport: Any) -> Client[Any]:
            return await stack.enter_async_context(Client(transport))

        clients = {
            server: await opened(SocketTransport(settings.servers_socket, server, client="cli"))
            for server in ("orchestrate", "vram", "workflow")
        }
        remote = await opened(StreamableHttpTransport(url, auth=token))

        async def ask(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
            result = await client.call_tool(tool, arguments, raise_on_error=False)
            said.append(f"{result}")
            return result.structured_content or {}

        person = clients["orchestrate"]
        ids = [str((await ask(person, "start_goal", **asked(n)))["id"]) for n in range(GOALS)]
        os.kill(kill, signal.SIGABRT)
        for goal in ids:
            news: dict[str, Any] = {"seq": 0, "goal": {"state": ""}}
            while news["goal"]["state"] not in ENDS:
                page = {"goal_id": goal, "after_seq": news["seq"], "detail": "events"}
                news = await ask(person, "wait_goal", **page)
            states.append(str(news["goal"]["state"]))
            await ask(person, "get_goal", goal_id=goal)
            await ask(person, "get_task", goal_id=goal, task_id="T1")
        for client, tool in (
            (clients["vram"], "status"),
            (remote, "list_goals"),
            (person, "nothing"),
        ):
            await ask(client, tool)
        await ask(clients["workflow"], "trigger_workflow", name="report", payload={"a": 1})
        await ask(clients["vram"], "load_model", model="m")
    return states, said


def all_sent(settings: Settings) -> bool:
    return json.loads((settings.state / "traces.json").read_text())["waiting"] == []


def asked(number: int) -> dict[str, Any]:
    goal = f"Write clamp.py with clamp(x, low, high), which limits x. This is case {number}"
    return {"goal": goal, "examples": EXAMPLES}


def _port(settings: Settings) -> int:
    return int(json.loads(_status(settings))["http"]["url"].rpartition(":")[2])


def scraped(settings: Settings) -> str:
    token = settings.token_file.read_text()
    url = f"http://127.0.0.1:{_port(settings)}/metrics"
    return httpx.get(url, headers={"authorization": f"Bearer {token}"}, timeout=60).text


def _status(settings: Settings) -> str:
    from atos_protocol.daemons import connect

    with connect("servers", settings) as connection, connection.makefile("rwb") as lines:
        for message in ({"atos": 1, "server": "host", "client": "cli"}, {"op": "status"}):
            lines.write(json.dumps(message).encode() + b"\n")
        lines.flush()
        return lines.readline().decode()


def test_no_secret_is_left_or_said_by_goals_that_succeed_fail_and_are_killed(
    atos: Installation,
    engine: LeakyServer,
    canaries: Canaries,
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    processes = ProcessLists()
    with processes.watching():
        assert atos.run("up").returncode == 0
        settings = load_settings(atos.environment)
        worker = int(json.loads(_status(settings))["worker"]["pid"])
        scraped(settings)  # counters begin with the first
        states, said = anyio.run(all_replies, settings, worker)
        said += [done.stdout + done.stderr for done in map(atos.run, ("doctor", "status"))]
        said += [atos.run(*line).stdout for line in (("doctor", "--json"), ("models", "list"))]
        told = [atos.run(*line) for line in TOLD]
        assert [done.returncode for done in told] == [0] * len(TOLD), told
        said += [done.stdout + done.stderr for done in told]
        said += [page := scraped(settings)]
        anyio.run(eventually, lambda: all_sent(settings), 60)
        atos.run("down")
    assert engine.seen == {f"Bearer {canaries.of['.config/engine.key']}"}, "the key was used"
    assert states[:10] == ["success"] * 10
    assert f"atos_goals_submitted_total {GOALS:.1f}" in page
    sent = b"".join(receiver.bodies)
    assert sent.count(b"Write clamp.py with clamp") >= GOALS, "traces were sent while they ran"
    assert canaries.found(sent) == []
    assert set(states[10:]) <= {"failed", "needs_help"}
    assert "DEBUG" in (atos.home / "logs" / "scheduler.log").read_text()
    assert canaries.in_files(atos.person) == {}
    assert canaries.found("\n".join(said).encode()) == []
    assert canaries.found(b"\n".join(processes.seen)) == []
