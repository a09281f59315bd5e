"""Written from `help(Atos)` alone: what the last goals rest on, one more goal, and its code run in the sandbox.

.venv/bin/python docs/examples/03_build_and_run.py            # without await
.venv/bin/python docs/examples/03_build_and_run.py --async
"""

import sys

import anyio

from atos import Atos, AtosError, Goal, SyncGoal

GOAL = "Write a Python function to add two numbers"
USE = "from add import add; print(add(20, 22))"


def without_await() -> str:
    """Build it, and run it."""
    with Atos.connect() as atos:
        print([(goal.id, goal.state) for goal in atos.goals(limit=3)])
        goal: SyncGoal = atos.start_goal(GOAL, examples=["add(1, 2) -> 3"])
        result = goal.result()
        print(result.state, [task.evidence for task in result.tasks])
        return str(
            atos.code_runner.run_python(path=str(result.repository), code=USE).data["stdout"]
        )


async def with_await() -> str:
    """Do the same."""
    async with Atos.connect() as atos:
        print([(goal.id, goal.state) for goal in await atos.goals(limit=3)])
        goal: Goal = await atos.start_goal(GOAL, examples=["add(1, 2) -> 3"])
        result = await goal.result()
        print(result.state, [task.evidence for task in result.tasks])
        ran = await atos.code_runner.run_python(path=str(result.repository), code=USE)
        return str(ran.data["stdout"])


def main() -> int:
    """Say what the new code answers; the exit code is 1 where it is not 42."""
    try:
        said = anyio.run(with_await) if "--async" in sys.argv else without_await()
    except AtosError as error:
        print(f"{error.message}\n  → {error.next_step}", file=sys.stderr)
        return 1
    print(said.strip())
    return int(said.strip() != "42")


if __name__ == "__main__":
    sys.exit(main())
