"""What the debug loop carries from node to node: small, JSON, no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from atos_orchestrator.ports import Json


class DebugState(TypedDict):
    """The loop's state; files are known by the hashes of their drafts."""

    at: int
    """Attempt at hand, an index of the ladder."""
    rounds: int
    """Attempts after the first."""
    draft: dict[str, str]
    """Path -> hash of what this attempt wrote; empty where it was refused."""
    own: dict[str, str]
    """The same for tests of atos-mini's own."""
    tests: dict[str, str]
    """The same for the frozen tests of the tester."""
    tests_version: int
    tests_proven: bool
    """Whether the tests were seen to fail on a stub."""
    fault: str
    """Why the last node was not content; empty where it was."""
    signature: str
    """What the last failure looked like."""
    seen: list[str]
    """Failure and code of every attempt so far: one that comes back means being stuck."""
    passed: int
    basis: int
    """Attempt that repairs start from: the one that passed most."""
    basis_draft: dict[str, str]
    basis_passed: int
    basis_fault: str
    reflection: Json
    verdict: Json
    """Of the last run that counts."""
    keep_own: bool
    model: Json
    """`pool`, `model` and `engine` of the last attempt."""
    outcome: Json
    """A `TaskResult`; written by the last node only."""


def first_state() -> DebugState:
    """Return the state in which a loop starts."""
    return DebugState(
        at=0,
        rounds=0,
        draft={},
        own={},
        tests={},
        tests_version=0,
        tests_proven=False,
        fault="",
        signature="",
        seen=[],
        passed=0,
        basis=-1,
        basis_draft={},
        basis_passed=-1,
        basis_fault="",
        reflection={},
        verdict={},
        keep_own=False,
        model={},
        outcome={},
    )


def judged(state: DebugState, verdict: Mapping[str, Any]) -> Json:
    """Return how a verdict on this attempt changes the state.

    The attempt becomes the basis of later repairs unless an earlier one passed more tests: a repair
    that lowers the number is dropped.
    """
    passed = int(verdict["passed"])
    fault = "" if verdict["ok"] else str(verdict["digest"] or verdict["state"])
    change: Json = {"verdict": dict(verdict), "passed": passed, "fault": fault}
    if passed >= state["basis_passed"]:
        change |= {
            "basis": state["at"],
            "basis_draft": state["draft"],
            "basis_passed": passed,
            "basis_fault": fault,
        }
    return change
