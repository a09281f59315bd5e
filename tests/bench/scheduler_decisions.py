"""How long the core thinks: `make bench NAME=scheduler-decisions`. Rows go to `build/bench/scheduler-decisions.json`.

Processor time of single `handle` calls: with 60 tasks of six goals known and a look-ahead, of a request for a
resident model that is granted at once, and with up to 10,000 demands that wait, with the memory that they take. And of
every callback of a whole daemon's event loop while six goals of ten tasks publish their plans and ask, their HTTP client
in the same loop.
"""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import anyio

from atos_protocol.scheduler_api import Demand, PlanHint, PlannedTask
from atos_scheduler.core.effects import Effect
from atos_scheduler.core.events import Event, Loaded, Released, Requested
from atos_scheduler.core.state_machine import Core
from atos_scheduler.core.types import Candidate
from bench.scheduler_world.hardware import BUDGETS, MODELS
from bench.scheduler_world.ours import MOST_SLOTS, Ours
from bench.scheduler_world.requests import Request, goals
from bench.scheduler_world.world import World
from doubles.loop_watchdog import Busiest, watched_loop
from doubles.running_scheduler import GIB, Running, scheduler
from doubles.scripted_engine import ScriptedEngine, models

OUT = Path("build/bench/scheduler-decisions.json")
FAR = 1e9
NAMES = ("a", "b", "c", "d")
GOALS, TASKS = 6, 10


class Timed(Ours):
    """The core, with the time of each call."""

    def __init__(self, budget: int, slots: int) -> None:
        super().__init__(budget, slots, most_slots=MOST_SLOTS)
        self.took = list[float]()

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Handle an event against the clock."""
        began = time.process_time()
        effects = super().handle(event, now)
        self.took.append(1000 * (time.process_time() - began))
        return effects

    def publish(self, owner: str, remaining: Sequence[Request], now: float) -> list[Effect]:
        """Publish against the clock."""
        began = time.process_time()
        effects = super().publish(owner, remaining, now)
        self.took.append(1000 * (time.process_time() - began))
        return effects


def quantiles(took: list[float]) -> dict[str, float]:
    """Return milliseconds: median, 99 of 100, and the longest."""
    ordered = sorted(took)
    at = {"p50": 0.5, "p99": 0.99}
    return {k: round(ordered[int(q * len(ordered))], 3) for k, q in at.items()} | {
        "max": round(ordered[-1], 3)
    }


def with_plans() -> dict[str, float]:
    """Six goals at once have about sixty tasks."""
    took = list[float]()
    for seed in range(20):
        policy = Timed(BUDGETS["6 GB"], 3)
        World(goals(seed, 6, 0.01), BUDGETS["6 GB"], policy, 3, MOST_SLOTS).go()
        took += policy.took
    return quantiles(took)


def crowded(waiting: int) -> tuple[Core, int]:
    """Return a core with so many demands that wait, and the bytes that they take."""
    core = Core(BUDGETS["6 GB"], history=1)
    ask(core, "first", "orch7b")
    core.handle(Loaded("orch7b", 0), 1.0)
    gc.collect()
    tracemalloc.start()
    for number in range(waiting):
        ask(core, f"w{number}", ("coder7b", "phi3.8b", "gemma2b")[number % 3])
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return core, size


def ask(core: Core, lease: str, model: str, now: float = 2.0) -> None:
    candidate = Candidate(model, MODELS[model].bytes(3), 3)
    core.handle(Requested(lease, (candidate,), Demand(goal=f"g{len(lease)}"), "", FAR), now)


def grants(core: Core) -> dict[str, float]:
    """Ask for the resident model, again and again, while the others wait."""
    took = list[float]()
    for number in range(500):
        began = time.process_time()
        ask(core, f"grant{number}", "orch7b")
        took.append(1000 * (time.process_time() - began))
        assert f"grant{number}" in core.demands.held
        core.handle(Released(f"grant{number}"), 2.0)
    return quantiles(took)


async def goal(running: Running, name: str, first: int) -> None:
    """Work a chain of tasks off, and publish what is left of it before each."""
    chain = [NAMES[(first + number) % len(NAMES)] for number in range(TASKS)]
    for done in range(TASKS):
        left = tuple(
            PlannedTask(f"T{at}", (f"T{at - 1}",) if at > done else (), "waiting", chain[at])
            for at in range(done, TASKS)
        )
        await running.client.publish_plan(name, PlanHint(done, 60.0, left))
        demand = Demand(goal=name, task=f"T{done}")
        await running.client.chat(chain[done], [{"role": "user", "content": "hi"}], demand=demand)


async def whole_daemon() -> Busiest:
    """Return the longest callback of a daemon that holds two of four models, with sixty tasks known."""
    async with scheduler([ScriptedEngine(models(NAMES))], budget=2 * GIB) as running:
        await running.client.chat("a", [{"role": "user", "content": "hi"}])
        with watched_loop() as busiest:
            async with anyio.create_task_group() as group:
                for number in range(GOALS):
                    group.start_soon(goal, running, f"g{number}", number)
        return busiest


def main() -> None:
    """Print the figures, and keep them."""
    rows: dict[str, object] = {"decisions, about 60 tasks known (ms)": with_plans()}
    found = anyio.run(whole_daemon)
    rows["longest callback of a daemon's loop, 60 tasks known (ms)"] = round(
        1000 * found.seconds, 3
    )
    rows["which was"] = found.callback
    for waiting in (0, 60, 1000, 10_000):
        core, size = crowded(waiting)
        rows[f"grant of a resident model, {waiting} wait (ms)"] = grants(core)
        if waiting:
            rows[f"bytes a waiting demand, {waiting} wait"] = size // waiting
    for name, row in rows.items():
        print(f"{name:45} {row}")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
