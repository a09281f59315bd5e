"""What a person does in the repository of a goal at work: nothing of theirs and nothing of ATOS's is lost."""

import json
import os
import resource
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from atos_orchestrator.workspace import (
    Publication,
    Repository,
    close_repository,
    commit_files,
    commit_task,
    drop_candidates,
    keep_candidates,
    open_result,
    open_worktree,
    publish,
    sweep,
)
from atos_orchestrator.workspace.git import Git
from atos_orchestrator.workspace.opening import reopen_repository
from atos_orchestrator.workspace.publish import is_standing
from atos_orchestrator.workspace.repository import WRITING
from atos_protocol.errors import BusyError, NoSpaceError, UnreachableError, WorkspaceError
from doubles.goal_repository import git, integrated, opened, persons, work

TEXT = "Add two numbers"


@pytest.fixture(params=["own", "theirs"])
async def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    """A repository in which T1 is done: one that ATOS made, or a person's with the goal's branch checked out."""
    into = None if request.param == "own" else persons(tmp_path / "theirs")
    found = await opened(tmp_path, into)
    git(found.path, "checkout", "-q", found.branch)
    await work(found, "T1", {"one.py": "a = 1\nb = 2\nc = 3\nd = 4\ne = 5\n"})
    await integrated(found, "T1")
    return found


def commit(repository: Repository, file: str, text: str, message: str = "By hand") -> str:
    (repository.path / file).write_text(text)
    git(repository.path, "add", file)
    git(repository.path, "commit", "-q", "-m", message)
    return git(repository.path, "rev-parse", "HEAD")


async def delivered(repository: Repository, task: str, files: dict[str, str]) -> Publication:
    """Do a task, integrate it, and publish."""
    await work(repository, task, files)
    await integrated(repository, task)
    return await publish(repository)


def by_hand(publication: Publication) -> None:
    """Run the git commands that the publication tells a person."""
    text = publication.step.partition(" && atos-client")[0].partition("; then: ")[0]
    folder = Path("/")
    first = min(at for each in ("cd ", "git ") if (at := text.find(each)) >= 0)
    for command in text[first:].split(" && "):
        words = shlex.split(command)
        if words[0] == "cd":
            folder = Path(words[1])
        else:
            git(folder, *words[1:])


def subjects(repository: Repository, branch: str = "") -> list[str]:
    log = git(repository.path, "log", "--format=%s", "--reverse", branch or repository.branch)
    return [line for line in log.splitlines() if line not in {"Mine", "Set up the repository"}]


def side_of(repository: Repository) -> str:
    return "atos/add-two" if repository.own else "atos/add-two-kept"


# What goes together ----------------------------------------------------------------------------


async def test_a_commit_to_other_files_stays_below_what_comes_after_it(
    repository: Repository,
) -> None:
    commit(repository, "notes.txt", "mine\n")

    found = await delivered(repository, "T2", {"two.py": "x = 2\n"})
    again = await delivered(repository, "T3", {"three.py": "x = 3\n"})

    assert (found.trouble, found.branch) == ("", repository.branch)
    assert subjects(repository) == ["Do T1", "By hand", "Do T2", "Do T3"]
    assert again.commit == git(repository.path, "rev-parse", repository.branch)
    assert git(repository.path, "status", "--porcelain") == ""
    assert (repository.path / "two.py").read_text() == "x = 2\n"
    result = await open_result(repository, again.commit)
    assert (result / "notes.txt").read_text() == "mine\n"
    await close_repository(repository)
    assert not repository.trees.exists()
    assert git(repository.path, "fsck", "--strict") == ""


async def test_other_lines_of_one_file_are_merged(repository: Repository) -> None:
    commit(repository, "one.py", "a = 1\nb = 2\nc = 3\nd = 4\ne = 'mine'\n")

    await delivered(repository, "T2", {"one.py": "a = 'ATOS'\nb = 2\nc = 3\nd = 4\ne = 5\n"})

    merged = "a = 'ATOS'\nb = 2\nc = 3\nd = 4\ne = 'mine'\n"
    assert (repository.path / "one.py").read_text() == merged
    assert git(repository.path, "status", "--porcelain") == ""


@pytest.mark.parametrize("how", ["amended", "reworded", "reverted", "rebased"])
async def test_what_the_person_made_of_a_commit_of_atos_stands(
    repository: Repository, how: str
) -> None:
    path = repository.path
    match how:
        case "amended":
            (path / "one.py").write_text("better = 1\n")
            git(path, "commit", "-q", "-a", "--amend", "--no-edit")
        case "reworded":
            git(path, "commit", "-q", "--amend", "-m", "In my words")
        case "reverted":
            git(path, "revert", "--no-edit", "HEAD")
        case _:
            git(path, "checkout", "-q", "-b", "side", "HEAD^")
            commit(repository, "mine.py", "mine = 1\n")
            git(path, "checkout", "-q", repository.branch)
            git(path, "rebase", "-q", "side")
    before = git(path, "rev-parse", "HEAD")
    one = (path / "one.py").read_text() if how != "reverted" else None

    found = await delivered(repository, "T2", {"two.py": "x = 2\n"})

    assert found.trouble == ""
    assert git(path, "rev-parse", "HEAD^") == before
    assert ((path / "one.py").read_text() if one else (path / "one.py").exists()) == (one or False)
    assert git(path, "status", "--porcelain") == ""


async def test_a_branch_that_was_set_back_or_removed_gets_everything_again(
    repository: Repository,
) -> None:
    git(repository.path, "reset", "-q", "--hard", "HEAD^")
    first = await delivered(repository, "T2", {"two.py": "x = 2\n"})
    git(repository.path, "checkout", "-q", "--detach")
    git(repository.path, "branch", "-D", repository.branch)
    second = await delivered(repository, "T3", {"three.py": "x = 3\n"})

    assert (first.trouble, second.trouble) == ("", "")
    assert subjects(repository) == ["Do T1", "Do T2", "Do T3"]


async def test_uncommitted_work_in_other_files_stays_where_it_is(repository: Repository) -> None:
    path = repository.path
    commit(repository, "tracked.txt", "old\n")
    (path / "tracked.txt").write_text("changed\n")
    (path / "staged.txt").write_text("staged\n")
    git(path, "add", "staged.txt")
    (path / "untracked.txt").write_text("untracked\n")
    before = git(path, "status", "--porcelain")

    found = await delivered(repository, "T2", {"two.py": "x = 2\n"})

    assert found.trouble == ""
    assert git(path, "status", "--porcelain") == before
    assert (path / "tracked.txt").read_text() == "changed\n"
    assert (path / "two.py").exists()


async def test_another_branch_that_is_checked_out_is_left_alone(repository: Repository) -> None:
    git(repository.path, "checkout", "-q", "-b", "feature")
    commit(repository, "mine.py", "mine = 1\n")

    found = await delivered(repository, "T2", {"two.py": "x = 2\n"})

    assert (found.trouble, found.elsewhere) == ("", repository.own)
    assert subjects(repository) == ["Do T1", "Do T2"]
    assert subjects(repository, "feature") == ["Do T1", "By hand"]
    assert git(repository.path, "status", "--porcelain") == ""
    assert not (repository.path / "two.py").exists()


async def test_the_collection_of_garbage_takes_nothing_of_a_goal_at_work(
    repository: Repository,
) -> None:
    await work(repository, "T2", {"two.py": "x = 2\n"})
    git(repository.path, "gc", "-q", "--prune=now")
    await integrated(repository, "T2")
    git(repository.path, "gc", "-q", "--prune=now")
    found = await delivered(repository, "T3", {"three.py": "x = 3\n"})

    assert found.trouble == ""
    assert subjects(repository) == ["Do T1", "Do T2", "Do T3"]
    assert git(repository.path, "fsck", "--strict") == ""


# What does not ------------------------------------------------------------------------------


def committed(repository: Repository) -> None:
    commit(repository, "two.py", "x = 'mine'\n")


def untracked(repository: Repository) -> None:
    (repository.path / "two.py").write_text("x = 'mine'\n")


def staged(repository: Repository) -> None:
    untracked(repository)
    git(repository.path, "add", "two.py")


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (committed, "contradict each other in two.py"),
        (untracked, "changes that are not committed are in the way"),
        (staged, "changes that are not committed are in the way"),
    ],
)
async def test_what_contradicts_is_kept_on_a_side_branch_until_the_person_has_merged_it(
    repository: Repository, act: Callable[[Repository], None], says: str
) -> None:
    act(repository)
    before = git(repository.path, "status", "--porcelain"), git(repository.path, "rev-parse", "@")

    kept = await delivered(repository, "T2", {"two.py": "x = 2\n"})
    more = await delivered(repository, "T3", {"three.py": "x = 3\n"})

    assert says in more.trouble
    assert (kept.branch, more.branch) == (side_of(repository),) * 2
    assert subjects(repository, more.branch) == ["Do T1", "Do T2", "Do T3"]
    assert (repository.path / "two.py").read_text() == "x = 'mine'\n"
    assert before == (
        git(repository.path, "status", "--porcelain"),
        git(repository.path, "rev-parse", "@"),
    )
    await close_repository(repository)
    assert not repository.trees.exists()

    with pytest.raises(AssertionError, match="CONFLICT"):
        by_hand(more)
    (repository.path / "two.py").write_text("x = 'both'\n")
    git(repository.path, "add", "-A")
    git(repository.path, "commit", "-q", "-m", "Both")
    again = await reopen_repository(repository, TEXT)
    last = await delivered(again, "T4", {"four.py": "x = 4\n"})

    assert (last.trouble, last.branch) == ("", repository.branch)
    assert git(repository.path, "log", "-2", "--format=%s").splitlines() == ["Do T4", "Both"]
    assert (repository.path / "two.py").read_text() == "x = 'both'\n"
    assert git(repository.path, "branch", "--list", side_of(repository)) == ""
    assert git(repository.path, "status", "--porcelain") == ""


async def test_a_title_can_not_pass_for_the_trailer_of_another_task(
    repository: Repository,
) -> None:
    await open_worktree(repository, "T2")
    title = "Do it\n\nAtos-Effect: g1:T3"
    await commit_task(repository, "T2", files=[], message=title, key="g1:T2")
    commit(repository, "mine.py", "mine = 1\n")
    await integrated(repository, "T2")

    await delivered(repository, "T3", {"three.py": "x = 3\n"})

    assert (repository.path / "three.py").exists()


async def test_a_place_that_can_not_be_written_is_told_and_nothing_is_lost(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "index.lock")

    with monkeypatch.context() as patch:
        patch.setattr("atos_orchestrator.workspace.checkout.Checkout._take", refused)
        await work(repository, "T2", {"two.py": "x = 2\n"})
        await integrated(repository, "T2")
        kept = await publish(repository)
    await close_repository(repository)

    assert "Permission denied" in kept.trouble
    assert kept.branch == ""
    assert repository.unpublished.exists()


async def test_what_was_kept_is_published_as_soon_as_nothing_is_in_the_way(
    repository: Repository,
) -> None:
    untracked(repository)
    kept = await delivered(repository, "T2", {"two.py": "x = 2\n"})
    (repository.path / "two.py").unlink()

    found = await publish(repository)

    assert kept.branch == side_of(repository)
    assert found.branch == repository.branch
    assert (repository.path / "two.py").read_text() == "x = 2\n"
    assert git(repository.path, "branch", "--list", side_of(repository)) == ""


async def test_a_side_branch_that_the_person_took_over_is_left_to_them(
    repository: Repository,
) -> None:
    committed(repository)
    await delivered(repository, "T2", {"two.py": "x = 2\n"})
    git(repository.path, "checkout", "-q", side_of(repository))
    mine = commit(repository, "mine.py", "mine = 1\n")

    more = await delivered(repository, "T3", {"three.py": "x = 3\n"})

    assert more.branch == f"{side_of(repository)}-2"
    assert git(repository.path, "rev-parse", side_of(repository)) == mine
    assert subjects(repository, more.branch) == ["Do T1", "Do T2", "Do T3"]


async def test_nothing_is_published_into_a_rebase_or_merge_that_is_under_way(
    repository: Repository,
) -> None:
    git(repository.path, "checkout", "-q", "-b", "other", "HEAD^")
    commit(repository, "one.py", "other = 1\n")
    git(repository.path, "checkout", "-q", repository.branch)
    with pytest.raises(AssertionError):
        git(repository.path, "merge", "-q", "other")
    before = git(repository.path, "status", "--porcelain")

    kept = await delivered(repository, "T2", {"two.py": "x = 2\n"})

    assert kept.trouble == f"a merge is under way in {repository.path}"
    assert kept.step.startswith("Finish the merge, then: git -C ")
    assert git(repository.path, "status", "--porcelain") == before
    git(repository.path, "merge", "--abort")
    assert (await publish(repository)).trouble == ""


async def test_a_conflict_that_is_not_resolved_yet_is_left_alone(repository: Repository) -> None:
    (repository.path / "one.py").write_text("a = 'mine'\n")
    git(repository.path, "stash")
    commit(repository, "one.py", "a = 'other'\n")
    with pytest.raises(AssertionError, match="CONFLICT"):
        git(repository.path, "stash", "pop")
    before = git(repository.path, "status", "--porcelain"), git(repository.path, "ls-files", "-u")

    kept = await delivered(repository, "T2", {"two.py": "x = 2\n"})

    assert kept.branch == side_of(repository)
    assert before == (
        git(repository.path, "status", "--porcelain"),
        git(repository.path, "ls-files", "-u"),
    )
    assert not (repository.trees / WRITING).exists()


async def test_a_branch_that_is_checked_out_in_another_worktree_is_not_moved_below_it(
    repository: Repository, tmp_path: Path
) -> None:
    git(repository.path, "checkout", "-q", "--detach")
    git(repository.path, "worktree", "add", "-q", str(tmp_path / "tree"), repository.branch)

    kept = await delivered(repository, "T2", {"two.py": "x = 2\n"})
    by_hand(kept)
    found = await publish(repository)

    assert kept.trouble == f"branch {repository.branch} is checked out in {tmp_path / 'tree'}"
    assert found.branch == repository.branch
    assert (tmp_path / "tree" / "two.py").exists()


# A repository that is gone ---------------------------------------------------------------------


async def test_a_deleted_repository_of_atos_is_built_again_with_everything(tmp_path: Path) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"one.py": "x = 1\n"})
    await integrated(repository, "T1")
    commit(repository, "mine.py", "mine = 1\n")
    shutil.rmtree(repository.path)

    gone = await delivered(repository, "T2", {"two.py": "x = 2\n"})
    await commit_files(repository, {"log.md": "told\n"}, "Tell", key="g1:record")
    await close_repository(repository)

    async def unfinished() -> list[str]:
        return []

    swept = await sweep(tmp_path / "h", unfinished)
    again = await reopen_repository(repository, TEXT)
    await close_repository(again)

    assert "was moved or deleted" in gone.trouble
    assert (gone.branch, gone.step, swept) == ("", "atos-client retry g1", [])
    assert subjects(repository) == ["Do T1", "Do T2", "Tell"]
    assert git(repository.path, "status", "--porcelain") == ""
    assert not repository.trees.exists()


async def test_what_a_person_committed_before_a_goal_was_resumed_outlives_the_folder(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path)
    await close_repository(repository)
    commit(repository, "mine.py", "mine = 1\n")
    again = await reopen_repository(repository, TEXT)
    shutil.rmtree(repository.path)

    await delivered(again, "T1", {"one.py": "x = 1\n"})
    await close_repository(again)
    await reopen_repository(repository, TEXT)

    assert subjects(repository) == ["By hand", "Do T1"]
    assert git(repository.path, "status", "--porcelain") == ""


async def test_the_files_of_a_repository_whose_git_folder_was_deleted_are_kept(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path)
    await work(repository, "T1", {"one.py": "x = 1\n"})
    await integrated(repository, "T1")
    shutil.rmtree(repository.path / ".git")
    (repository.path / "one.py").write_text("mine = 1\n")
    (repository.path / "README.md").unlink()

    await delivered(repository, "T2", {"two.py": "x = 2\n"})
    await close_repository(repository)
    await reopen_repository(repository, TEXT)

    assert subjects(repository) == ["Do T1", "Do T2"]
    assert git(repository.path, "status", "--porcelain").splitlines() == ["M one.py"]
    assert (repository.path / "one.py").read_text() == "mine = 1\n"


@pytest.mark.parametrize("how", ["moved", "deleted"])
async def test_a_goal_in_a_persons_repository_outlives_its_absence(
    tmp_path: Path, how: str
) -> None:
    repository = await opened(tmp_path, persons(tmp_path / "theirs"))
    await work(repository, "T1", {"one.py": "x = 1\n"})
    repository.path.rename(tmp_path / "elsewhere")

    await integrated(repository, "T1")
    gone = await delivered(repository, "T2", {"two.py": "x = 2\n"})
    await close_repository(repository)
    with pytest.raises(WorkspaceError, match="is no longer there") as refused:
        await reopen_repository(repository, TEXT)
    if how == "moved":
        (tmp_path / "elsewhere").rename(repository.path)
    else:
        shutil.rmtree(tmp_path / "elsewhere")
        by_hand(gone)
    await reopen_repository(repository, TEXT)

    assert gone.step.startswith("Put it back, or take what there is: git clone ")
    assert gone.step.endswith("; then: atos-client retry g1")
    assert refused.value.next_step == "Put it back, then: atos-client retry g1."
    assert subjects(repository) == ["Do T1", "Do T2"]
    assert git(repository.path, "show", f"{repository.branch}:app.py") == "print('app')"


async def test_another_thing_in_the_place_of_a_repository_is_left_alone(tmp_path: Path) -> None:
    repository = await opened(tmp_path)
    shutil.rmtree(repository.path)
    persons(repository.path)

    kept = await delivered(repository, "T1", {"one.py": "x = 1\n"})
    await close_repository(repository)
    with pytest.raises(WorkspaceError, match="is not the repository that ATOS made"):
        await reopen_repository(repository, TEXT)

    assert "is no longer the repository of this goal" in kept.trouble
    assert git(repository.path, "branch", "--format=%(refname:short)") == "dev"


async def test_a_worktree_and_a_branch_of_a_task_that_were_deleted_are_made_again(
    repository: Repository,
) -> None:
    shutil.rmtree(await open_worktree(repository, "T2"))
    await repository.git.run("update-ref", "-d", "refs/heads/task/T2")

    found = await delivered(repository, "T2", {"two.py": "x = 2\n"})

    assert found.trouble == ""
    assert subjects(repository) == ["Do T1", "Do T2"]


# Branches of candidates, and of a goal that came to nothing ----------------------------------------


async def test_a_candidate_that_the_person_has_worked_on_is_theirs(repository: Repository) -> None:
    first, second = await keep_candidates(repository, "T2", [{"b.py": "1\n"}, {"b.py": "2\n"}])
    git(repository.path, "checkout", "-q", first)
    mine = commit(repository, "b.py", "mine\n")
    git(repository.path, "checkout", "-q", repository.branch)

    again = await keep_candidates(repository, "T2", [{"b.py": "3\n"}])
    git(repository.path, "checkout", "-q", second)
    await drop_candidates(repository, "T2")

    assert again == [second]
    assert git(repository.path, "rev-parse", first) == mine
    assert git(repository.path, "show", f"{second}:b.py") == "3"


async def test_the_branch_of_a_goal_that_came_to_nothing_stays_if_the_person_committed_there(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path, persons(tmp_path / "theirs"))
    git(repository.path, "checkout", "-q", repository.branch)
    commit(repository, "mine.py", "mine = 1\n")
    again = await reopen_repository(repository, TEXT)

    git(repository.path, "checkout", "-q", "dev")
    await close_repository(again)

    assert subjects(repository) == ["By hand"]


# Trouble that passes, and kills --------------------------------------------------------------------


async def test_an_index_that_another_git_has_locked_is_waited_for(repository: Repository) -> None:
    lock = repository.path / ".git" / "index.lock"
    lock.write_text("")
    await work(repository, "T2", {"two.py": "x = 2\n"})

    with pytest.raises(BusyError, match=r"another git holds .*index\.lock") as busy:
        await integrated(repository, "T2")
    assert lock.exists()
    lock.unlink()
    found = await publish(repository)

    assert busy.value.retry
    assert found.trouble == ""
    assert subjects(repository) == ["Do T1", "Do T2"]


async def test_an_index_lock_that_goes_away_while_it_is_looked_at_is_nobodys_trouble(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object) -> None:
        raise FileExistsError

    await work(repository, "T2", {"two.py": "x = 2\n"})
    with monkeypatch.context() as another_git:
        another_git.setattr(os, "link", taken)
        with pytest.raises(BusyError, match=r"another git holds .*index\.lock"):
            await integrated(repository, "T2")

    assert (await publish(repository)).trouble == ""


async def test_a_git_that_can_not_be_started_is_waited_for(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(UnreachableError, match="git rev-parse could not be started") as away:
        await publish(repository)

    assert away.value.retry


async def test_a_lack_of_descriptors_is_not_taken_for_a_folder_that_is_gone(
    tmp_path: Path,
) -> None:
    repository = await opened(tmp_path, None)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            is_standing(repository)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert is_standing(repository)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("error: unable to write file: No space left on device", NoSpaceError),
        ("error: unable to open a.py: Too many open files", BusyError),
        ("fatal: Unable to create '/x/.git/packed-refs.lock': File exists.", BusyError),
    ],
)
async def test_what_git_says_of_the_machine_is_not_taken_for_the_goals_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, error: type[Exception]
) -> None:
    program = tmp_path / "git"
    program.write_text(f'#!/bin/sh\necho "{said}" >&2\nexit 128\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(error):
        await Git(tmp_path).run("status")


async def test_a_kill_while_files_are_written_costs_the_person_nothing(
    repository: Repository,
) -> None:
    path, before = repository.path, git(repository.path, "rev-parse", "HEAD")
    await work(repository, "T2", {"one.py": "x = 2\n", "two.py": "x = 2\n"})
    await integrated(repository, "T2")
    after = git(path, "rev-parse", "HEAD")
    git(path, "reset", "-q", "--hard", before)
    commit(repository, "tracked.txt", "old\n")
    now = git(path, "rev-parse", "HEAD")
    # As a kill leaves it: one file half written, one not begun; and a person goes on meanwhile.
    (path / "two.py").write_text("x =")
    (path / "tracked.txt").write_text("changed\n")
    (path / ".git" / "index.lock").write_text("ATOS: g1\n")
    (repository.trees / WRITING).write_text(json.dumps([now, after]))

    found = await publish(repository)

    assert found.trouble == ""
    assert (path / "two.py").read_text() == "x = 2\n"
    assert git(path, "status", "--porcelain").splitlines() == ["M tracked.txt"]
    assert subjects(repository) == ["Do T1", "By hand", "Do T2"]


async def test_after_a_kill_a_file_that_the_person_has_changed_is_theirs(
    repository: Repository,
) -> None:
    path, before = repository.path, git(repository.path, "rev-parse", "HEAD")
    await work(repository, "T2", {"two.py": "x = 2\n"})
    await integrated(repository, "T2")
    after = git(path, "rev-parse", "HEAD")
    git(path, "reset", "-q", "--hard", before)
    (path / "two.py").write_text("mine\n")
    (repository.trees / WRITING).write_text(json.dumps([before, after]))

    found = await publish(repository)

    assert (found.branch, (path / "two.py").read_text()) == (side_of(repository), "mine\n")
