"""What a person is asked on behalf of a task. Pure."""

from __future__ import annotations

from atos_protocol.errors import BadRequestError
from atos_protocol.goals import GoalView
from atos_protocol.printable import printable
from atos_servers.host.asking import Inquiry


def question_to(view: GoalView, task_id: str) -> Inquiry:
    """Return the question of a task of a goal.

    Raises:
        BadRequestError: the task asks nothing.
    """
    task = next((task for task in view.tasks if task.id == task_id), None)
    if task is None or not task.question.text:
        message = f"task {task_id[:40]!r} of {view.id} asks nothing"
        step = "Give an example of it as the answer: `f(1) == 2`."
        raise BadRequestError(message, next_step=step)
    options = "".join(f"\n{n}) {text}" for n, text in enumerate(task.question.options, 1))
    text = (
        f"{task_id} {task.title}: {task.question.text}{options}\nA number, a value or an example."
    )
    lines = (printable(line) for line in text.splitlines())
    return Inquiry("\n".join(lines), str, f"atos-client answer {view.id}/{task_id} ANSWER")
