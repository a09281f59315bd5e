"""What every client in Python does; the same as `follow.mjs`, and the same lines on standard output.

Runs in environments of other packages: the standard library only.
"""

import json
import re
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

FINAL = ("success", "failed", "cancelled", "needs_help", "limit_reached")
MOST_LOOKS = 40
HEAD = re.compile(r"^(\S+) (\w+)")
SEQ = re.compile(r"after_seq=(\d+)")

Call = Callable[[str, dict[str, Any]], Awaitable[str]]
"""Calls a tool; returns its text."""
Session = tuple[int, Call]
"""How many tools there are, and what calls one."""
Connect = Callable[[dict[str, Any]], AbstractAsyncContextManager[Session]]


def say(**found: Any) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


TASK = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
"""What the command line names."""


async def follow(connect: Connect) -> None:
    """Do it; everything is read from text, as a model does."""
    task = TASK
    called: dict[str, int] = {}
    for name, tool in task["calls"].items():
        async with connect(task["mcpServers"][name]) as (tools, call):
            assert await call(tool, {}), f"{name}: {tool} says nothing"
            called[name] = tools
    say(called=called)
    async with connect(task["mcpServers"][task["goal"]["entry"]]) as (_, call):
        goal = task["goal"]["id"]
        if not goal:
            goal = HEAD.findall(await call("start_goal", {"goal": task["goal"]["text"]}))[0][0]
        say(started=goal)
        seq = 0
        for looks in range(1, MOST_LOOKS):
            text = await call("wait_goal", {"goal_id": goal, "after_seq": seq})
            state = HEAD.findall(text)[0][1]
            if state in FINAL:
                say(state=state, looks=looks)
                return
            seq = int(SEQ.findall(text)[0])
    message = f"{goal} did not end"
    raise SystemExit(message)
