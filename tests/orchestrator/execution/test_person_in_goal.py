"""A person who works in a goal's repository while it runs: how the goal ends, and how it goes on."""

import shlex
import shutil
from pathlib import Path

import pytest

from atos_orchestrator.execution.delivery import delivered
from atos_orchestrator.execution.result_aggregator import GoalOutcome
from atos_orchestrator.plan import Plan
from atos_orchestrator.workspace import Publication
from atos_protocol.goals import GoalView
from atos_protocol.settings import load_settings
from doubles.eventually import eventually
from doubles.goal_repository import git
from doubles.steered_goal import Told, goal, states, task
from doubles.workflow_deps_doubles import TimedWork

pytestmark = pytest.mark.timeout(120)

TWO = Plan((task(1), task(2)))


def held() -> TimedWork:
    """T2 waits for the person."""
    return TimedWork(held_until={"T2": "the person"})


async def half_way(told: Told) -> Path:
    """Wait until T1 is published; return the repository."""
    await eventually(lambda: told.deps.events.count("g1", "task_committed") == 1, 60)
    return Path(told.deps.events.read("g1")[1].data["repository"])


async def rest(told: Told, work: TimedWork) -> GoalView:
    work.end_of("the person").set()
    return await told.until_ended()


def commit(repository: Path, file: str, text: str) -> None:
    (repository / file).write_text(text)
    git(repository, "add", file)
    git(repository, "commit", "-q", "-m", "By hand")


def subjects(repository: Path, branch: str = "main") -> list[str]:
    return git(repository, "log", "--format=%s", "--reverse", branch).splitlines()


async def test_a_commit_on_main_in_mid_goal_does_not_disturb_the_goal(atos_home: Path) -> None:
    work = held()
    async with goal(work, TWO) as told:
        place = await half_way(told)
        commit(place, "mine.py", "mine = 1\n")
        ended = await rest(told, work)

    assert (ended.state, set(states(ended).values())) == ("success", {"done"})
    assert subjects(place) == [
        "Set up the repository",
        "Part 1",
        "By hand",
        "Part 2",
        "Add the execution log",
    ]
    assert git(place, "status", "--porcelain") == ""
    committed = [
        e.data["commit"] for e in told.deps.events.read("g1") if e.kind == "task_committed"
    ]
    assert committed[1] == git(place, "rev-parse", "main^")
    assert ended.tests.passed == 3, "the person's file is verified together with the goal's"


async def test_a_commit_that_contradicts_ends_in_a_command_and_a_retry_ends_in_success(
    atos_home: Path,
) -> None:
    work = held()
    async with goal(work, TWO) as told:
        place = await half_way(told)
        commit(place, "part2.py", "mine = 2\n")
        stopped = await rest(told, work)
        asked = len(work.seen)
        warned = [e.data["text"] for e in told.deps.events.read("g1") if e.kind == "warning"]
        command = f"git -C {place} merge atos/do-it"
        with pytest.raises(AssertionError, match=r"CONFLICT \(add/add\)"):
            git(place, *shlex.split(command)[3:])
        (place / "part2.py").write_text("both = 2\n")
        git(place, "commit", "-q", "-a", "-m", "Both")
        await told.steering.retry("g1")
        ended = await told.until_ended("g1.r2")

    trouble = "commits on main and what ATOS made contradict each other in part2.py"
    step = f"{command} && atos-client retry g1"
    assert (stopped.state, set(states(stopped).values())) == ("needs_help", {"done"})
    assert stopped.error == {
        "code": "conflict",
        "message": trouble,
        "next": step,
        "data": {"branch": "atos/do-it", "command": step},
    }
    assert stopped.summary.endswith(
        f" ATOS's work is on branch atos/do-it: {trouble}. Next: {step}"
    )
    assert warned == [f"{trouble}. Nothing is lost: ATOS's work is on branch atos/do-it"]
    assert (ended.state, len(work.seen)) == ("success", asked)
    assert (place / "part2.py").read_text() == "both = 2\n"
    assert git(place, "branch", "--format=%(refname:short)") == "main"


async def test_a_folder_that_was_deleted_in_mid_goal_is_built_again_by_a_retry(
    atos_home: Path,
) -> None:
    work = held()
    async with goal(work, TWO) as told:
        place = await half_way(told)
        shutil.rmtree(place)
        stopped = await rest(told, work)
        asked = len(work.seen)
        await told.steering.retry("g1")
        ended = await told.until_ended("g1.r2")

    assert (stopped.state, stopped.error["code"]) == ("needs_help", "workspace")
    assert "was moved or deleted; what ATOS made is kept in" in stopped.error["message"]
    assert stopped.error["next"] == "atos-client retry g1"
    assert (ended.state, len(work.seen)) == ("success", asked)
    assert subjects(place)[:3] == ["Set up the repository", "Part 1", "Part 2"]
    assert not (load_settings().home / "worktrees" / "g1").exists()


async def test_a_worktree_that_was_deleted_is_a_matter_of_trying_again(atos_home: Path) -> None:
    work = held()
    async with goal(work, TWO) as told:
        await half_way(told)
        await eventually(lambda: "T2" in work.alive, 60)
        shutil.rmtree(load_settings().home / "worktrees" / "g1" / "T2")
        stopped = await rest(told, work)
        await told.steering.retry("g1")
        ended = await told.until_ended("g1.r2")

    assert states(stopped) == {"T1": "done", "T2": "failed"}
    assert (stopped.state, stopped.error["next"]) == (
        "needs_help",
        "Try it again: atos-client retry g1",
    )
    assert ended.state == "success"


async def test_what_was_published_outlives_the_folder_that_atos_works_in(atos_home: Path) -> None:
    work = held()
    async with goal(work, TWO) as told:
        place = await half_way(told)
        await eventually(lambda: "T2" in work.alive, 60)
        shutil.rmtree(load_settings().home / "worktrees" / "g1")
        stopped = await rest(told, work)
        await told.steering.retry("g1")
        ended = await told.until_ended("g1.r2")

    assert (stopped.state, stopped.error["code"]) == ("needs_help", "workspace")
    assert stopped.error["next"] == "Try again: atos-client retry g1"
    assert (ended.state, set(states(ended).values())) == ("success", {"done"})
    assert [part for part in subjects(place) if part.startswith("Part")] == ["Part 1", "Part 2"]


async def test_a_branch_that_was_switched_is_told(atos_home: Path) -> None:
    work = held()
    async with goal(work, TWO) as told:
        place = await half_way(told)
        git(place, "switch", "-q", "-c", "feature")
        ended = await rest(told, work)

    assert ended.state == "success"
    assert ended.summary.endswith("It is on branch main; another branch is checked out there.")
    assert subjects(place)[-1] == "Add the execution log"


# How a goal ends -------------------------------------------------------------------------------

DONE = GoalOutcome("success", "2 of 2 tasks done.")
KEPT = Publication("c", "atos/x", "it does not go together", "git merge atos/x")


def test_a_goal_whose_work_was_published_ends_as_it_would_have() -> None:
    assert delivered(DONE, None) == DONE
    assert delivered(DONE, Publication("c", "main")) == DONE


def test_what_a_goal_needs_besides_is_said_after_the_command() -> None:
    asking = GoalOutcome("needs_help", "1 of 2.", {"message": "T2 asks", "next": "Answer it"})

    assert delivered(asking, KEPT) == GoalOutcome(
        "needs_help",
        "1 of 2. ATOS's work is on branch atos/x: it does not go together. Next: git merge atos/x",
        {
            "code": "conflict",
            "message": "it does not go together. Besides: T2 asks",
            "next": "git merge atos/x. Then: Answer it",
            "data": {"branch": "atos/x", "command": "git merge atos/x"},
        },
    )
