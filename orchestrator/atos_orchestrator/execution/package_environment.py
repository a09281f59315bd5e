"""Has the packages of a goal installed, through the code_runner server; the work of one durable step."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import anyio

from atos_orchestrator.durable_json import decode
from atos_orchestrator.plan import Plan
from atos_orchestrator.ports import Tools
from atos_protocol.errors import DeadlineError
from atos_protocol.packages import PackagesReport

PREPARE_SECONDS = 660.0
"""An installation ends by itself before that."""
PAUSE_SECONDS = 0.2
"""Between two calls that answer at once though the installation goes on."""
NOTHING = PackagesReport("ready", (), (), "")


async def prepared(tools: Tools, packages: Iterable[str], root: Path) -> PackagesReport:
    """Return what is installed, once it is; asking for the same again costs nothing.

    Args:
        tools: the servers.
        packages: distributions, with or without versions.
        root: a folder that the connection may name; nothing is written there.

    Raises:
        AtosError: a package can't be installed, or the server can't be reached.
    """
    wanted = sorted(set(packages))
    if not wanted:
        return NOTHING
    with anyio.move_on_after(PREPARE_SECONDS):
        while True:
            found = await tools(
                "code_runner", "prepare_packages", {"packages": wanted}, roots=[root]
            )
            report = decode(PackagesReport, found)
            if report.state == "ready":
                return report
            await anyio.sleep(PAUSE_SECONDS)
    message = f"{', '.join(wanted)} were not installed within {PREPARE_SECONDS:.0f} s"
    raise DeadlineError(message, next_step="Start the goal again; what is installed stays.")


def packages_of(plan: Plan) -> tuple[str, ...]:
    """Return what the tasks of a plan may import, each once."""
    return tuple(sorted({name for task in plan.tasks for name in task.packages}))
