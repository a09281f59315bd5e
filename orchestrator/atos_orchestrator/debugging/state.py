"""What the debug loop needs, what it carries from node to node, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from atos_orchestrator.agents.model_request import Chat
from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.ports import Emit, Json, Steps
from atos_orchestrator.strategies.strategy import Attempt, Strategy
from atos_orchestrator.task import Task
from atos_protocol.goals import Proof, Question


@dataclass(frozen=True, slots=True)
class DebugContext:
    """What the loop needs from outside."""

    task: Task
    workspace: TaskWorkspace
    strategy: Strategy
    steps: Steps
    chat: Chat
    emit: Emit
    goal: str = ""
    """The goal's own words."""
    seeds: tuple[Mapping[str, str], ...] = ()
    """Candidates from outside, as path -> text: handed in by a person or host, or kept from before an
    answer. They are judged before anything is sampled."""
    modules: tuple[str, ...] = ()
    """Top-level modules of the packages that are installed for it."""

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """What the strategy allows for this task."""
        return self.strategy.attempts(self.task.complexity)


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How a debug loop ended."""

    outcome: Literal["done", "needs_help"]
    rounds: int
    """Attempts after the first."""
    files: tuple[str, ...] = ()
    """What to commit, relative to the worktree."""
    passed: int = 0
    failed: int = 0
    """Tests of the last attempt."""
    pool: str = ""
    model: str = ""
    engine: str = ""
    isolation: str = ""
    uid: int | None = None
    interpreter: str = ""
    digest: str = ""
    """With `needs_help`: what failed, in at most 40 lines."""
    proof: Proof = ""
    evidence: str = ""
    """What the accepted code rests on, in words."""
    question: Question | None = None
    """With `needs_help`: the input on which the best candidates differ, if that is what is missing."""
    kept: tuple[Mapping[str, str], ...] = ()
    """With `needs_help`: the best candidates, as path -> text; they are the seeds of what goes on."""


class DebugState(TypedDict):
    """The loop's state: small, JSON, no code. Files are known by the hashes of their drafts."""

    at: int
    """Index of the current attempt."""
    rounds: int
    """Attempts after the first."""
    draft: dict[str, str]
    """Path -> hash of what this attempt wrote; empty where it was rejected."""
    model_tests: dict[str, str]
    """The same for tests that the model wrote along with its code."""
    tests: dict[str, str]
    """The same for the tests that the tester wrote before the code."""
    tests_version: int
    tests_proven: bool
    """Whether the acceptance tests are known to fail on wrong code."""
    fault: str
    """Why the last node was not satisfied; empty where it was."""
    signature: str
    """Identifies the last failure."""
    seen: list[str]
    """Failure and code of every attempt so far; a repetition means that the loop is stuck."""
    passed: int
    best: int
    """The attempt that passed most tests: repairs start from it. -1 before there is one."""
    best_draft: dict[str, str]
    best_passed: int
    best_fault: str
    reflection: Json
    verdict: Json
    """Of the last run of the acceptance tests."""
    keep_model_tests: bool
    model: Json
    """`pool`, `model` and `engine` of the last attempt."""
    outcome: Json
    """A `TaskResult`; only the last node writes it."""


def first_state(*, tests_proven: bool) -> DebugState:
    """Return the state in which a loop starts."""
    return DebugState(
        at=0,
        rounds=0,
        draft={},
        model_tests={},
        tests={},
        tests_version=0,
        tests_proven=tests_proven,
        fault="",
        signature="",
        seen=[],
        passed=0,
        best=-1,
        best_draft={},
        best_passed=-1,
        best_fault="",
        reflection={},
        verdict={},
        keep_model_tests=False,
        model={},
        outcome={},
    )


def with_verdict(state: DebugState, verdict: Mapping[str, Any]) -> Json:
    """Return how a verdict on this attempt changes the state.

    The attempt becomes the best one unless an earlier one passed more tests: a repair that lowers the
    number is dropped.
    """
    passed = int(verdict["passed"])
    fault = "" if verdict["ok"] else str(verdict["digest"] or verdict["state"])
    change: Json = {"verdict": dict(verdict), "passed": passed, "fault": fault}
    if passed >= state["best_passed"]:
        change |= {
            "best": state["at"],
            "best_draft": state["draft"],
            "best_passed": passed,
            "best_fault": fault,
        }
    return change
