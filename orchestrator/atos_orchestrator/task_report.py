"""Everything about one task, as the events of its goal tell it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from atos_orchestrator.events import fold
from atos_protocol.errors import NotFoundError
from atos_protocol.goals import Event, TaskReport


def task_report(goal: str, events: Sequence[Event], task: str) -> TaskReport:
    """Return a task of a goal with its own events.

    Raises:
        NotFoundError: the goal has no such task.
    """
    views = {each.id: each for each in fold(events).tasks}
    if task not in views:
        message = f"goal {goal} has no task {task!r}"
        step = f"It has: {', '.join(views) or 'none yet'}."
        raise NotFoundError(message, next_step=step)
    own = tuple(event for event in events if event.task == task)
    digests = [str(event.data["digest"]) for event in own if event.data.get("digest")]
    view = views[task]
    return TaskReport(
        goal=goal,
        id=view.id,
        title=view.title,
        complexity=view.complexity,
        state=view.state,
        rounds=view.rounds,
        digest=digests[-1] if digests else "",
        events=own,
    )
