"""The library without `await`: a goal with examples, its tasks, a tool, an error.

.venv/bin/python docs/examples/02_without_await.py
"""

import sys

from atos import Atos, AtosError

GOAL = "Write a Python function to add two numbers"


def main() -> int:
    """Start the goal, say what became of it, read a file of it."""
    with Atos.connect() as atos:
        started = atos.start_goal(GOAL)
        for event in started.events():
            if event.kind == "task_done":
                print(f"{event.task} {event.data['state']}")
        result = started.result()
        for task in result.tasks:
            print(f"{task.id} {task.title}: {task.proof} ({task.evidence})")
        if result.repository is None:
            return 1
        print(atos.filesystem.list_directory(path=str(result.repository)))
        try:
            atos.filesystem.read_text_file(path=str(result.repository / "nothing.py"))
        except AtosError as error:
            print(f"{error.code}: {error.next_step}")
        return 0 if result.state == "success" else 1


if __name__ == "__main__":
    sys.exit(main())
