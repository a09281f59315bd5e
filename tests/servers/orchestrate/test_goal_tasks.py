"""How a goal looks as a task of the protocol."""

from dataclasses import replace

from inline_snapshot import snapshot

from atos_protocol.goals import Event, GoalView, Question, TaskView
from atos_servers.orchestrate.goal_tasks import questions, task_of

ASKING = TaskView(
    "T1",
    "Median",
    "medium",
    "failed",
    question=Question("median([1, 2]) gives 1 or 1.5?", "median([1, 2])", ("1", "1.5")),
)
VIEW = GoalView("g12ab", "Write median", "running", tasks=(ASKING,), seconds=3.0, seq=4)
EVENTS = [Event(1, "g12ab", "", "goal_submitted", 10.0, {}), Event(4, "g12ab", "", "x", 13.5, {})]


def test_each_state_of_a_goal_is_a_state_of_the_task() -> None:
    plain = replace(VIEW, tasks=())
    states = ("queued", "running", "paused", "success", "failed", "limit_reached", "cancelled")
    seen = {state: task_of(replace(plain, state=state), EVENTS, "complete") for state in states}
    assert {
        state: (task.status, task.result and task.result["isError"]) for state, task in seen.items()
    } == snapshot(
        {
            "queued": ("working", None),
            "running": ("working", None),
            "paused": ("working", None),
            "success": ("completed", False),
            "failed": ("completed", True),
            "limit_reached": ("completed", True),
            "cancelled": ("cancelled", None),
        }
    )


def test_a_question_is_input_that_the_client_can_give() -> None:
    task = task_of(replace(VIEW, state="needs_help"), EVENTS, "complete")
    assert (task.status, task.created_at, task.last_updated_at) == snapshot(
        ("input_required", "1970-01-01T00:00:10Z", "1970-01-01T00:00:13.500000Z")
    )
    assert task.input_requests == questions(replace(VIEW, state="needs_help"))
    assert task.input_requests == snapshot(
        {
            "T1": {
                "method": "elicitation/create",
                "params": {
                    "mode": "form",
                    "message": "median([1, 2]) gives 1 or 1.5? 1) 1 2) 1.5",
                    "requestedSchema": {
                        "type": "object",
                        "properties": {"answer": {"type": "string"}},
                        "required": ["answer"],
                    },
                },
            }
        }
    )


def test_a_goal_that_needs_help_and_asks_nothing_has_ended() -> None:
    silent = replace(VIEW, state="needs_help", tasks=())
    assert task_of(silent, EVENTS, "complete").status == "completed"
