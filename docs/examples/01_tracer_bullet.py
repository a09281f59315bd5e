"""The simplest use of ATOS from Python: one goal, followed to its end.

.venv/bin/python docs/examples/01_tracer_bullet.py
"""

import sys

import anyio

from atos.client import Atos

GOAL = "Write a Python function to add two numbers"


async def main(goal: str) -> int:
    """Start the goal, print what happens, return the exit code."""
    async with Atos.connect() as atos:
        started = await atos.start_goal(goal)
        async for event in started.events():
            print(f"{event.task or '--':3} {event.kind}")
        result = await started.result()
        print(f"{result.state}: {result.passed} tests passed, repository {result.repository}")
        return 0 if result.state == "success" else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else GOAL))
