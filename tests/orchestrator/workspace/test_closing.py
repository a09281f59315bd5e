"""Repositories of goals that were cancelled or whose worker was killed, with the real git program."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import anyio

from atos_orchestrator.workspace import integrate, open_worktree, sweep
from atos_orchestrator.workspace.repository import GOAL_BRANCH
from doubles.goal_repository import cut_off, git, integrated, opened, persons, work


async def swept_but(tmp_path: Path, *live: str) -> list[str]:
    """Sweep while these goals are unfinished."""

    async def unfinished() -> tuple[str, ...]:
        return live

    return await sweep(tmp_path / "h", unfinished)


async def test_sweeping_removes_the_folders_of_goals_that_have_ended(tmp_path: Path) -> None:
    ended = await opened(tmp_path)
    live = await opened(tmp_path, goal="g2")

    swept = await swept_but(tmp_path, "g2")

    assert swept == ["g1"]
    assert not ended.trees.exists()
    assert live.trees.exists()
    assert (ended.path / "README.md").is_file()


async def test_sweeping_removes_what_an_ending_process_still_writes(tmp_path: Path) -> None:
    ended = await opened(tmp_path)
    folder, over = await open_worktree(ended, "T1"), threading.Event()

    def write() -> None:
        for number in count():
            if over.is_set():
                return
            with suppress(FileNotFoundError):  # the folder itself is not made again
                (folder / f"{number}.pyc").write_bytes(b"")

    with ThreadPoolExecutor() as pool:
        writing = [pool.submit(write) for _ in range(4)]
        timer = threading.Timer(0.1, over.set)
        timer.start()
        swept = await swept_but(tmp_path)
        [each.result() for each in writing]

    assert swept == ["g1"]
    assert not ended.trees.exists()


async def test_a_goal_that_goes_on_while_others_are_swept_keeps_its_folder(tmp_path: Path) -> None:
    goals = [await opened(tmp_path, goal=goal) for goal in ("g1", "g2", "g3")]
    asked = list[int]()

    async def unfinished() -> list[str]:
        asked.append(len(asked))
        return ["g2"] if len(asked) > 1 else []  # it is resumed while the first folder is removed

    await sweep(tmp_path / "h", unfinished)

    assert [goal.trees.exists() for goal in goals] == [False, True, False]


async def test_a_lock_that_a_killed_worker_left_goes_with_its_cancelled_goal(
    tmp_path: Path,
) -> None:
    repository, other = await opened(tmp_path), await opened(tmp_path, goal="g2")
    locks = [each.path / ".git" / "index.lock" for each in (repository, other)]
    locks[0].write_text("ATOS: g1\n")
    locks[1].write_text("")  # of a git that the person runs

    await swept_but(tmp_path)

    assert [lock.exists() for lock in locks] == [False, True]


async def test_what_a_goal_had_begun_to_publish_when_it_was_cancelled_is_published(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"one.py": "x = 1\n"})
    await integrate(repository, "T1", key="g1:T1")

    swept = await swept_but(tmp_path)

    assert (swept, repository.trees.exists()) == (["g1"], False)
    assert (repository.path / "one.py").read_text() == "x = 1\n"
    assert git(repository.path, "status", "--porcelain") == ""


async def test_a_file_that_was_half_written_when_its_goal_was_cancelled_is_written_whole(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"one.py": "x = 1\n"})
    await integrated(repository, "T1")
    cut_off(repository, "one.py", "x = ")

    swept = await swept_but(tmp_path)

    assert (swept, repository.trees.exists()) == (["g1"], False)
    assert (repository.path / "one.py").read_text() == "x = 1\n"
    assert git(repository.path, "status", "--porcelain") == ""


async def test_a_goal_that_was_cancelled_before_its_first_commit_leaves_no_folder(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path)
    git(repository.trees / "git", "update-ref", "-d", GOAL_BRANCH)
    repository.unpublished.touch()

    assert await swept_but(tmp_path) == ["g1"]


async def test_a_cancelled_goal_that_produced_nothing_leaves_no_branch_in_a_persons_repository(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path, persons(tmp_path / "theirs"))
    await open_worktree(repository, "T1")

    await swept_but(tmp_path)

    assert git(repository.path, "branch", "--format=%(refname:short)") == "dev"


async def test_what_a_cancelled_goal_can_not_publish_is_kept_and_not_published_later_unasked(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"one.py": "x = 1\n"})
    await integrate(repository, "T1", key="g1:T1")
    away = shutil.move(repository.path, tmp_path / "away")

    swept = [await swept_but(tmp_path)]
    left = sorted(each.name for each in repository.trees.iterdir())
    shutil.move(away, repository.path)
    swept.append(await swept_but(tmp_path))

    assert swept == [[], []]
    assert left == ["git", "repository.json", "unpublished"]
    assert git(repository.trees / "git", "log", "-1", "--format=%s", GOAL_BRANCH) == "Do T1"
    assert not (repository.path / "one.py").exists()


async def test_a_cancelled_goal_whose_repository_is_busy_is_published_by_the_next_look(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"one.py": "x = 1\n"})
    await integrate(repository, "T1", key="g1:T1")
    lock = repository.path / ".git" / "index.lock"
    lock.touch()  # of a git that the person runs

    first = await swept_but(tmp_path)
    lock.unlink()
    second = await swept_but(tmp_path)

    assert (first, second) == ([], ["g1"])
    assert (repository.path / "one.py").read_text() == "x = 1\n"


async def test_twelve_goals_that_are_cancelled_at_once_are_all_published_and_closed(
    tmp_path: Path,
) -> None:
    goals = [await opened(tmp_path, goal=f"g{number}") for number in range(12)]
    for goal in goals:
        await work(goal, "T1", {"one.py": "x = 1\n"})
        await integrate(goal, "T1", key=f"{goal.goal}:T1")

    async with anyio.create_task_group() as sweeps:
        for _ in goals:
            sweeps.start_soon(swept_but, tmp_path)

    assert not any(goal.trees.exists() for goal in goals)
    assert [git(goal.path, "log", "-1", "--format=%s") for goal in goals] == ["Do T1"] * 12
    assert [git(goal.path, "status", "--porcelain") for goal in goals] == [""] * 12
