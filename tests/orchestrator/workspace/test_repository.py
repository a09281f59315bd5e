"""Repositories of goals, with the real git program."""

import errno
import os
import time
from pathlib import Path

import anyio
import pytest

from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.workspace import (
    Repository,
    close_repository,
    commit_files,
    commit_task,
    drop_candidates,
    keep_candidates,
    open_result,
    open_worktree,
    publish,
)
from atos_orchestrator.workspace import git as git_module
from atos_orchestrator.workspace.repository import DECISION, OWNER
from atos_protocol.errors import ConflictError, WorkspaceError
from doubles.goal_repository import AT, cut_off, git, integrated, opened, work


def test_a_repository_survives_the_trip_through_json(tmp_path: Path) -> None:
    one = Repository("g", tmp_path, "main", True, tmp_path, tmp_path, "", AT, "s")

    assert decode(Repository, encode(one)) == one


async def test_a_goal_becomes_one_line_of_commits_with_its_files_checked_out(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"one.py": "x = 1\n", "tests/test_one.py": "def test(): pass\n"})
    await work(repository, "T2", {"two.py": "x = 2\n"})

    await integrated(repository, "T1")
    await integrated(repository, "T2")
    await commit_files(repository, {"docs/log.md": "# Log\n"}, "Tell how", key="g1:record")
    await publish(repository)
    await close_repository(repository)

    assert repository.path == tmp_path / "w" / "add-two"
    assert git(repository.path, "log", "--format=%s", "--reverse").splitlines() == [
        "Set up the repository",
        "Do T1",
        "Do T2",
        "Tell how",
    ]
    assert git(repository.path, "status", "--porcelain") == ""
    assert git(repository.path, "branch", "--show-current") == "main"
    assert git(repository.path, "rev-list", "--merges", "--all") == ""
    assert (repository.path / "tests/test_one.py").read_text() == "def test(): pass\n"
    assert not repository.trees.exists()


async def test_everything_may_be_done_twice_and_counts_once(tmp_path: Path) -> None:
    first = await opened(tmp_path)
    again = await opened(tmp_path)
    for _ in range(2):
        await work(again, "T1", {"one.py": "x = 1\n"})
    once = await integrated(again, "T1")
    twice = await integrated(again, "T1")
    for _ in range(2):
        await commit_files(again, {"log.md": "x\n"}, "Record", key="g1:record")
        await publish(again)

    assert first == again
    assert once == twice
    assert git(first.path, "rev-list", "--count", "main") == "3"


async def test_the_same_goal_gives_the_same_commits_wherever_and_whenever(tmp_path: Path) -> None:
    heads: list[str] = []
    for number in ("a", "b"):
        repository = await opened(tmp_path / number)
        await work(repository, "T1", {"one.py": "x = 1\n"})
        heads.append(await integrated(repository, "T1"))

    assert heads[0] == heads[1]
    assert git(repository.path, "log", "-1", "--format=%at %ct %an") == f"{AT:.0f} {AT:.0f} ATOS"


async def test_the_order_of_integration_does_not_change_the_tree(tmp_path: Path) -> None:
    trees: list[str] = []
    for number, turns in (("a", ("T1", "T2")), ("b", ("T2", "T1"))):
        repository = await opened(tmp_path / number)
        await work(repository, "T1", {"one.py": "x = 1\n"})
        await work(repository, "T2", {"two.py": "x = 2\n"})
        for task in turns:
            await integrated(repository, task)
        trees.append(git(repository.path, "rev-parse", "main^{tree}"))

    assert trees[0] == trees[1]


async def test_a_task_starts_from_what_is_integrated(tmp_path: Path) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"one.py": "x = 1\n"})
    await integrated(repository, "T1")

    tree = await open_worktree(repository, "T2")

    assert (tree / "one.py").read_text() == "x = 1\n"


async def test_tasks_open_and_commit_at_the_same_time(tmp_path: Path) -> None:
    repository = await opened(tmp_path)

    async with anyio.create_task_group() as group:
        for number in range(1, 7):
            group.start_soon(work, repository, f"T{number}", {f"m{number}.py": f"x = {number}\n"})
    async with anyio.create_task_group() as group:
        for number in range(1, 4):
            group.start_soon(integrated, repository, f"T{number}")

    assert git(repository.path, "rev-list", "--count", "main") == "4"


async def test_two_tasks_that_changed_one_file_are_a_conflict(tmp_path: Path) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"one.py": "x = 1\n"})
    await work(repository, "T2", {"one.py": "x = 2\n"})
    await integrated(repository, "T1")

    with pytest.raises(ConflictError, match=r"task T2 and another task both changed one\.py"):
        await integrated(repository, "T2")

    assert git(repository.path, "show", "main:one.py") == "x = 1"


@pytest.mark.parametrize("file", ["../out.py", "/etc/hostname", ".git", "missing.py", "link.py"])
async def test_only_files_of_the_worktree_are_committed(tmp_path: Path, file: str) -> None:
    repository = await opened(tmp_path)
    tree = await open_worktree(repository, "T1")
    (tree.parent / "out.py").write_text("secret\n")
    (tree / "link.py").symlink_to("/etc/hostname")

    with pytest.raises(WorkspaceError, match="is not a file in the worktree"):
        await commit_task(repository, "T1", files=[file], message="m", key="k")


async def test_candidates_that_were_not_accepted_stand_on_branches_until_the_task_is_done(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"a.py": "a = 1\n"})
    await integrated(repository, "T1")
    kept = [{"b.py": "b = 1\n"}, {"b.py": "b = 2\n"}]

    branches = await keep_candidates(repository, "T2", kept)
    again = await keep_candidates(repository, "T2", kept[1:])

    assert branches == ["main-T2-candidate-1", "main-T2-candidate-2"]
    assert again == ["main-T2-candidate-1"]
    assert git(repository.path, "show", f"{again[0]}:b.py") == "b = 2"
    assert git(repository.path, "show", f"{again[0]}:a.py") == "a = 1"
    assert git(repository.path, "branch", "--format=%(refname:short)").split() == ["main", *again]
    await drop_candidates(repository, "T2")
    assert git(repository.path, "branch", "--format=%(refname:short)") == "main"
    assert git(repository.path, "status", "--porcelain") == ""


async def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    (tmp_path / "w" / "add-two").mkdir(parents=True)

    repository = await opened(tmp_path)

    assert repository.path.name == "add-two-2"


async def test_two_goals_of_one_name_get_two_folders(tmp_path: Path) -> None:
    found: list[Repository] = []

    async def one(goal: str) -> None:
        found.append(await opened(tmp_path, goal=goal))

    async with anyio.create_task_group() as group:
        for goal in ("g1", "g2", "g3"):
            group.start_soon(one, goal)

    assert {each.path.name for each in found} == {"add-two", "add-two-2", "add-two-3"}


def as_owner(path: Path, mode: int) -> bool:
    return (path.stat().st_mode >> 6) & mode == mode


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


# Places ----------------------------------------------------------------------------------


async def test_an_empty_folder_becomes_the_repository(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()

    repository = await opened(tmp_path, tmp_path / "mine")

    assert (tmp_path / "mine" / "pyproject.toml").is_file()
    assert repository.own


@pytest.mark.parametrize("place", ["full", "file", "file/below"])
async def test_a_place_that_can_not_be_used_is_refused_and_nothing_is_made(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    before = everything(tmp_path)

    with pytest.raises(WorkspaceError):
        await opened(tmp_path, tmp_path / place)

    assert everything(tmp_path) == before


async def test_an_unwritable_place_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    # Root may write anywhere, so what the system would answer an ordinary user is answered here.
    monkeypatch.setattr("os.access", as_owner)

    with pytest.raises(WorkspaceError, match="can't be written"):
        await opened(tmp_path, tmp_path / "locked" / "new")


# A person's repository ----------------------------------------------------------------------

HOSTILE = """
[core]
    fsmonitor = touch {marker}
    hooksPath = .hooks
    sshCommand = touch {marker}
[filter "evil"]
    smudge = touch {marker}; cat
    clean = touch {marker}; cat
    required = true
[merge "evil"]
    driver = touch {marker}
[diff]
    external = touch {marker}
[commit]
    gpgSign = true
[gpg]
    program = touch {marker}
[alias]
    worktree = !touch {marker}
"""


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A repository with history, uncommitted work, hooks, and a configuration that runs programs."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "dev")
    (folder / "app.py").write_text("print('app')\n")
    (folder / ".gitattributes").write_text("*.py filter=evil merge=evil diff=evil\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Mine")
    (folder / "app.py").write_text("print('not committed')\n")
    (folder / "draft.txt").write_text("untracked\n")
    marker = tmp_path / "ran"
    for place in (".hooks", ".git/hooks"):
        (folder / place).mkdir(exist_ok=True)
        for hook in ("post-checkout", "pre-commit", "post-commit", "reference-transaction"):
            (folder / place / hook).write_text(f"#!/bin/sh\ntouch {marker}\n")
            (folder / place / hook).chmod(0o755)
    with (folder / ".git" / "config").open("a") as config:
        config.write(HOSTILE.format(marker=marker))
    return folder


async def test_work_in_a_persons_repository_touches_one_new_branch_and_runs_nothing_of_theirs(
    tmp_path: Path, theirs: Path
) -> None:
    index = (theirs / ".git" / "index").read_bytes()
    config = (theirs / ".git" / "config").read_bytes()

    repository = await opened(tmp_path, theirs)
    await work(repository, "T1", {"app.py": "print('better')\n", "one.py": "x = 1\n"})
    await integrated(repository, "T1")
    result = await open_result(repository)

    assert not (tmp_path / "ran").exists()
    assert (repository.own, repository.branch) == (False, "atos/add-two")
    assert (theirs / "app.py").read_text() == "print('not committed')\n"
    assert not (theirs / "one.py").exists()
    assert (theirs / ".git" / "index").read_bytes() == index
    assert (theirs / ".git" / "config").read_bytes() == config
    assert (theirs / ".git" / "HEAD").read_text() == "ref: refs/heads/dev\n"
    assert not (theirs / ".git" / "worktrees").exists()
    assert (result / "app.py").read_text() == "print('better')\n"
    await close_repository(repository)
    for name in (".git/config",):
        (theirs / name).write_bytes(config.partition(b"[core]\n    fsmonitor")[0])
    assert git(theirs, "log", "--format=%s", "dev..atos/add-two").splitlines() == [
        "Do T1",
        "Set up the repository",
    ]
    assert git(theirs, "for-each-ref", "--format=%(refname)").splitlines() == [
        "refs/heads/atos/add-two",
        "refs/heads/dev",
    ]
    assert git(theirs, "fsck", "--strict") == ""


async def test_a_second_goal_of_one_name_gets_a_branch_of_its_own(
    tmp_path: Path, theirs: Path
) -> None:
    await opened(tmp_path, theirs)

    second = await opened(tmp_path, theirs, goal="g2")

    assert second.branch == "atos/add-two-2"


async def test_a_goal_that_came_to_nothing_leaves_nothing_in_a_persons_repository(
    tmp_path: Path, theirs: Path
) -> None:
    repository = await opened(tmp_path, theirs)

    await close_repository(repository)
    await close_repository(repository)

    assert not (theirs / ".git" / "refs" / "heads" / "atos" / "add-two").exists()
    assert not repository.trees.exists()


async def test_a_repository_without_commits_gets_a_branch_with_the_scaffold(tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "notes.txt").write_text("mine\n")

    await opened(tmp_path, folder)

    assert "pyproject.toml" in git(folder, "ls-tree", "--name-only", "atos/add-two")
    assert sorted(each.name for each in folder.iterdir()) == [".git", "notes.txt"]


async def test_a_shallow_clone_can_be_worked_in(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "-q")
    for text in ("1", "2"):
        (origin / "a.txt").write_text(text)
        git(origin, "add", ".")
        git(origin, "commit", "-q", "-m", text)
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{origin}", "shallow")

    repository = await opened(tmp_path, tmp_path / "shallow")
    await work(repository, "T1", {"one.py": "x = 1\n"})

    assert await integrated(repository, "T1")


# Crashes ---------------------------------------------------------------------------------


async def test_the_lock_of_a_git_that_was_killed_is_removed(tmp_path: Path) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"one.py": "x = 1\n"})
    for lock in (
        repository.trees / "git" / "refs" / "heads" / "goal.lock",
        repository.path / ".git" / "refs" / "heads" / "main.lock",
    ):
        lock.touch()
        os.utime(lock, (AT, AT))

    head = await integrated(repository, "T1")

    assert git(repository.path, "rev-parse", "main") == head


async def test_a_lock_that_was_left_before_the_clock_was_set_back_is_removed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_module, "STALE", 0.2)
    repository = await opened(tmp_path)
    await work(repository, "T1", {"one.py": "x = 1\n"})
    lock = repository.trees / "git" / "refs" / "heads" / "goal.lock"
    lock.touch()
    tomorrow = time.time() + 86_400
    os.utime(lock, (tomorrow, tomorrow))

    with anyio.fail_after(20):
        await integrated(repository, "T1")

    assert not lock.exists()


async def test_a_disk_that_is_full_while_a_repository_is_made_does_not_move_the_goal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text = Path.write_text

    def full(file: Path, text: str) -> int:
        if file.name.startswith(OWNER):
            file.touch()
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_text(file, text)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            await opened(tmp_path)
    repository = await opened(tmp_path)

    assert list((tmp_path / "w").iterdir()) == [repository.path]


async def test_a_worktree_that_was_only_half_made_is_made_anew(tmp_path: Path) -> None:
    repository = await opened(tmp_path)
    tree = await open_worktree(repository, "T1")
    (tree / "README.md").unlink()
    (repository.trees / "T1.ready").unlink()
    (repository.trees / "T1.index.lock").touch()

    again = await open_worktree(repository, "T1")

    assert again == tree
    assert (tree / "README.md").is_file()


async def test_a_finished_worktree_is_kept_with_what_was_written(tmp_path: Path) -> None:
    repository = await opened(tmp_path)
    tree = await open_worktree(repository, "T1")
    (tree / "one.py").write_text("x = 1\n")

    await open_worktree(repository, "T1")

    assert (tree / "one.py").read_text() == "x = 1\n"


async def test_a_kill_between_the_goals_line_and_the_persons_branch_is_made_good(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"one.py": "x = 1\n"})
    await integrated(repository, "T1")
    cut_off(repository, "one.py", "x = ")

    await integrated(repository, "T1")

    assert git(repository.path, "status", "--porcelain") == ""
    assert (repository.path / "one.py").read_text() == "x = 1\n"


async def test_an_opening_that_was_cut_off_after_its_decision_goes_on(tmp_path: Path) -> None:
    whole = await opened(tmp_path)
    decision = (whole.trees / DECISION).read_text()
    await close_repository(whole)
    for place in sorted(whole.path.rglob("*"), reverse=True):
        place.rmdir() if place.is_dir() else place.unlink()
    whole.trees.mkdir()
    (whole.trees / DECISION).write_text(decision)

    again = await opened(tmp_path)

    assert again == whole
    assert git(again.path, "status", "--porcelain") == ""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
async def test_a_repository_that_belongs_to_another_uid_can_be_worked_in(
    tmp_path: Path, theirs: Path
) -> None:
    for place in [theirs, *everything(theirs)]:
        os.lchown(place, 12345, 12345)

    repository = await opened(tmp_path, theirs)
    await work(repository, "T1", {"one.py": "x = 1\n"})

    assert await integrated(repository, "T1")
