"""Has the packages of a goal installed, through the code_runner server; the work of one durable step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import anyio

from atos_orchestrator.durable_json import decode
from atos_orchestrator.plan import Plan
from atos_orchestrator.ports import Tools
from atos_protocol.errors import AtosError, DeadlineError
from atos_protocol.packages import PackagesReport

PREPARE_SECONDS = 660.0
"""An installation ends by itself before that."""
PAUSE_SECONDS = 0.2
"""Between two calls that answer at once though the installation goes on."""
TOLD_AFTER_SECONDS = 1.0
"""What is installed already is there sooner, and nobody needs to hear of it."""
NOTHING = PackagesReport("ready", (), (), "")


async def prepared(
    tools: Tools,
    packages: Iterable[str],
    root: Path,
    tell: Callable[[str], None] = lambda _: None,
) -> PackagesReport:
    """Return what is installed, once it is; asking for the same again costs nothing.

    Args:
        tools: the servers.
        packages: distributions, with or without versions.
        root: a folder that the connection may name; nothing is written there.
        tell: hears what is waited for, where that takes longer than a moment.

    Raises:
        AtosError: a package can't be installed, or the server can't be reached.
    """
    wanted = sorted(set(packages))
    if not wanted:
        return NOTHING
    found: PackagesReport | AtosError = NOTHING
    async with anyio.create_task_group() as group:
        group.start_soon(_tell_later, tell, f"{', '.join(wanted)} to be installed for the sandbox")
        try:
            found = await _once_ready(tools, wanted, root)
        except AtosError as error:  # outside of the group it is no group of errors
            found = error
        group.cancel_scope.cancel()
    if isinstance(found, AtosError):
        raise found
    return found


async def _tell_later(tell: Callable[[str], None], waits_for: str) -> None:
    await anyio.sleep(TOLD_AFTER_SECONDS)
    tell(waits_for)


async def _once_ready(tools: Tools, wanted: list[str], root: Path) -> PackagesReport:
    with anyio.move_on_after(PREPARE_SECONDS):
        while True:
            arguments = {"packages": wanted}
            found = await tools("code_runner", "prepare_packages", arguments, roots=[root])
            report = decode(PackagesReport, found)
            if report.state == "ready":
                return report
            await anyio.sleep(PAUSE_SECONDS)
    message = f"{', '.join(wanted)} were not installed within {PREPARE_SECONDS:.0f} s"
    raise DeadlineError(message, next_step="Start the goal again; what is installed stays.")


def packages_of(plan: Plan) -> tuple[str, ...]:
    """Return what the tasks of a plan may import, each once."""
    return tuple(sorted({name for task in plan.tasks for name in task.packages}))
