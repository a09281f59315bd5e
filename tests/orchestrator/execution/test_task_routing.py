"""A goal whose tasks a workflow routes: asked once a task, answered with the ticket, and done without it as well."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_orchestrator.execution import task_routing
from atos_orchestrator.execution.task_routing import (
    RouteAnswers,
    TaskRouting,
    Ticket,
    read_ticket,
    with_route,
)
from atos_orchestrator.ports import Json
from atos_orchestrator.task import Task
from atos_protocol.errors import BadRequestError, ConflictError, UnreachableError
from atos_protocol.settings import load_settings
from atos_protocol.tokens import default_token
from doubles.steered_goal import PLAN, Told, goal, states
from doubles.workflow_deps_doubles import PassingTools, TimedWork

pytestmark = pytest.mark.timeout(60)
SECRET = "s" * 43


class Router:
    """The tools, with a workflow behind `trigger_workflow` that answers as told."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked: list[Mapping[str, Any]] = []
        self.told: Told | None = None
        self.was_asked = anyio.Event()

    async def __call__(
        self, server: str, tool: str, arguments: Mapping[str, Any], *, roots: Sequence[Path]
    ) -> Json:
        if tool != "trigger_workflow":
            return await PassingTools()(server, tool, arguments, roots=roots)
        self.asked.append(arguments)
        self.was_asked.set()
        if self.answer == "down":
            message = "router at http://127.0.0.1:5678 gave no answer: ConnectError"
            raise UnreachableError(message, next_step="Start n8n.")
        if self.answer in {"complex", "medium"}:
            await self.decide(arguments["payload"]["ticket"], self.answer)
        return {"ok": self.answer != "404", "status": 404 if self.answer == "404" else 202}

    async def decide(self, ticket: str, pool: str) -> None:
        assert self.told is not None
        answers = RouteAnswers(load_settings(), self.told.deps.events, self.told.known)
        for _ in range(2):  # n8n retries a node
            await answers.take(ticket, pool)


def routes(told: Told) -> list[tuple[str | None, str, str, str]]:
    found = told.deps.events.of_kind("g1", "task_routed")
    return sorted((e.task, e.data["by"], e.data["pool"], e.data["why"]) for e in found)


@pytest.mark.parametrize("answer", ["complex", "down", "404"])
async def test_every_ready_task_is_routed_once_and_done_whatever_the_workflow_answers(
    atos_home: Path, answer: str
) -> None:
    default_token(_private(load_settings().token_file))
    work, router = TimedWork(), Router(answer)
    async with goal(work, router="n8n") as told:
        router.told = told
        object.__setattr__(told.deps, "tools", router)
        ended = await told.until_ended()
        decided = routes(told)
    assert (ended.state, set(states(ended).values())) == ("success", {"done"})
    assert [each[:3] for each in decided] == [
        (task.id, "n8n" if answer == "complex" else "builtin", answer)
        if answer == "complex"
        else (task.id, "builtin", "simple")
        for task in PLAN.tasks
    ]
    assert len(router.asked) == len(PLAN.tasks)
    if answer == "down":
        assert decided[0][3] == snapshot(
            "router at http://127.0.0.1:5678 gave no answer: ConnectError Start n8n."
        )


async def test_a_workflow_that_took_a_task_and_died_costs_only_its_deadline(
    atos_home: Path,
) -> None:
    default_token(_private(load_settings().token_file))
    router = Router("silent")
    async with goal(TimedWork(), plan=PLAN) as told:
        router.told = told
        ticket = Ticket("g1", "T9", 1)
        routing = TaskRouting(load_settings(), told.deps.events, router, seconds=0.3)
        found = await routing.route(ticket, Task("T9", "Late"))
        again = await routing.route(ticket, Task("T9", "Late"))
        assert (found, len(router.asked)) == (again, 1), "a step that runs again asks nobody"
        assert found == snapshot(
            {
                "pool": "simple",
                "by": "builtin",
                "why": "the workflow router took it and did not decide within 0 s",
                "revision": 1,
            }
        )
        with pytest.raises(ConflictError, match="T9 of g1 began with the builtin route already"):
            await router.decide(router.asked[0]["payload"]["ticket"], "complex")
        await told.until_ended()


async def test_a_decision_that_comes_while_the_task_waits_is_the_one_that_counts(
    atos_home: Path,
) -> None:
    default_token(_private(load_settings().token_file))
    router = Router("silent")
    async with goal(TimedWork(), plan=PLAN) as told:
        router.told = told
        routing = TaskRouting(load_settings(), told.deps.events, router, seconds=20)
        found: list[Json] = []

        async def wait() -> None:
            found.append(await routing.route(Ticket("g1", "T9", 1), Task("T9", "Late")))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await router.was_asked.wait()
            await router.decide(router.asked[0]["payload"]["ticket"], "medium")
        await told.until_ended()
    assert [(each["by"], each["pool"]) for each in found] == [("n8n", "medium")]
    assert with_route(Task("T9", "Late"), found[0]).complexity == "medium"
    assert with_route(Task("T9", "Late"), {"pool": "auto"}).complexity == "simple"


@given(
    goal_id=st.text("abcdef0123456789", min_size=1, max_size=12),
    number=st.integers(1, 99),
    revision=st.integers(1, 9),
    place=st.integers(0, 60),
)
def test_a_ticket_is_read_back_and_a_changed_one_is_refused(
    goal_id: str, number: int, revision: int, place: int
) -> None:
    ticket = Ticket(goal_id, f"T{number}", revision)
    signed = ticket.signed(SECRET)
    assert read_ticket(f" {signed}\n", SECRET) == ticket
    at = place % len(signed)
    changed = signed[:at] + ("x" if signed[at] != "x" else "y") + signed[at + 1 :]
    for wrong in (changed, signed[:-1], "", "a/b", ticket.signed("t" * 43)):
        with pytest.raises(BadRequestError, match="no ticket of a task"):
            read_ticket(wrong, SECRET)


def _private(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def test_the_workflow_is_asked_under_the_name_that_the_documentation_gives() -> None:
    text = (Path(__file__).parents[3] / "docs" / "n8n.md").read_text(encoding="utf-8")
    assert f"name: {task_routing.WORKFLOW} " in text
