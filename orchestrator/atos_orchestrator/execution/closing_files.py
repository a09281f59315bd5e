"""What a finished goal's repository gets at its end: README and requirements, where they are ATOS's to write.

A README is replaced only in a repository that ATOS made, and only while it is still the scaffold's: a
person's README, one that a task wrote, and one that somebody changed meanwhile stay as they are. A
requirements.txt is added where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from atos_orchestrator.execution.result_aggregator import TaskOutcome, Verification
from atos_orchestrator.plan import Plan
from atos_orchestrator.planning.packages import requirements_text
from atos_orchestrator.workspace.readme import FinishedGoal, FinishedTask, finished_readme
from atos_orchestrator.workspace.repository import GOAL_BRANCH, Repository
from atos_orchestrator.workspace.scaffold import scaffold
from atos_protocol.packages import PackagesReport

README = "README.md"
REQUIREMENTS = "requirements.txt"
MOST_SOURCES = 50
"""Python files that are looked through for one that runs."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of a goal whose tasks have settled."""

    text: str
    plan: Plan
    outcomes: Mapping[str, TaskOutcome]
    verified: Verification | None
    installed: PackagesReport


async def closing_files(repository: Repository, ending: Ending) -> dict[str, str]:
    """Return path -> text of what is to be committed with the execution log."""
    files: dict[str, str] = {}
    requirements = requirements_text(ending.installed)
    if requirements and not await _standing(repository, REQUIREMENTS):
        files[REQUIREMENTS] = requirements
    if await _is_scaffold(repository, ending.text):
        sources = await _sources(repository, ending)
        files[README] = finished_readme(finished_goal(repository.slug, ending, sources))
    return files


def versions(installed: PackagesReport) -> tuple[str, ...]:
    """Return the packages that the goal asked for, as people write them: `flask 3.1.0`."""
    return tuple(f"{p.name} {p.version}" for p in installed.packages if p.requested)


def finished_goal(slug: str, ending: Ending, sources: Mapping[str, str]) -> FinishedGoal:
    """Return what the README tells. Pure."""
    verified = ending.verified
    return FinishedGoal(
        slug=slug,
        text=ending.text,
        tasks=tuple(_finished(ending, task.id, task.title) for task in ending.plan.tasks),
        sources=sources,
        packages=versions(ending.installed),
        passed=verified.passed if verified else 0,
        failed=verified.failed if verified else 0,
    )


def _finished(ending: Ending, task_id: str, title: str) -> FinishedTask:
    outcome = ending.outcomes[task_id]
    if (result := outcome.result) is None:
        return FinishedTask(task_id, title, outcome.state)
    return FinishedTask(
        task_id, title, outcome.state, result.files, result.proof, result.evidence, result.passed
    )


async def _standing(repository: Repository, path: str) -> str:
    """Return a file of the goal's branch; an empty text where there is none."""
    return await repository.git.value("show", f"{GOAL_BRANCH}:{path}")


async def _is_scaffold(repository: Repository, text: str) -> bool:
    if not repository.own:
        return False
    ours = scaffold(repository.slug, text)[README]
    try:
        seen = await anyio.Path(repository.path / README).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return seen == ours and await _standing(repository, README) == ours.strip()


async def _sources(repository: Repository, ending: Ending) -> dict[str, str]:
    # in the plan's order: tasks end in another one after a crash, and the page must stay the same
    settled = [ending.outcomes[task.id] for task in ending.plan.tasks]
    done = [each.result for each in settled if each.state == "done" and each.result]
    paths = [path for result in done for path in result.files]
    wanted = [p for p in paths if p.endswith(".py") and not p.startswith("tests/")]
    return {path: await _standing(repository, path) for path in wanted[:MOST_SOURCES]}
