"""`make bench NAME=handed-in-plan MODEL=path [SEEDS=3] [PLAN=file]`: a large model plans, a small one writes.

The plan stands for what a host such as Claude hands in: six tasks with contracts and examples. Each seed's
run goes to its end with nobody there to answer; the table says what became of every task, and what a
person would have been asked. Writes `build/bench/handed-in-plan/<model>.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anyio

from atos import Atos
from atos.scheduler_client import SchedulerClient
from bench.private_home import private_home
from bench.table import BUILD

PLAN = Path(__file__).parent.parent.parent / "docs" / "examples" / "price_tracker_plan.json"
GOAL = "Build a price tracker: it keeps the prices of product pages and says how they change."


@dataclass(frozen=True, slots=True)
class TaskRun:
    """What became of one task."""

    seed: int
    task: str
    title: str
    state: str
    candidates: int
    rests_on: str
    """Proof and evidence; for one that is not done the question, or the last failure."""


@dataclass(frozen=True, slots=True)
class PlanRun:
    """What became of one plan."""

    seed: int
    state: str
    seconds: float
    tokens: int
    tasks: tuple[TaskRun, ...]


async def run_plan(weights: Path, plan: Mapping[str, Any], seed: int) -> PlanRun:
    """Hand a plan in, in a home of its own, and wait for its end."""
    with (
        private_home(ATOS_GGUF=str(weights), ATOS_SEED=str(seed)) as settings,
        tempfile.TemporaryDirectory(prefix="plan", ignore_cleanup_errors=True) as folder,
    ):
        async with SchedulerClient(settings) as scheduler, Atos.connect(settings) as atos:
            await scheduler.load(weights.stem)
            start = time.monotonic()
            goal = await atos.start_goal(GOAL, into=Path(folder) / "tracker", plan=plan)
            tokens = 0
            async for event in goal.events():
                tokens += int(event.data.get("tokens") or 0) * (event.kind == "model_call")
            result = await goal.result()
            tasks = tuple(task_run(seed, task) for task in result.view.get("tasks", ()))
            return PlanRun(seed, result.state, time.monotonic() - start, tokens, tasks)


def task_run(seed: int, task: Mapping[str, Any]) -> TaskRun:
    """Return what a task's view says of its end."""
    asked: Mapping[str, Any] = task.get("question") or {}
    question = str(asked.get("text") or "")
    why = str(task.get("why") or "")
    proof = f"{task.get('proof') or ''}: {task.get('evidence') or ''}".strip(": ")
    done = task["state"] == "done"
    rests_on = proof if done else question or why
    candidates = int(task.get("rounds") or 0) + 1
    state = "asked" if question and not done else str(task["state"])
    return TaskRun(seed, task["id"], task["title"], state, candidates, rests_on)


def table(runs: list[PlanRun]) -> list[str]:
    """Return the table as Markdown."""
    lines = [
        "| seed | task | state | candidates | rests on, or what stopped it |",
        "|---|---|---|---|---|",
    ]
    for run in runs:
        for task in run.tasks:
            rests = task.rests_on.replace("|", "\\|").replace("\n", " ")[:160]
            lines.append(
                f"| {run.seed} | {task.task} {task.title[:48]} | {task.state} | {task.candidates} | {rests} |"
            )
        lines.append(
            f"| {run.seed} | **all** | {run.state} | | {run.seconds:.0f} s, {run.tokens} tokens |"
        )
    return lines


def measure(given: argparse.Namespace) -> None:
    """Run what the options ask for; print the table and write the file after each run."""
    weights = Path(given.model).expanduser().absolute()
    plan: Mapping[str, Any] = json.loads(Path(given.plan).read_text(encoding="utf-8"))
    path = BUILD / "handed-in-plan" / f"{weights.stem}{given.suffix}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    runs: list[PlanRun] = []
    for seed in range(given.first, given.first + given.seeds):
        runs.append(anyio.run(run_plan, weights, plan, seed))
        path.write_text(json.dumps([asdict(run) for run in runs], indent=2), encoding="utf-8")
        print("\n".join(table(runs)), flush=True)


def options() -> argparse.Namespace:
    """Read the command line; each option's default comes from the environment, for `make`."""
    read = argparse.ArgumentParser(description=__doc__)
    read.add_argument("--model", default=os.environ.get("MODEL", ""), help="path of a GGUF file")
    read.add_argument("--seeds", type=int, default=int(os.environ.get("SEEDS", "1")))
    read.add_argument("--first", type=int, default=0, help="the first seed")
    read.add_argument("--plan", default=os.environ.get("PLAN") or str(PLAN), help="a plan as JSON")
    read.add_argument("--suffix", default="", help="of the file that is written")
    return read.parse_args()


if __name__ == "__main__":
    measure(options())
