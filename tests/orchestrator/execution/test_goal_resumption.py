"""A goal that stopped goes on: with an answer, with code handed in, or once more."""

import subprocess
from pathlib import Path

import anyio
import pytest
from inline_snapshot import snapshot

from atos_orchestrator.events import fold
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_input import Limits
from atos_orchestrator.plan import Plan
from atos_protocol.errors import BadRequestError, ConflictError, NotFoundError
from atos_protocol.goals import Question
from atos_protocol.settings import load_settings
from doubles.steered_goal import PLAN, Told, goal, states, task, working
from doubles.workflow_deps_doubles import TimedWork, deps_of

pytestmark = pytest.mark.timeout(60)

ASKED = Question("f(1) gives 1 or 2?", "f(1)", ("1.5", "2"))
KEPT = ({"part2.py": "T2 = 1.5\n"}, {"part2.py": "T2 = 2\n"})


def asking() -> TimedWork:
    """T2 asks, T5 fails for reasons of its own."""
    return TimedWork(asks={"T2": ASKED}, needs_help=frozenset({"T5"}), kept=KEPT)


def commits(repository: str) -> list[str]:
    command = ["git", "-C", repository, "log", "--format=%s", "main"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return sorted(done.stdout.splitlines())


def commit(repository: Path, file: str, text: str) -> None:
    """Commit a file as the person would."""
    (repository / file).write_text(text)
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "Mine"], check=True)


async def test_an_answer_runs_what_asked_and_what_waited_for_it_and_nothing_else(
    atos_home: Path,
) -> None:
    work = asking()
    async with goal(work) as told:
        stopped = await told.until_ended()
        work.seen.clear()
        resumed = await told.steering.answer("g1", "T2", "2")
        ended = await told.until_ended("g1.r2")

    assert stopped.error["message"] == "task T2 asks: f(1) gives 1 or 2?"
    assert stopped.error["next"].startswith("Answer it: atos-client answer g1/T2 1")
    assert states(stopped) == {
        "T1": "done", "T2": "failed", "T3": "skipped", "T4": "skipped", "T5": "failed",
    }  # fmt: skip
    assert (resumed.state, states(resumed)["T2"]) == ("running", "pending")
    assert states(ended) == {
        "T1": "done", "T2": "done", "T3": "done", "T4": "skipped", "T5": "failed",
    }  # fmt: skip
    assert [(seen.task.id, seen.task.examples, seen.seeds) for seen in work.seen] == [
        ("T2", ("assert f(1) == 2",), KEPT),
        ("T3", (), ()),
    ]
    assert ended.tasks[1].evidence == "1 of 1 examples"
    assert commits(ended.repository) == snapshot(
        [
            "Add the execution log",
            "Add the execution log",
            "Part 1",
            "Part 2",
            "Part 3",
            "Set up the repository",
        ]
    )


async def test_each_thing_that_is_missing_is_handed_in_and_the_goal_succeeds(
    atos_home: Path,
) -> None:
    async with goal(asking()) as told:
        await told.until_ended()
        await told.steering.answer("g1", "T2", "assert f(3) == 4")
        await told.until_ended("g1.r2")
        fix = {"part5.py": "T5 = 'by hand'\n"}
        await told.steering.fix("g1", "T5", fix)
        ended = await told.until_ended("g1.r3")
        with pytest.raises(ConflictError, match="ended as success"):
            await told.steering.retry("g1")

    assert (ended.state, set(states(ended).values())) == ("success", {"done"})
    record = (Path(ended.repository) / "docs" / "execution" / "do-it.md").read_text()
    assert "* T2: 1 of 1 examples" in record
    assert not (load_settings().home / "worktrees" / "g1").exists()


async def test_once_more_runs_everything_that_is_not_done_with_new_limits(atos_home: Path) -> None:
    work = TimedWork(asks_model=True)
    async with goal(work, Plan((task(1), task(2, "T1"))), limits=Limits(model_calls=1)) as told:
        stopped = await told.until_ended()
        await told.steering.retry("g1")
        ended = await told.until_ended("g1.r2")

    assert (stopped.state, ended.state) == ("limit_reached", "success")
    assert [seen.task.id for seen in work.seen] == ["T1", "T2", "T2"]


async def test_a_second_answer_while_it_runs_is_a_conflict_that_says_how_to_follow(
    atos_home: Path,
) -> None:
    work = asking()
    async with goal(work) as told:
        await told.until_ended()
        work.held_until = {"T2": "the test"}
        await told.steering.answer("g1", "T2", "2")
        with pytest.raises(ConflictError) as caught:
            await told.steering.answer("g1", "T2", "1.5")
        work.end_of("the test").set()
        await told.until_ended("g1.r2")

    assert caught.value.next_step == "Follow it: atos-client watch g1"
    assert told.deps.events.count("g1", "goal_resumed") == 1


async def test_two_answers_at_once_start_one_run(atos_home: Path) -> None:
    failed: list[str] = []

    async def answer(told: Told, text: str) -> None:
        try:
            await told.steering.answer("g1", "T2", text)
        except ConflictError:
            failed.append(text)

    async with goal(asking()) as told:
        await told.until_ended()
        async with anyio.create_task_group() as tasks:
            for text in ("#1", "#2", "assert f(0) == 0"):
                tasks.start_soon(answer, told, text)
        await told.until_ended("g1.r2")

    assert len(failed) == 2
    assert told.deps.events.count("g1", "goal_resumed") == 1


async def test_what_is_no_use_is_refused_and_nothing_runs(atos_home: Path) -> None:
    async with goal(asking()) as told:
        await told.until_ended()
        steering = told.steering
        with pytest.raises(BadRequestError, match="is no answer to: f"):
            await steering.answer("g1", "T2", "perhaps")
        with pytest.raises(BadRequestError, match="this task asks nothing"):
            await steering.answer("g1", "T5", "2")
        with pytest.raises(ConflictError, match="T1 is done"):
            await steering.fix("g1", "T1", {"part1.py": "x = 1"})
        with pytest.raises(NotFoundError, match="no task 'T9'"):
            await steering.answer("g1", "T9", "2")
        with pytest.raises(BadRequestError, match=r"other\.py is not a file of task T2"):
            await steering.fix("g1", "T2", {"other.py": ""})
        with pytest.raises(BadRequestError, match=r"part2\.py is not Python"):
            await steering.fix("g1", "T2", {"part2.py": "def f(:"})
        view = fold(told.deps.events.read("g1"))

    assert view.state == "needs_help"
    assert told.deps.events.count("g1", "goal_resumed") == 0


async def test_an_answer_survives_the_end_of_the_worker_before_it_has_run(atos_home: Path) -> None:
    work = asking()
    async with goal(work) as told:
        first = await told.until_ended()
    kept = {task.id: task.branches for task in first.tasks if task.branches}
    assert kept == {"T2": ("main-T2-candidate-1", "main-T2-candidate-2")}
    await told.steering.answer("g1", "T2", "2")
    accepted = fold(told.deps.events.read("g1"))
    async with working(told.deps):
        ended = await told.until_ended("g1.r2")

    assert accepted.state == "running"
    assert told.deps.events.unfinished() == []
    assert states(ended)["T3"] == "done"


async def test_what_a_person_committed_meanwhile_is_built_upon(atos_home: Path) -> None:
    async with goal(asking()) as told:
        stopped = await told.until_ended()
        mine = Path(stopped.repository)
        commit(mine, "mine.py", "mine = 1\n")
        await told.steering.answer("g1", "T2", "2")
        ended = await told.until_ended("g1.r2")

    assert "Mine" in commits(ended.repository)
    assert (mine / "part3.py").exists()
    assert (mine / "mine.py").read_text() == "mine = 1\n"


async def test_a_repository_that_is_gone_is_put_back_by_a_person(atos_home: Path) -> None:
    async with goal(asking()) as told:
        stopped = await told.until_ended()
        await anyio.Path(stopped.repository).rename(atos_home / "elsewhere")
        await told.steering.answer("g1", "T2", "2")
        ended = await told.until_ended("g1.r2")

    assert (ended.state, ended.error["code"]) == ("needs_help", "workspace")
    assert "is no longer there" in ended.error["message"]
    assert ended.error["next"].startswith("Put it back, then: atos-client retry g1.")


def test_a_goal_is_unfinished_from_its_resumption_to_its_next_end(atos_home: Path) -> None:
    deps = deps_of(load_settings(), PLAN, TimedWork())
    store: EventStore = deps.events
    seen: list[list[str]] = []
    for number, kind in enumerate(
        ("goal_submitted", "goal_finished", "goal_resumed", "goal_finished")
    ):
        store.append("g1", kind, {}, key=str(number))
        seen.append(store.unfinished())

    assert seen == [["g1"], [], ["g1"], []]
    assert store.revision("g1") == 2
