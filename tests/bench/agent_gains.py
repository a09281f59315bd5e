"""`make bench NAME=agent-gains`: twelve tasks with the tools of ATOS and with a shell alone, counted by a scripted agent.

The table is that of docs/how-to/what-an-agent-gains.md. Tokens are bytes / 4. Code runs as this user without ATOS: it
writes below a folder of its own, which is removed.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass

from atos import Atos
from bench.agent_tasks import OUTSIDE, TASKS, Agent, AgentTask
from bench.private_home import private_home
from bench.table import BUILD

HEAD = "| task | with: calls | tokens | s | right | without: calls | tokens | s | right |\n|---|---|---|---|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Done:
    """How one task went in one way."""

    calls: int
    tokens: int
    """Written and read by the agent's model."""
    seconds: float
    right: bool


def done(task: AgentTask, agent: Agent, *, with_atos: bool) -> Done:
    """Do a task."""
    agent.folder.mkdir(parents=True)
    task.prepare(agent.folder)
    (agent.folder.parents[3] / OUTSIDE).unlink(missing_ok=True)
    began = time.monotonic()
    answer = (task.with_atos if with_atos else task.without)(agent)
    seconds = time.monotonic() - began
    tokens = (agent.written + agent.read) // 4
    return Done(agent.calls, tokens, round(seconds, 1), task.right(agent.folder, answer))


def line(name: str, found: tuple[Done, Done]) -> str:
    """Return a row of the table."""
    cells = [
        f"{each.calls} | {each.tokens} | {each.seconds} | {'yes' if each.right else '**no**'}"
        for each in found
    ]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Do all of them both ways; print the table and write `build/bench/agent-gains.json`."""
    rows: dict[str, tuple[Done, Done]] = {}
    with private_home() as settings, Atos.connect() as atos:
        top = settings.workspaces
        for warm in (
            atos.filesystem.list_directory(path=str(top)),
            atos.code_runner.sandbox_status(),
        ):
            assert warm.text  # the daemons' own start is no task's
        for number, task in enumerate(TASKS):
            folders = (
                top / f"with{number}" / "a" / "work",
                top / f"without{number}" / "a" / "work",
            )
            ours, theirs = (Agent(atos, folder) for folder in folders)
            rows[task.name] = done(task, ours, with_atos=True), done(task, theirs, with_atos=False)
            print(line(task.name, rows[task.name]), flush=True)
    print(f"\n{table(rows)}")
    BUILD.mkdir(parents=True, exist_ok=True)
    found = {name: [asdict(each) for each in pair] for name, pair in rows.items()}
    (BUILD / "agent-gains.json").write_text(json.dumps(found, indent=1))


def table(rows: dict[str, tuple[Done, Done]]) -> str:
    """Return the table with its sums."""
    lines = [HEAD, *(line(name, found) for name, found in rows.items())]
    sums = [
        f"{sum(d.calls for d in arm)} | {sum(d.tokens for d in arm)} | {sum(d.seconds for d in arm):.1f}"
        f" | {sum(d.right for d in arm)} of {len(arm)}"
        for arm in zip(*rows.values(), strict=True)
    ]
    return (
        "\n".join([*lines, f"| **all** | {' | '.join(sums)} |"])
        + f"\n\nload {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
