"""Trouble of the machine, made on purpose: daemons killed and stopped, no git, no descriptors, a locked database.

Every fault ends by itself. `Faults(seed)` deals them in a sequence that the seed repeats; where each one landed
is read from the goal's events afterwards.
"""

import contextlib
import datetime as dt
import os
import random
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from atos_protocol.errors import UnreachableError
from doubles.chaos_house import VICTIMS, ChaosHouse, Victim
from doubles.installation import BIN

LONG = os.environ.get("LONG") == "1"
SEED = int(os.environ.get("SEED") or dt.datetime.now(tz=dt.UTC).toordinal())
"""Another one each day, so that the days together cover what one run can't; it is printed."""

PROGRAMS = ("git", "bwrap")
"""What the daemons look for in PATH."""
UP_SECONDS = 20.0
SPARE = 3
"""Descriptors that a daemon without descriptors may still open."""

Fault = Callable[[ChaosHouse, float], Awaitable[None]]
"""What it does to a house, and for how many seconds."""


def own_programs(house: ChaosHouse) -> None:
    """Give a house, before it starts, a PATH of links, so that a program can be taken away."""
    folder = house.installation.person / "bin"
    folder.mkdir()
    for name in PROGRAMS:
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    path = {"PATH": f"{BIN}{os.pathsep}{folder}"}
    house.installation.environment |= path
    os.environ.update(path)


async def up(house: ChaosHouse, victim: Victim) -> int:
    """Return a daemon's process id, once it is up again from the fault before.

    Raises:
        TimeoutError: nobody started it.
    """
    with anyio.fail_after(UP_SECONDS):
        while True:
            with contextlib.suppress(UnreachableError, OSError):
                return await anyio.to_thread.run_sync(house.pid, victim)
            await anyio.sleep(0.1)


async def kill(victim: Victim, house: ChaosHouse, seconds: float) -> None:
    """Kill a daemon; the next call starts it."""
    del seconds
    os.kill(await up(house, victim), signal.SIGKILL)


async def stop(victim: Victim, house: ChaosHouse, seconds: float) -> None:
    """Freeze a daemon, as a suspended machine or a debugger does."""
    pid = await up(house, victim)
    os.kill(pid, signal.SIGSTOP)
    try:
        await anyio.sleep(seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def without_descriptors(victim: Victim, house: ChaosHouse, seconds: float) -> None:
    """Let a daemon open next to nothing more."""
    pid = await up(house, victim)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (_highest(pid) + SPARE, before[1]))
    try:
        await anyio.sleep(seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def _highest(pid: int) -> int:
    """Return the highest descriptor that a process has open."""
    return max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir())


async def without_git(house: ChaosHouse, seconds: float) -> None:
    """Take git away, as an upgrade of its package does."""
    link = house.installation.person / "bin" / "git"
    there = link.readlink()
    link.unlink()
    try:
        await anyio.sleep(seconds)
    finally:
        link.symlink_to(there)


async def locked_database(house: ChaosHouse, seconds: float) -> None:
    """Hold the write lock of the goals database, as a backup does."""
    path = house.settings.state / "atos.sqlite"
    connection = sqlite3.connect(path, timeout=30, check_same_thread=False)
    try:
        await anyio.to_thread.run_sync(connection.execute, "BEGIN IMMEDIATE")
        await anyio.sleep(seconds)
    finally:
        connection.close()


KINDS: Mapping[str, Fault] = {
    **{f"kill {victim}": partial(kill, victim) for victim in VICTIMS},
    **{f"stop {victim}": partial(stop, victim) for victim in VICTIMS},
    "no descriptors in servers": partial(without_descriptors, "servers"),
    "no descriptors in worker": partial(without_descriptors, "worker"),
    "no git": without_git,
    "locked database": locked_database,
}


@dataclass(frozen=True, slots=True)
class Struck:
    """One fault that happened."""

    kind: str
    at: float
    """Epoch seconds."""
    seconds: float


class Faults:
    """Deals so many faults, one after the other, in a sequence that its seed repeats."""

    def __init__(self, seed: int, number: int) -> None:
        self._chance = random.Random(seed)
        self._number = number
        self.struck = list[Struck]()
        self.missed = list[str]()
        """Kinds that met no daemon, and why; each is dealt again at the end."""
        self.over = False

    @contextlib.asynccontextmanager
    async def during(self, house: ChaosHouse) -> AsyncGenerator[None]:
        """Strike while the block runs; it ends when the last fault has ended."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._strike, house)
            yield

    async def _strike(self, house: ChaosHouse) -> None:
        kinds = list(KINDS) * (self._number // len(KINDS) + 1)
        self._chance.shuffle(kinds)
        dealt = kinds[: self._number]
        while dealt and len(self.missed) < self._number:
            kind = dealt.pop(0)
            await anyio.sleep(self._chance.uniform(0.2, 2.0))
            seconds = self._chance.uniform(0.5, 4.0)
            began = time.time()
            try:
                await KINDS[kind](house, seconds)
            except (OSError, TimeoutError) as missed:  # nobody needed that daemon
                self.missed.append(f"{kind}: {type(missed).__name__}")
                dealt.append(kind)
            else:
                self.struck.append(Struck(kind, began, seconds))
        self.over = True
