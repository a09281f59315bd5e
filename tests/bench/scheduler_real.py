"""Two goals and a chat client on two real models of which one fits: `make bench NAME=scheduler-real MODELS="A.gguf B.gguf"`.

The same clients ask a scheduler daemon with a budget for one model, and then a rule by hand over the same engine:
first come, first served; the model loaded is unloaded, once idle, for the first request that needs the other one.
Rows go to `build/bench/scheduler-real.json`. A goal is a chain of fans of requests with 0.3 s of work between them, and
publishes what is left of it, as ATOS's goals do; the chat client thinks for a second. `CALLS` (6) sets how many rounds each
of them makes, `TOKENS` (24) the length of a reply, `BUDGET` (1600MiB, for a 0.5B and a 1.5B) the memory, `THREADS` (all cores) the
engine's: on a machine that others use, one thread is faster than two. Both arms have the same threads and one slot.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx

from atos_protocol.daemons import ensure
from atos_protocol.scheduler_api import Demand
from atos_scheduler.engines.llama_cpp_model import LlamaModel
from atos_scheduler.engines.protocol import ModelSpec
from bench.private_home import private_home
from bench.scheduler_policy import quantile

OUT = Path("build/bench/scheduler-real.json")
CALLS = int(os.environ.get("CALLS", "6"))
TOKENS = int(os.environ.get("TOKENS", "24"))
CONTEXT, WORK, THINK = 4096, 0.3, 1.0
THREADS = int(os.environ.get("THREADS", os.cpu_count() or 1))
PROMPT = "Write a Python function that returns the sum of a list of numbers. Number {}."

Ask = Callable[[str, str, Demand], Awaitable[None]]
"""Model, prompt, demand."""
Publish = Callable[[str, int, list[dict[str, Any]]], Awaitable[None]]
"""Goal, revision, tasks that are left."""


async def nobody_asks(goal: str, revision: int, tasks: list[dict[str, Any]]) -> None:
    """Publish a plan where nobody looks at plans."""


class Clients:
    """What is asked, of whomever."""

    def __init__(self, ask: Ask, models: list[str], publish: Publish = nobody_asks) -> None:
        self.waits = list[float]()
        self._ask, self._models, self._publish = ask, models, publish

    async def run(self) -> float:
        """Let all clients run to their ends; return the seconds that it took."""
        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            group.start_soon(self._goal, "one", 0)
            group.start_soon(self._goal, "two", 1)
            group.start_soon(self._chat)
        return anyio.current_time() - began

    async def _goal(self, name: str, first: int) -> None:
        for step in range(CALLS):
            model = self._models[(first + step) % 2]
            await self._publish(name, step, self._left(first, step))
            async with anyio.create_task_group() as group:
                for part in range(2):
                    demand = Demand(goal=name, task=f"{step}.{part}")
                    group.start_soon(self._timed, model, f"{name} {step} {part}", demand)
            await anyio.sleep(WORK)

    def _left(self, first: int, done: int) -> list[dict[str, Any]]:
        """Return the tasks of a goal's plan from one step on."""
        return [
            {
                "id": f"{step}.{part}",
                "depends_on": [f"{step - 1}.{one}" for one in range(2)] if step > done else [],
                "state": "waiting",
                "pool": self._models[(first + step) % 2],
                "tokens": TOKENS,
                "off_gpu": WORK,
            }
            for step in range(done, CALLS)
            for part in range(2)
        ]

    async def _chat(self) -> None:
        for step in range(CALLS):
            await self._timed(self._models[0], f"chat {step}", Demand(client="chat"))
            await anyio.sleep(THINK)

    async def _timed(self, model: str, about: str, demand: Demand) -> None:
        began = anyio.current_time()
        await self._ask(model, PROMPT.format(about), demand)
        self.waits.append(anyio.current_time() - began)


class Lru:
    """One model at a time over the engine, by hand."""

    def __init__(self, files: dict[str, Path], sockets: Path) -> None:
        self.loads = 0
        self._files, self._sockets = files, sockets
        self._turn = anyio.Lock()
        self._name, self._model = "", None

    async def ask(self, name: str, prompt: str, demand: Demand) -> None:
        """Answer in turn: another model is loaded first if this one isn't."""
        del demand
        async with self._turn:
            if self._name != name:
                await self.close()
                weights = str(self._files[name])
                spec = ModelSpec(name, weights, CONTEXT, slots=1)
                self._model = await LlamaModel.load(spec, weights, THREADS, self._sockets)
                self._name, self.loads = name, self.loads + 1
            assert self._model is not None
            body = {"prompt": prompt, "n_predict": TOKENS, "temperature": 0, "ignore_eos": True}
            answer = await self._model.client.post("/completion", json=body, timeout=300)
            answer.raise_for_status()

    async def close(self) -> None:
        """Unload what is loaded."""
        if self._model is not None:
            await self._model.end()
        self._name, self._model = "", None


@asynccontextmanager
async def daemon(folder: Path) -> AsyncGenerator[httpx.AsyncClient]:
    """Run a scheduler over the folder's models."""
    given = {"ATOS_BUDGET": os.environ.get("BUDGET", "1600MiB")}
    given |= {"ATOS_GGUF": str(folder), "ATOS_CPU_THREADS": str(THREADS)}
    with private_home(**given) as settings:
        await anyio.to_thread.run_sync(ensure, "scheduler", settings)
        transport = httpx.AsyncHTTPTransport(uds=str(settings.scheduler_socket))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://atos", timeout=300
        ) as http:
            yield http


async def over_daemon(folder: Path) -> dict[str, Any]:
    """Return the row of the scheduler."""
    async with daemon(folder) as http:

        async def ask(name: str, prompt: str, demand: Demand) -> None:
            body = {"model": name, "prompt": prompt, "stream": False, "raw": True}
            body |= {"options": {"num_predict": TOKENS, "temperature": 0, "ignore_eos": True}}
            answer = await http.post("/api/generate", json=body, headers=demand.to_headers())
            answer.raise_for_status()

        listed = (await http.get("/api/tags")).json()["models"]
        names = sorted(m["name"] for m in listed if "atos-mini" not in m["name"])

        async def publish(goal: str, revision: int, tasks: list[dict[str, Any]]) -> None:
            body = {"revision": revision, "ttl": 60, "tasks": tasks}
            (await http.put(f"/atos/v1/plans/{goal}", json=body)).raise_for_status()

        clients = Clients(ask, names[:2], publish)
        seconds = await clients.run()
        steps = (await http.get("/atos/v1/decisions")).json()["decisions"]
        loads = sum(e["kind"] == "Load" for step in steps for e in step["effects"])
        return row("ours", seconds, loads, clients)


async def by_hand(files: dict[str, Path]) -> dict[str, Any]:
    """Return the row of the rule by hand."""
    with tempfile.TemporaryDirectory(prefix="atos") as sockets:
        lru = Lru(files, Path(sockets))
        clients = Clients(lru.ask, sorted(files))
        seconds = await clients.run()
        await lru.close()
        return row("LRU by hand", seconds, lru.loads, clients)


def row(name: str, seconds: float, loads: int, clients: Clients) -> dict[str, Any]:
    """Return one row; `p50` and `p99` are whole replies, waiting included, in seconds."""
    p50, p99 = (round(quantile(clients.waits, share), 2) for share in (0.5, 0.99))
    found = {"arm": name, "makespan_s": round(seconds, 1), "loads": loads}
    found |= {"requests": len(clients.waits), "p50_s": p50, "p99_s": p99}
    print(found, flush=True)
    return found


async def measure(paths: list[Path]) -> list[dict[str, Any]]:
    """Run both arms, one after the other."""
    with tempfile.TemporaryDirectory(prefix="atos") as folder:
        files = dict[str, Path]()
        for path in paths:
            link = Path(folder) / path.name
            link.hardlink_to(path) if same_disk(path, link) else link.symlink_to(path)
            files[path.stem] = link
        return [await over_daemon(Path(folder)), await by_hand(files)]


def same_disk(path: Path, link: Path) -> bool:
    """Tell whether a hard link is possible."""
    return path.stat().st_dev == link.parent.stat().st_dev


def main() -> None:
    """Print the rows, and keep them."""
    rows = anyio.run(measure, [Path(path).resolve() for path in os.environ["MODELS"].split()])
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
