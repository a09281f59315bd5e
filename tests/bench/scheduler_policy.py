"""Our policy beside others', in virtual time: `make bench NAME=scheduler-policy`.

Everybody sees the same requests, durations and memory, slots' caches included. `SEEDS` (20) and `DAGS` (100) may be
set. Rows go to `build/bench/scheduler-policy.json`.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.policy_bounds import bounds, markdown
from bench.scheduler_world.hardware import BUDGETS, MODELS
from bench.scheduler_world.optimum import shortest
from bench.scheduler_world.ours import MOST_SLOTS, Ours, deciding_slots, without_plans
from bench.scheduler_world.requests import (
    WORKLOADS,
    Maker,
    bound_early,
    random_dag,
    wrong_durations,
)
from bench.scheduler_world.rules import LlamaSwap, Ollama, Rule
from bench.scheduler_world.world import Policy, World

OUT = Path("build/bench/scheduler-policy.json")
SLOTS = 3
NOT_ON_ONE_SLOT = {
    "Ollama, 3 slots",
    "ours, fixed slots",
    "ours, bound early, slots decided",
    "ours",
}


@dataclass(frozen=True, slots=True)
class Arm:
    """One policy as it is run."""

    name: str
    make: Callable[[int, int], Policy]
    slots: int = SLOTS
    early: bool = True
    """Whether requests name one model, as a client of that program must."""
    most_slots: int = 0
    """Up to how many slots it may decide to load a model with; 0: always `slots`."""


ARMS = (
    Arm("Ollama, 1 slot", Ollama, 1),
    Arm("Ollama, 3 slots", Ollama),
    Arm("llama-swap", LlamaSwap),
    Arm("collating LRU", Rule),
    Arm("ours, no plans", without_plans),
    Arm("ours, bound early", Ours),
    Arm("ours, fixed slots", Ours, early=False),
    Arm("ours, bound early, slots decided", deciding_slots, most_slots=MOST_SLOTS),
    Arm("ours", deciding_slots, early=False, most_slots=MOST_SLOTS),
)


@dataclass(frozen=True, slots=True)
class Row:
    """Means over the seeds, in seconds."""

    workload: str
    card: str
    policy: str
    makespan: float
    goal: float
    wait_p50: float
    wait_p99: float
    loads: float
    loads_per_request: float
    over: float
    """Loads beyond the budget, a run."""


def quantile(values: list[float], share: float) -> float:
    """Return the value below which that share lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(name: str, card: str, make: Maker, arm: Arm, seeds: int) -> Row:
    """Run one cell of the table."""
    found = list[tuple[float, ...]]()
    for seed in range(seeds):
        workload = (bound_early(make) if arm.early else make)(seed)
        policy = arm.make(BUDGETS[card], arm.slots)
        run = World(workload, BUDGETS[card], policy, arm.slots, arm.most_slots).go()
        waits = [run.began[n] - run.ready[n] for n in run.began]
        ends = dict[str, float]()
        for request in workload.requests:
            ends[request.owner] = max(ends.get(request.owner, 0.0), run.ended[request.id])
        goal = statistics.mean(ends[o] - workload.arrivals[o] for o in ends)
        per_request = run.loads / len(workload.requests)
        latest = max(run.ended.values())
        waited = quantile(waits, 0.5), quantile(waits, 0.99)
        found.append((latest, goal, *waited, run.loads, per_request, run.over))
    means = [round(statistics.mean(column), 3) for column in zip(*found, strict=True)]
    return Row(name, card, arm.name, *means)


def ratios(dags: int) -> dict[str, tuple[float, float]]:
    """Return mean and largest ratio to the optimum: one slot, three models that exclude each other."""
    budget = MODELS["orch7b"].bytes(1) + 1
    arms = [arm for arm in ARMS if arm.name not in NOT_ON_ONE_SLOT]
    found: dict[str, list[float]] = {arm.name: [] for arm in arms}
    for seed in range(dags):
        workload = random_dag(seed)
        best = shortest(workload)
        for arm in arms:
            run = World(workload, budget, arm.make(budget, 1), 1).go()
            found[arm.name].append(max(run.ended.values()) / best)
    return {name: (statistics.mean(all_), max(all_)) for name, all_ in found.items()}


def table(seeds: int) -> list[Row]:
    """Run every cell."""
    makers = WORKLOADS | {"mix, wrong": wrong_durations(WORKLOADS["mix"])}
    rows = list[Row]()
    for name, make in makers.items():
        for card in BUDGETS:
            for arm in ARMS:
                rows.append(row := measure(name, card, make, arm, seeds))
                print(_line(row), flush=True)
    return rows


def _line(row: Row) -> str:
    return (
        f"{row.workload:12} {row.card}  {row.policy:32} makespan {row.makespan:6.1f}  goal {row.goal:6.1f}"
        f"  wait p50 {row.wait_p50:5.1f} p99 {row.wait_p99:6.1f}  loads {row.loads:5.1f}"
        f" ({row.loads_per_request:.2f} a request)  over budget {row.over:.1f}"
    )


def main() -> None:
    """Print the table, and keep its rows."""
    rows = table(int(os.environ.get("SEEDS", "20")))
    optimum = ratios(int(os.environ.get("DAGS", "100")))
    for name, (mean, most) in optimum.items():
        print(f"makespan over the optimum  {name:18} mean {mean:.3f}  largest {most:.3f}")
    print(*bounds(rows, optimum), "", markdown(rows), sep="\n")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(
        json.dumps({"rows": [asdict(r) for r in rows], "optimum": optimum}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
