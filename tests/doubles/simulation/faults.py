"""What goes wrong, and when."""

import asyncio  # noqa: TID251  # processes are tasks of a loop of the simulation's own
from collections.abc import Awaitable, Callable, Mapping

from atos_protocol.errors import NoSpaceError, UnreachableError
from doubles.simulation.machine import Machine
from doubles.simulation.processes import Processes
from doubles.simulation.story import Fault, FaultKind

Strike = Callable[[Fault, Machine, Processes], Awaitable[None]]


async def strike(fault: Fault, here: Machine, processes: Processes) -> None:
    """Let a fault happen at its time; those at crash points happen there (`Machine.point`)."""
    await asyncio.sleep(fault.at)
    here.note(f"{fault.kind}, {fault.seconds:.1f} s")
    await _FAULTS[fault.kind](fault, here, processes)
    here.note(f"{fault.kind} is over")


async def _kill_worker(fault: Fault, here: Machine, processes: Processes) -> None:
    processes.worker.kill()


async def _machine_off(fault: Fault, here: Machine, processes: Processes) -> None:
    processes.off_until = max(processes.off_until, here.now + fault.seconds)
    processes.worker.kill()
    processes.host.kill()


async def _kill_host(fault: Fault, here: Machine, processes: Processes) -> None:
    processes.host.kill()
    await asyncio.sleep(1.0)  # its worker notices, and ends
    processes.worker.kill()


async def _database_away(fault: Fault, here: Machine, processes: Processes) -> None:
    here.take_away(fault.seconds)
    await asyncio.sleep(fault.seconds)


async def _no_git(fault: Fault, here: Machine, processes: Processes) -> None:
    here.git_trouble = UnreachableError("git could not be started")
    await asyncio.sleep(fault.seconds)
    here.git_trouble = None


async def _disk_full(fault: Fault, here: Machine, processes: Processes) -> None:
    here.git_trouble = NoSpaceError("the disk is full")
    here.take_away(fault.seconds)
    await asyncio.sleep(fault.seconds)
    here.git_trouble = None


async def _clock_jump(fault: Fault, here: Machine, processes: Processes) -> None:
    here.jumped += fault.seconds


async def _slow(fault: Fault, here: Machine, processes: Processes) -> None:
    here.slow = 30.0
    await asyncio.sleep(fault.seconds)
    here.slow = 1.0


async def _lose_notices(fault: Fault, here: Machine, processes: Processes) -> None:
    processes.lost_notices += 2


_FAULTS: Mapping[FaultKind, Strike] = {
    "kill worker": _kill_worker,
    "machine off": _machine_off,
    "kill host": _kill_host,
    "database away": _database_away,
    "no git": _no_git,
    "disk full": _disk_full,
    "clock jump": _clock_jump,
    "slow": _slow,
    "lost notice": _lose_notices,
}
