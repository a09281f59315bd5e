"""How a goal ends: pure decisions over how its tasks and the final verification ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from atos_orchestrator.debugging.state import TaskResult
from atos_orchestrator.execution.step_errors import class_of
from atos_orchestrator.plan import Plan
from atos_protocol.errors import LimitReachedError
from atos_protocol.goals import GoalState, TaskState
from atos_protocol.proof_words import proof_text

Wire = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """How one task ended."""

    state: TaskState
    result: TaskResult | None = None
    error: Wire | None = field(default=None, hash=False)

    @property
    def rounds(self) -> int:
        """Attempts after the first."""
        return self.result.rounds if self.result else 0


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict of the whole repository's tests."""

    ok: bool
    passed: int
    failed: int
    digest: str = ""
    untested: bool = False
    """Whether there is no test in the whole repository, as with a page or another language."""


@dataclass(frozen=True, slots=True)
class GoalOutcome:
    """How a goal ended."""

    state: GoalState
    summary: str
    error: dict[str, Any] | None = field(default=None, hash=False)
    deployment_url: str = ""
    """Where the result answers; empty where it is not deployed."""


def test_files(outcomes: Mapping[str, TaskOutcome]) -> list[str]:
    """Return the test files that the tasks made, relative to the repository."""
    return [
        file
        for outcome in outcomes.values()
        if outcome.state == "done" and outcome.result
        for file in outcome.result.files
        if file.startswith("tests/")
    ]


def goal_outcome(
    plan: Plan,
    outcomes: Mapping[str, TaskOutcome],
    verified: Verification | None,
    place: str,
    goal: str,
) -> GoalOutcome:
    """Decide how a goal ends whose tasks have all settled.

    Args:
        plan: its tasks.
        outcomes: how each ended, by id.
        verified: the verdict on everything together; None when no task was done.
        place: the repository, for the summary.
        goal: its id, for the commands that the next step names.
    """
    done = [task.id for task in plan.tasks if outcomes[task.id].state == "done"]
    summary = f"{len(done)} of {len(plan.tasks)} tasks done"
    if verified is not None:
        summary += f", {_count(verified.passed, 'test')} passed"
        summary += f", {verified.failed} failed" if verified.failed else ""
        summary += f". The repository is {place}"
    summary += "".join(f". {line}" for line in proofs(plan, outcomes))
    wrong = [(task.id, outcomes[task.id]) for task in plan.tasks if task.id not in done]
    results = [outcomes[task_id].result for task_id in done]
    unproven = all(result is not None and result.proof == "unproven" for result in results)
    if not wrong and verified and (verified.ok or (verified.untested and unproven)):
        return GoalOutcome("success", f"{summary}.")
    if not wrong:
        message = "each task passed its own tests, but not all together"
        return GoalOutcome("failed", f"{summary}.", _error("failed", message, _tail(verified)))
    return _unfinished(f"{summary}.", wrong, goal)


def proofs(plan: Plan, outcomes: Mapping[str, TaskOutcome]) -> list[str]:
    """Return what the code of each task that is done rests on, one line each."""
    done = [(task.id, outcomes[task.id].result) for task in plan.tasks if task.id in outcomes]
    return [
        f"{name}: {proof_text(result.proof, result.evidence)}"
        for name, result in done
        if result is not None and result.outcome == "done" and outcomes[name].state == "done"
    ]


def _unfinished(summary: str, wrong: Sequence[tuple[str, TaskOutcome]], goal: str) -> GoalOutcome:
    limited = [each for each in wrong if (each[1].error or {}).get("code") == "limit_reached"]
    failed = [each for each in wrong if each[1].result is not None]
    broken = [each for each in wrong if each[1].error is not None]
    if limited:
        return ended_by(dict(limited[0][1].error or {}), goal, summary)
    if failed and not broken:
        return GoalOutcome("needs_help", summary, _help(failed, goal))
    task_id, outcome = broken[0] if broken else wrong[0]
    if broken and all((each[1].error or {}).get("code") == "workspace" for each in broken):
        # Somebody removed what the task worked in: nothing about its code is known.
        said = (outcome.error or {}).get("message", "")
        step = f"Try it again: atos-client retry {goal}"
        return GoalOutcome(
            "needs_help", summary, _error("workspace", f"task {task_id}: {said}", step)
        )
    error = dict(outcome.error or _error("failed", "it was never started", ""))
    error["message"] = f"task {task_id}: {error['message']}"
    return ended_by(error, goal, summary)


def ended_by(error: Wire, goal: str, summary: str = "") -> GoalOutcome:
    """Decide how a goal ends that an error ends: by the error's class (`step_errors`).

    Args:
        error: as `AtosError.to_wire` gives it.
        goal: its id, for the command of the next step.
        summary: what there is so far; the error's message otherwise.
    """
    code, message = str(error["code"]), str(error["message"])
    if code == LimitReachedError.code:
        return GoalOutcome("limit_reached", summary or message, dict(error))
    if class_of(code) == "verdict":
        return GoalOutcome("failed", summary or message, dict(error))
    step = f"{error.get('next', '')} Then go on: atos-client retry {goal}".strip()
    return GoalOutcome("needs_help", summary or message, dict(error) | {"next": step})


def _help(failed: Sequence[tuple[str, TaskOutcome]], goal: str) -> dict[str, Any]:
    """Say what is missing: the first question, if a task asks one, else the first failure."""
    asking = [each for each in failed if each[1].result and each[1].result.question]
    task_id, outcome = (asking or failed)[0]
    result, place = outcome.result, f"{goal}/{task_id}"
    assert result is not None
    if result.question is not None and result.question.text:
        more = f" ({_count(len(asking) - 1, 'more question')})" if len(asking) > 1 else ""
        step = f"Answer it: atos-client answer {place} 1 (or another number, value or example)"
        return _error("needs_help", f"task {task_id} asks: {result.question.text}{more}", step)
    message = f"task {task_id} did not pass its tests in {outcome.rounds + 1} attempts"
    step = (
        f"Look at it: atos-client debug {place}. Then give an example: atos-client answer {place}"
        f" 'f(1) == 2', or code: atos-client fix {place} FILE"
    )
    return _error("needs_help", f"{message}: {result.digest}", step)


def _error(code: str, message: str, step: str) -> dict[str, Any]:
    return {"code": code, "message": message, "next": step}


def _tail(verified: Verification | None) -> str:
    return verified.digest[-1500:] if verified else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def execution_record(
    goal: str,
    plan: Plan,
    outcomes: Mapping[str, TaskOutcome],
    verified: Verification | None,
    *,
    engine: str,
    models: str,
    packages: Sequence[str] = (),
) -> str:
    """Return the execution log that the repository keeps.

    It contains no times and no ids, so an interrupted goal leaves the same tree as one that was not; the
    events have the times.
    """
    lines = ["# Execution log", "", "Goal:", "", *(f"> {line}" for line in goal.splitlines())]
    lines += ["", f"Engine: {engine}. Models: {models}.", ""]
    lines += ["| task | what | files | complexity | result | rounds | tests |", "|" + "---|" * 7]
    lines += [_row(plan, task_id, outcomes) for task_id in (task.id for task in plan.tasks)]
    if rests := proofs(plan, outcomes):
        lines += ["", "What the code rests on:", "", *(f"* {line}" for line in rests)]
    if plan.notes:
        lines += ["", "The plan was repaired:", "", *(f"* {note}" for note in plan.notes)]
    if verified is not None:
        lines += ["", f"All together: {verified.passed} passed, {verified.failed} failed."]
    if packages:
        lines += ["", f"Packages: {', '.join(packages)}."]
    return "\n".join(lines) + "\n"


def _row(plan: Plan, task_id: str, outcomes: Mapping[str, TaskOutcome]) -> str:
    task, outcome = plan.task(task_id), outcomes[task_id]
    tests = f"{outcome.result.passed} passed" if outcome.result else ""
    cells: list[Any] = [task_id, task.title.replace("|", "\\|"), ", ".join(task.files)]
    cells += [task.complexity, outcome.state, outcome.rounds, tests]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
