"""`make bench NAME=real-goals MODEL=path [SEEDS=3] [GOALS=fresh] [AT_ONCE=1]`: sample goals with a real model, live.

Each text of each goal, each seed, two arms: the model asked once (`bare`), and ATOS. Judged by hidden
tests that neither of them ever sees. Every run is a line of `build/bench/real-goals/<model>.jsonl`; what
is there is not run again, so the command may be interrupted at any time.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Protocol, TypeVar

import anyio
import anyio.lowlevel

from atos import Atos
from atos.scheduler_client import SchedulerClient
from atos_protocol.errors import NoModelError
from bench.atos_arm import ask_atos
from bench.bare_arm import ask_bare
from bench.goal_judge import HiddenTests
from bench.goal_runs import ARMS, Arm, Delivery, GoalRun, RunFile, current, digest_of
from bench.goal_table import goal_by_goal, table
from bench.private_home import private_home
from bench.sample_goals import SETS, GoalVariant, read_samples, variants
from bench.table import BUILD

ATTEMPTS = 60
PAUSE = 2.0

T = TypeVar("T")


class Ask(Protocol):
    """Hands a goal to an arm."""

    async def __call__(self, arm: Arm, variant: GoalVariant, seed: int) -> Delivery:
        """Return what the arm came back with."""
        ...


Judge = Callable[[Arm, GoalVariant, int, Delivery], Awaitable[GoalRun]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs are wanted."""

    texts: Sequence[GoalVariant]
    arms: Sequence[Arm]
    seeds: int
    first: int = 0
    """Seeds from this one up to `seeds`, which is not among them."""

    def of(self, seed: int) -> Wanted:
        """Return those of one seed."""
        return replace(self, first=seed, seeds=seed + 1)

    def missing(self, file: RunFile) -> list[tuple[Arm, GoalVariant, int]]:
        """Return what is not in the file, seeds outermost: equal prompts would be read once only."""
        return [
            (arm, variant, seed)
            for seed in range(self.first, self.seeds)
            for arm in self.arms
            for variant in self.texts
            if (arm, variant.id, seed, digest_of(variant)) not in file
        ]


async def run_missing(
    wanted: Wanted, file: RunFile, ask: Ask, judge: Judge, at_once: int = 1
) -> None:
    """Run what is missing, so many at a time; print the table after each."""
    todo = wanted.missing(file)
    places, ended = anyio.Semaphore(at_once), count(1)

    async def run_one(arm: Arm, variant: GoalVariant, seed: int) -> None:
        async with places:
            await anyio.lowlevel.checkpoint()  # where another one has failed, none begins
            run = await judge(arm, variant, seed, await ask(arm, variant, seed))
            file.add(replace(run, at_once=at_once))
            print(f"\n{next(ended)} of {len(todo)}: {said(run)}")
            print("\n".join(table(current(file.runs, wanted.texts), wanted.texts)), flush=True)

    async with anyio.create_task_group() as tasks:
        for each in todo:
            tasks.start_soon(run_one, *each)


def said(run: GoalRun) -> str:
    """Return a run in one line."""
    delivery = run.delivery
    facts = f"{delivery.seconds:.0f} s, {delivery.costs.tokens} tokens"
    why = delivery.proof or delivery.why
    return f"{run.arm} {run.goal} seed {run.seed}: {run.outcome}, {facts}; {run.failures}; {why}"


async def patiently(act: Callable[[], Awaitable[T]]) -> T:
    """Do what needs the model again where it is not listed: a busy machine lists its files late.

    Raises:
        AtosError: it is still not there, or something else is wrong.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return await act()
        except NoModelError:
            await anyio.sleep(PAUSE)
    return await act()


@asynccontextmanager
async def live(weights: Path, seed: int = 0) -> AsyncGenerator[Ask]:
    """Start daemons in a home of their own, with this model, this seed and nothing else."""
    with private_home(ATOS_GGUF=str(weights), ATOS_SEED=str(seed)) as settings:
        async with SchedulerClient(settings) as scheduler, Atos.connect(settings) as atos:
            await patiently(
                lambda: scheduler.load(weights.stem)
            )  # neither arm pays for the first load

            async def ask(arm: Arm, variant: GoalVariant, seed: int) -> Delivery:
                if arm == "bare":
                    return await patiently(lambda: ask_bare(scheduler, weights.stem, variant, seed))
                return await patiently(lambda: ask_atos(atos, settings.home, variant))

            yield ask


def options() -> argparse.Namespace:
    """Read the command line; each option's default comes from the environment, for `make`."""
    read = argparse.ArgumentParser(description=__doc__)
    read.add_argument("--model", default=os.environ.get("MODEL", ""), help="path of a GGUF file")
    read.add_argument("--seeds", type=int, default=int(os.environ.get("SEEDS", "1")))
    read.add_argument("--goals", choices=SETS, default=os.environ.get("GOALS") or "sample")
    read.add_argument("--at-once", type=int, default=int(os.environ.get("AT_ONCE", "1")))
    read.add_argument("--only", default=os.environ.get("ONLY", ""), help="id of one goal")
    read.add_argument("--arm", choices=ARMS, default=os.environ.get("ARM") or None)
    return read.parse_args()


def weights_of(given: argparse.Namespace) -> Path:
    """Return the model's file.

    Raises:
        SystemExit: there is none.
    """
    weights = Path(given.model).expanduser().absolute()
    if not weights.is_file():
        message = f"there is no model {given.model!r}; give MODEL=path of a GGUF file"
        raise SystemExit(message)
    return weights


async def measure(given: argparse.Namespace) -> None:
    """Run what the options ask for and is not there yet, and print both tables."""
    weights = weights_of(given)
    every = variants(read_samples(SETS[given.goals]))
    texts = [v for v in every if given.only in {"", v.id, v.sample.id}]
    if not texts:
        message = f"there is no goal {given.only!r}"
        raise SystemExit(message)
    wanted = Wanted(texts, [given.arm] if given.arm else ARMS, given.seeds)
    file = RunFile(BUILD / "real-goals" / f"{weights.stem}.jsonl")
    for seed in sorted({seed for _, _, seed in wanted.missing(file)}):
        async with live(weights, seed) as ask:
            await run_missing(wanted.of(seed), file, ask, HiddenTests(weights.stem), given.at_once)
    runs = current(file.runs, texts)
    print("\n".join(["", *table(runs, texts), "", *goal_by_goal(runs, texts)]))


if __name__ == "__main__":
    anyio.run(measure, options())
