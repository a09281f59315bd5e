"""A plan waits for a person's approval; what a person says meanwhile reaches the tasks that begin later."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_orchestrator.execution.goal_input import Limits
from atos_orchestrator.execution.goal_notes import check_limits, check_note, limits_now, with_notes
from atos_orchestrator.execution.plan_review import plan_digest, plan_under_review
from atos_orchestrator.plan import MAX_CONTRACT, Plan
from atos_protocol.errors import BadRequestError, ConflictError, NotFoundError
from atos_protocol.goals import Event
from doubles.steered_goal import PLAN, goal, states, task
from doubles.workflow_deps_doubles import TimedWork

pytestmark = pytest.mark.timeout(60)


async def test_nothing_works_on_a_plan_before_it_is_approved(atos_home: Path) -> None:
    work = TimedWork()
    async with goal(work, review=True) as told:
        waiting = await told.until_ended()
        before = list(work.seen)
        shown = plan_under_review("g1", told.deps.events.read("g1"))
        resumed = await told.steering.approve("g1", shown["digest"])
        ended = await told.until_ended("g1.r2")

    assert waiting.error == snapshot(
        {
            "code": "approval_needed",
            "message": "the plan of 5 tasks waits for approval (aa02f3b8bbd4)",
            "next": "Look at it and approve it: atos-client approve g1; change it: atos-client edit g1",
            "data": {"digest": "aa02f3b8bbd4"},
        }
    )
    assert (waiting.state, set(states(waiting).values()), before) == (
        "needs_help",
        {"pending"},
        [],
    )
    assert {each.waiting for each in waiting.tasks} == {"your approval of the plan"}
    assert {each.waiting for each in (*resumed.tasks, *ended.tasks)} == {""}
    assert shown["digest"] == plan_digest(PLAN) == waiting.error["data"]["digest"]
    assert shown["plan"]["tasks"][2] == snapshot(
        {
            "id": "T3",
            "title": "Part 3",
            "kind": "code",
            "files": ["part3.py"],
            "depends_on": ["T2"],
            "complexity": "simple",
        }
    )
    assert (resumed.state, set(states(resumed).values())) == ("running", {"pending"})
    assert (ended.state, set(states(ended).values())) == ("success", {"done"})


async def test_an_approval_is_of_one_plan_and_nothing_else_goes_past_the_review(
    atos_home: Path,
) -> None:
    async with goal(TimedWork(), review=True) as told:
        await told.until_ended()
        steering = told.steering
        with pytest.raises(BadRequestError, match="was approved"):
            await steering.approve("g1", "0" * 12)
        for way in (
            steering.retry("g1"),
            steering.answer("g1", "T1", "f(1) == 2"),
            steering.fix("g1", "T1", {"part1.py": "x = 1"}),
            steering.limits("g1", 10, 0),
        ):
            with pytest.raises(ConflictError, match="waits for approval"):
                await way
        assert told.deps.events.count("g1", "goal_resumed") == 0
        await steering.approve("g1", plan_digest(PLAN))
        assert (await told.until_ended("g1.r2")).state == "success"
        with pytest.raises(ConflictError, match="ended as success"):
            await steering.approve("g1", plan_digest(PLAN))


async def test_a_changed_plan_is_repaired_and_waits_for_approval_again(atos_home: Path) -> None:
    work = TimedWork()
    async with goal(work, review=True) as told:
        await told.until_ended()
        changed = {"tasks": [{"title": "Write one.py", "files": ["one.py"]}, {"title": "", "files": ["two.py"]}]}  # fmt: skip
        await told.steering.edit("g1", changed)
        waiting = await told.until_ended("g1.r2")
        shown = plan_under_review("g1", told.deps.events.read("g1"))
        with pytest.raises(BadRequestError, match="between 1 and 50 tasks"):
            await told.steering.edit("g1", {"tasks": []})
        await told.steering.approve("g1", shown["digest"])
        ended = await told.until_ended("g1.r3")

    assert (waiting.error["code"], waiting.error["data"]["digest"]) == (
        "approval_needed",
        shown["digest"],
    )
    assert {each.id: each.title for each in ended.tasks} == snapshot(
        {"T1": "Write one.py", "T2": "Task 2"}
    )
    assert set(states(ended).values()) == {"done"}


async def test_a_goal_that_is_not_reviewed_has_no_plan_to_approve(atos_home: Path) -> None:
    async with goal(TimedWork(needs_help=frozenset({"T1"}))) as told:
        await told.until_ended()
        with pytest.raises(NotFoundError, match="no plan to be reviewed"):
            plan_under_review("g1", told.deps.events.read("g1"))
        with pytest.raises(ConflictError, match="no plan of g1 waits"):
            await told.steering.approve("g1", "0" * 12)


async def test_a_note_reaches_tasks_that_begin_later(atos_home: Path) -> None:
    work = TimedWork()
    async with goal(work, review=True) as told:
        await told.until_ended()
        await told.steering.note("g1", "Use only  ASCII letters.")
        await told.steering.note("g1", "Use only ASCII letters.")
        await told.steering.approve("g1", plan_digest(PLAN))
        await told.until_ended("g1.r2")
        with pytest.raises(ConflictError):
            await told.steering.note("g1", "Too late")

    assert told.deps.events.count("g1", "noted") == 1
    assert {each.contract for each in (seen.task for seen in work.seen)} == {
        "The person adds: Use only ASCII letters."
    }


@given(st.lists(st.text(alphabet="abc ", min_size=1, max_size=500), max_size=9), st.text("c", max_size=900))  # fmt: skip
def test_the_newest_notes_are_kept_and_the_contract_stays_bounded(
    notes: list[str], contract: str
) -> None:
    told = with_notes(replace(task(1), contract=contract), notes).contract
    assert told.startswith(contract.strip())
    assert len(told) <= 2 * MAX_CONTRACT
    if notes:
        assert told.endswith(notes[-1].strip())


def test_what_is_no_note_and_no_limit_is_refused_with_the_numbers() -> None:
    said: list[str] = []
    for check in (
        lambda: check_note(" \n"),
        lambda: check_note("x" * 501),
        lambda: check_note("a\x1bb"),
        lambda: check_limits(0, 0),
        lambda: check_limits(-1, 5),
        lambda: check_limits(1, 10_001),
    ):
        with pytest.raises(BadRequestError) as caught:
            check()
        said.append(caught.value.message)
    assert said == snapshot(
        [
            "a note needs text without control characters",
            "the note has 501 characters; at most 500 fit",
            "a note needs text without control characters",
            "neither seconds nor model calls were given",
            "-1 s and 5 model calls were given",
            "1 s and 10001 model calls were given",
        ]
    )


def test_limits_hold_for_the_run_in_which_they_were_set() -> None:
    def said(revision: int, **given: float) -> Event:
        return Event(1, "g1", "", "limits_set", 0.0, {"revision": revision, **given})

    events = [said(1, seconds=5), said(2, seconds=9, model_calls=7), said(2, model_calls=8)]
    assert [limits_now(Limits(60, 3), revision, events) for revision in (1, 2, 3)] == [
        Limits(5, 3),
        Limits(9, 8),
        Limits(60, 3),
    ]


async def test_a_goal_that_reached_its_limit_goes_on_within_a_higher_one(atos_home: Path) -> None:
    async with goal(TimedWork(needs_help=frozenset({"T1"})), Plan((task(1),))) as told:
        await told.until_ended()
        await told.steering.limits("g1", 0, 7)
        record = await told.deps.runtime.result("g1.r2")

    assert record["goal_input"]["limits"]["model_calls"] == 7
