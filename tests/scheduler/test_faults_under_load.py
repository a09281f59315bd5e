"""Fifty rounds of faults under load: nobody hangs, nothing leaks, goals succeed, every caller gets an answer or an error.

Callers of ATOS, another program's client at a port of the gateway, and goals share two models of which one fits.
`ATOS_TEST_ROUNDS` and `ATOS_TEST_SEED` set how many rounds there are, and which.
"""

import json
import math
import os
import random
import resource
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import anyio
import httpx
import openai
import psutil
import pytest

from atos.cli.scheduler_call import scheduler_call
from atos.scheduler_client import SchedulerClient
from atos_protocol.errors import AtosError
from atos_protocol.scheduler_api import Demand
from atos_protocol.settings import load_settings
from doubles.chaos_house import SMALL as GOAL
from doubles.chaos_house import ChaosHouse, Course, logs
from doubles.tiny_gguf import SMALL, write_random

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3600),
    # the client's connections are closed when they are collected
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROUNDS = int(os.environ.get("ATOS_TEST_ROUNDS", "50"))
SEED = int(os.environ.get("ATOS_TEST_SEED", "1"))
ROUNDS_A_GOAL = 7
DEADLINE = 60.0
"""Seconds that a request may take, a lost worker and a load included."""
HUNG = 4.0
"""The same of a request to an engine that never answers."""
LATE = 10.0
"""What a caller waits beyond that before the test calls it hung."""
FAULTS = ("kill", "stop", "memory", "garbage", "hang", "daemon", "none")
HI: list[Any] = [{"role": "user", "content": "hi"}]
NO_STAND_INS = "pools:\n" + "".join(
    f"  {pool}: {{adopt: none}}\n" for pool in ("orchestrator", "simple", "medium", "complex")
)
"""Goals are the demonstration model's: weights of chance write no code."""


class Broken(BaseHTTPRequestHandler):
    """Offers two models: one answers with what is no reply, the other never."""

    over = threading.Event()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send(json.dumps({"data": [{"id": "garbage"}, {"id": "hang"}]}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if b'"hang"' in body:
            self.over.wait()
        with suppress(OSError):
            self._send(b"data: {\x00\xff\xfe not json\n\ndata: [1, 2\n\n" * 20)

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def broken() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Broken.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def house(broken: str) -> AsyncGenerator[ChaosHouse]:
    """An installation with two models, and a budget that holds one of them."""
    house = ChaosHouse()
    person = house.installation.person
    files = [write_random(person / f"{name}.gguf", SMALL) for name in ("one", "two")]
    given = {
        "ATOS_GGUF": os.pathsep.join(map(str, files)), "ATOS_OPENAI_URL": broken,
        "ATOS_CPU_THREADS": "1", "ATOS_BUDGET": "180MiB",
    }  # fmt: skip
    house.installation.environment |= given
    os.environ.update(given)
    house.settings = load_settings()
    house.settings.prepare()
    (house.settings.home / "agents.yaml").write_text(NO_STAND_INS)
    yield house
    assert house.close() == [], "these survived the shutdown"


class Callers:
    """Those who ask, and what becomes of it."""

    def __init__(self, client: SchedulerClient, url: str) -> None:
        self.outcomes = Counter[str]()
        self.improper = list[str]()
        """What a client of OpenAI's API can make nothing of."""
        self.longest = dict[float, float]()
        """Deadline -> the most seconds that a request with it took."""
        self._client, self._url = client, url

    async def ours(self, model: str, deadline: float = DEADLINE) -> None:
        """Ask as ATOS does."""
        demand = Demand(deadline=deadline)
        with self._timed(deadline):
            try:
                answer = await self._client.chat(model, HI, max_tokens=60, demand=demand)
                self.outcomes[answer.reason] += 1
            except AtosError as error:
                self.outcomes[error.code] += 1

    async def foreign(self, model: str, deadline: float = DEADLINE, *, killed: bool) -> None:
        """Ask as a program does that knows OpenAI's API only; a connection may break if the daemon is killed."""
        url, headers = f"{self._url}/v1", {"x-atos-deadline": str(deadline)}
        async with openai.AsyncOpenAI(
            base_url=url, api_key="any", max_retries=0, default_headers=headers
        ) as http:
            with self._timed(deadline):
                await self._ask_streamed(http, model, killed=killed)

    async def _ask_streamed(self, http: openai.AsyncOpenAI, model: str, *, killed: bool) -> None:
        try:
            self.outcomes["foreign " + await _streamed(http, model)] += 1
        except (openai.APIConnectionError, httpx.TransportError) as error:
            self.outcomes["foreign connection"] += 1
            if not killed:
                self.improper.append(f"the connection of {model} broke: {error!r}")
        except openai.APIError as error:
            self.outcomes[f"foreign {error.code}"] += 1
            if not (error.code and error.message):
                self.improper.append(repr(error))

    def _timed(self, deadline: float) -> "Timed":
        return Timed(self, deadline)


class Timed:
    """Fails a request that takes longer than its deadline and a little more."""

    def __init__(self, callers: Callers, deadline: float) -> None:
        self._callers, self._deadline = callers, deadline
        self._scope = anyio.fail_after(deadline + LATE)

    def __enter__(self) -> None:
        self._began = time.monotonic()
        self._scope.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        took, longest = time.monotonic() - self._began, self._callers.longest
        longest[self._deadline] = max(took, longest.get(self._deadline, 0.0))
        return self._scope.__exit__(kind, error, trace)


async def _streamed(http: openai.AsyncOpenAI, model: str) -> str:
    """Return how a streamed reply ended."""
    reason = ""
    stream = await http.chat.completions.create(
        model=model, messages=HI, max_tokens=60, temperature=0, stream=True
    )
    async for part in stream:
        reason = part.choices[0].finish_reason or reason if part.choices else reason
    return reason or "unfinished"


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


async def one_round(
    callers: Callers, client: SchedulerClient, fault: str, chance: random.Random
) -> None:
    """Let everybody ask while a fault strikes; return when all have their answers."""
    killed = fault == "daemon"
    async with anyio.create_task_group() as group:
        for model in ("one", "two", "one"):
            group.start_soon(callers.ours, model)
        for model in ("two", "one"):
            group.start_soon(lambda model=model: callers.foreign(model, killed=killed))
        if fault in {"garbage", "hang"}:
            group.start_soon(callers.ours, fault, HUNG)
            group.start_soon(lambda: callers.foreign(fault, HUNG, killed=killed))
        group.start_soon(do_harm, client, fault, chance)


async def check_ledger(client: SchedulerClient, seen: set[int]) -> None:
    """Fail if a lease of a round is left, or bytes are charged that nobody has."""
    status = await client.status()
    seen |= {child.pid for child in workers(status.pid)}
    assert [lease for lease in status.leases if not lease.goal] == []
    (device,) = status.devices
    assert device.committed == sum(r.bytes for r in status.residencies)
    assert device.committed <= device.budget


async def test_fifty_rounds_of_faults_leave_nobody_waiting_and_nothing_behind(
    house: ChaosHouse,
) -> None:
    chance, settings = random.Random(SEED), house.settings
    seen, courses = set[int](), list[Course]()
    async with SchedulerClient(settings) as client:
        await client.status()
        url = scheduler_call(settings, "PUT", "/atos/v1/clients/stranger", {})["url"]
        callers = Callers(client, url)

        async def follow() -> None:
            courses.append(await house.follow(await house.start(GOAL), 900.0))

        async with anyio.create_task_group() as goals:
            for number in range(ROUNDS):
                if number % ROUNDS_A_GOAL == 0:
                    goals.start_soon(follow)
                fault, began = FAULTS[number % len(FAULTS)], time.monotonic()
                await one_round(callers, client, fault, chance)
                await check_ledger(client, seen)
                sys.stderr.write(f"{number} {fault} {time.monotonic() - began:.1f} s\n")
        outcomes = callers.outcomes
        assert callers.improper == []
        sys.stderr.write(
            f"\n{ROUNDS} rounds, {sum(outcomes.values())} requests: {dict(outcomes)}\n"
        )
        sys.stderr.write(f"longest by deadline {callers.longest}\n")
        for residency in (await client.status()).residencies:
            await client.unload(residency.model)
        status = await client.status()
        assert status.devices[0].committed == 0
        assert workers(status.pid) == []
    states = [course.view["state"] for course in courses]
    for course in courses:
        if course.view["state"] != "success":
            sys.stderr.write(f"not finished: {course.view}\n")
    sys.stderr.write(f"goals: {states}, slowest {max(c.seconds for c in courses):.0f} s\n")
    assert states == ["success"] * math.ceil(ROUNDS / ROUNDS_A_GOAL), logs(settings)
    assert [pid for pid in seen if psutil.pid_exists(pid)] == [], "a worker was left behind"
    assert list(settings.engine_sockets.iterdir()) == []
    assert (
        outcomes["internal"] == outcomes["foreign internal"] == outcomes["foreign unfinished"] == 0
    )
    answered = sum(outcomes[who + how] for who in ("", "foreign ") for how in ("length", "stop"))
    assert answered > sum(outcomes.values()) / 2
