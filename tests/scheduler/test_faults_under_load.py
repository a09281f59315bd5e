"""Fifty rounds of faults under load: nobody hangs, nothing leaks, every caller gets an answer or a typed error."""

import json
import os
import random
import resource
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import psutil
import pytest

from atos.scheduler_client import SchedulerClient
from atos_protocol.daemons import stop
from atos_protocol.errors import AtosError
from atos_protocol.scheduler_api import Demand
from atos_protocol.settings import Settings, load_settings
from doubles.tiny_gguf import SMALL, write_random

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

ROUNDS = 50
DEADLINE = 60.0
"""Seconds that a request may take, a lost worker and a load included."""
FAULTS = ("kill", "stop", "memory", "garbage", "daemon", "none")
HI = [{"role": "user", "content": "hi"}]


class Garbage(BaseHTTPRequestHandler):
    """Offers a model, and answers for it with what is no reply."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send(json.dumps({"data": [{"id": "garbage"}]}).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self._send(b"data: {\x00\xff\xfe not json\n\ndata: [1, 2\n\n" * 20)

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def garbage() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Garbage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settings(atos_home: Path, garbage: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Two models, and a budget that holds one of them."""
    files = [write_random(atos_home.parent / f"{name}.gguf", SMALL) for name in ("one", "two")]
    monkeypatch.setenv("ATOS_GGUF", os.pathsep.join(map(str, files)))
    monkeypatch.setenv("ATOS_OPENAI_URL", garbage)
    monkeypatch.setenv("ATOS_CPU_THREADS", "1")
    monkeypatch.setenv("ATOS_BUDGET", "180MiB")
    found = load_settings()
    yield found
    stop("scheduler", found)


async def ask(client: SchedulerClient, model: str, outcomes: Counter[str]) -> None:
    with anyio.fail_after(DEADLINE + 10):
        try:
            answer = await client.chat(model, HI, max_tokens=60, demand=Demand(deadline=DEADLINE))
            outcomes[answer.reason] += 1
        except AtosError as error:
            outcomes[error.code] += 1


def workers(daemon: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(daemon).children(recursive=True)
    return []


async def do_harm(client: SchedulerClient, fault: str, chance: random.Random) -> None:
    await anyio.sleep(chance.uniform(0.0, 1.5))
    with suppress(AtosError):
        daemon = (await client.status()).pid
        found = workers(daemon)
        match fault:
            case "daemon":
                os.kill(daemon, signal.SIGKILL)
            case "kill" | "stop" if found:
                os.kill(
                    chance.choice(found).pid, signal.SIGKILL if fault == "kill" else signal.SIGSTOP
                )
            case "memory" if found:
                with suppress(OSError, psutil.Error):
                    resource.prlimit(
                        chance.choice(found).pid, resource.RLIMIT_AS, (1 << 20, 1 << 20)
                    )
            case _:
                pass


async def test_fifty_rounds_of_faults_leave_nobody_waiting_and_nothing_behind(
    settings: Settings,
) -> None:
    chance, outcomes = random.Random(1), Counter[str]()
    seen = set[int]()
    async with SchedulerClient(settings) as client:
        for number in range(int(os.environ.get("ATOS_TEST_ROUNDS", ROUNDS))):
            fault = FAULTS[number % len(FAULTS)]
            async with anyio.create_task_group() as group:
                for model in ("one", "two", "one"):
                    group.start_soon(ask, client, model, outcomes)
                if fault == "garbage":
                    group.start_soon(ask, client, "garbage", outcomes)
                group.start_soon(do_harm, client, fault, chance)
            status = await client.status()
            seen |= {child.pid for child in workers(status.pid)}
            assert status.leases == ()
            (device,) = status.devices
            assert device.committed == sum(r.bytes for r in status.residencies)
            assert device.committed <= device.budget
        for model in ("one", "two"):
            await client.unload(model)
        status = await client.status()
        assert status.devices[0].committed == 0
        assert workers(status.pid) == []
    left = [pid for pid in seen if psutil.pid_exists(pid)]
    assert left == [], "a worker was left behind"
    assert list(settings.engine_sockets.iterdir()) == []
    assert outcomes["internal"] == 0
    sys.stderr.write(f"\noutcomes of {sum(outcomes.values())} requests: {dict(outcomes)}\n")
    assert outcomes["length"] + outcomes["stop"] > sum(outcomes.values()) / 2
