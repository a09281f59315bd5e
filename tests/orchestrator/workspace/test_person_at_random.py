"""A person who does anything at all in a goal's repository, at random; each course is replayed by its seed."""

import os
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from atos_orchestrator.workspace import (
    Publication,
    Repository,
    close_repository,
    integrate,
    publish,
)
from atos_orchestrator.workspace.opening import reopen_repository
from atos_orchestrator.workspace.publication import effects
from doubles.goal_repository import git, opened, work

SEEDS = range(int(os.environ.get("SEEDS", "2")))
TASKS = 6


@dataclass
class Person:
    """Somebody at work; what git refuses them is not done."""

    repository: Repository
    chance: random.Random
    done: list[str] = field(default_factory=list[str])

    @property
    def path(self) -> Path:
        return self.repository.path

    def act(self, number: int) -> None:
        action = self.chance.choice(ACTIONS)
        self.done.append(action.__name__)
        with suppress(AssertionError, FileNotFoundError, IsADirectoryError):
            action(self, number)

    def write(self, name: str) -> str:
        (self.path / name).write_text(f"mine = {self.chance.random()}\n")
        return name

    def commits_a_file(self, number: int) -> None:
        git(self.path, "add", self.write(f"mine{number}.py"))
        git(self.path, "commit", "-q", "-m", "By hand")

    def commits_the_file_of_a_task(self, number: int) -> None:
        git(self.path, "add", self.write(f"part{number}.py"))
        git(self.path, "commit", "-q", "-m", "By hand")

    def changes_a_file(self, number: int) -> None:
        self.write(f"part{self.chance.randrange(1, number + 2)}.py")

    def stages_a_file(self, number: int) -> None:
        git(self.path, "add", self.write(f"part{self.chance.randrange(1, number + 2)}.py"))

    def removes_a_file(self, number: int) -> None:
        (self.path / f"part{self.chance.randrange(1, number + 1)}.py").unlink()

    def switches_the_branch(self, number: int) -> None:
        git(self.path, "checkout", "-q", "-b", f"feature{number}")

    def looks_at_the_goal(self, _: int) -> None:
        git(self.path, "checkout", "-q", self.repository.branch)

    def looks_at_the_side(self, _: int) -> None:
        side = "atos/add-two" if self.repository.own else "atos/add-two-kept"
        git(self.path, "checkout", "-q", side)

    def amends(self, _: int) -> None:
        git(self.path, "commit", "-q", "-a", "--amend", "--no-edit")

    def sets_back(self, _: int) -> None:
        git(self.path, "reset", "-q", "--keep", "HEAD^")

    def reverts(self, _: int) -> None:
        git(self.path, "revert", "--no-edit", "HEAD")

    def removes_the_goals_branch(self, _: int) -> None:
        git(self.path, "branch", "-D", self.repository.branch)

    def begins_a_merge(self, _: int) -> None:
        git(
            self.path, "merge", "--no-commit", "--no-ff", "dev" if not self.repository.own else "@^"
        )

    def commits_everything(self, _: int) -> None:
        git(self.path, "add", "-A")
        git(self.path, "commit", "-q", "-m", "Everything")

    def collects_garbage(self, _: int) -> None:
        git(self.path, "gc", "-q", "--prune=now")


ACTIONS: list[Callable[[Person, int], None]] = [
    Person.commits_a_file,
    Person.commits_the_file_of_a_task,
    Person.changes_a_file,
    Person.stages_a_file,
    Person.removes_a_file,
    Person.switches_the_branch,
    Person.looks_at_the_goal,
    Person.looks_at_the_side,
    Person.amends,
    Person.sets_back,
    Person.reverts,
    Person.removes_the_goals_branch,
    Person.begins_a_merge,
    Person.commits_everything,
    Person.collects_garbage,
]


def uncommitted(path: Path) -> dict[str, tuple[bytes | None, str]]:
    """Each file that is not as it was committed: its bytes, and its entry in the index."""
    listed = git(path, "status", "--porcelain", "-uall", "--no-renames")
    names = [line.strip().split(" ", 1)[1].strip() for line in listed.splitlines()]
    return {name: (content(path / name), git(path, "ls-files", "-s", name)) for name in names}


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def branches(path: Path) -> dict[str, str]:
    rows = git(path, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads")
    return dict(row.split(" ", 1) for row in rows.splitlines())


def head(path: Path) -> str:
    return (path / ".git" / "HEAD").read_text()


async def check_published(person: Person, made: set[str]) -> Publication:
    """Publish, and check that nobody has lost anything by it."""
    path, told = person.path, person.done
    before = uncommitted(path), branches(path), head(path)
    found = await publish(person.repository)
    now = branches(path)
    after = {name: (content(path / name), git(path, "ls-files", "-s", name)) for name in before[0]}
    assert (after, head(path)) == (before[0], before[2]), told
    for name, tip in before[1].items():
        kept = [each for each in (name, person.repository.branch, found.branch) if each in now]
        reached = [git(path, "merge-base", tip, now[each]) == tip for each in kept]
        assert any(reached), (name, told)
        ours = name in {person.repository.branch, found.branch} or name.startswith("atos/")
        assert ours or now[name] == tip, (name, told)
    assert effects(git(path, "log", "--format=%B", found.branch), "g1") >= made, told
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["own", "theirs"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_a_person_does_nobody_loses_anything(
    tmp_path: Path, seed: int, kind: str
) -> None:
    into = None
    if kind == "theirs":
        into = tmp_path / "theirs"
        into.mkdir()
        git(into, "init", "-q", "-b", "dev")
        git(into, "commit", "-q", "--allow-empty", "-m", "Mine")
    repository = await opened(tmp_path, into)
    person = Person(repository, random.Random(seed))
    git(repository.path, "checkout", "-q", repository.branch)
    made: set[str] = set()
    for number in range(1, TASKS + 1):
        await work(repository, f"T{number}", {f"part{number}.py": f"x = {number}\n"})
        for _ in range(person.chance.randrange(3)):
            person.act(number)
        await integrate(repository, f"T{number}", key=f"g1:T{number}")
        made.add(f"g1:T{number}")
        await check_published(person, made)
    found = await check_published(person, made)
    await close_repository(repository)

    if found.trouble:
        merge_by_hand(person, found)
    again = await reopen_repository(repository, "Add two numbers")
    last = await check_published(Person(again, person.chance, person.done), made)

    assert (last.trouble, last.branch) == ("", repository.branch), person.done


def merge_by_hand(person: Person, found: Publication) -> None:
    """Do what the goal asks for: finish, commit, and merge."""
    path = person.path
    with suppress(AssertionError):
        person.commits_everything(0)
    with suppress(AssertionError):
        git(path, "checkout", "-q", person.repository.branch)
    git(path, "merge", "-q", "-X", "ours", "-m", "Both", found.branch)
