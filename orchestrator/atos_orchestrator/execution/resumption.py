"""What a goal that ended short of success goes on from: pure decisions over the record of its last run.

Tasks that are done stay as they are, and their code is never touched again. What was asked for runs again, and so
does what was left out only because of it. A task that failed for reasons of its own stays failed, with its
question, until somebody answers that too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from atos_orchestrator.execution.answers import assertion_of
from atos_orchestrator.execution.evidence_given import parsed
from atos_orchestrator.execution.goal_input import (
    MAX_MODEL_CALLS,
    MAX_SECONDS,
    GoalInput,
    GoalRecord,
    Limits,
    Resumption,
)
from atos_orchestrator.plan import Plan, order
from atos_orchestrator.task import Task
from atos_orchestrator.time_spent import Work
from atos_protocol.errors import BadRequestError, ConflictError, NotFoundError

MAX_FIX_BYTES = 256 * 1024

Seeds = tuple[Mapping[str, str], ...]


def answered(record: GoalRecord, task_id: str, answer: str) -> tuple[Resumption, str]:
    """Return what goes on with an answer as one more example of a task, and that example.

    Raises:
        BadRequestError: it is no answer.
        ConflictError: the task is done.
        NotFoundError: there is no such task.
    """
    plan, task = _open_task(record, task_id)
    result = record.outcomes[task_id].result if task_id in record.outcomes else None
    example = assertion_of(answer, result.question if result else None)
    examples = tuple(dict.fromkeys((*task.examples, example)))
    tasks = tuple(replace(t, examples=examples) if t.id == task_id else t for t in plan.tasks)
    return _resumption(record, replace(plan, tasks=tasks), {task_id}), example


def fixed(record: GoalRecord, task_id: str, files: Mapping[str, str]) -> tuple[Resumption, str]:
    """Return what goes on with code that was handed in for a task, and a sentence about it.

    A file that is left out is taken from the best candidate of the last run.

    Raises:
        BadRequestError: the files are not this task's, or not all of them, or no Python.
        ConflictError: the task is done.
        NotFoundError: there is no such task.
    """
    plan, task = _open_task(record, task_id)
    kept = _kept(record, task_id)
    best: Mapping[str, str] = kept[0] if kept else {}
    fix = {name: text for name, text in best.items() if name in task.files} | dict(files)
    _check_fix(task, files, fix)
    resumption = _resumption(record, plan, {task_id})
    seeds = {**resumption.seeds, task_id: (fix, *kept)}
    return replace(resumption, seeds=seeds), f"code for {task_id}: {', '.join(files)}"


def retried(record: GoalRecord) -> tuple[Resumption, str]:
    """Return what goes on with everything that is not done.

    Where every task is done, only the end runs again: a person has changed something, such as the repository.
    """
    if record.plan is None:
        return Resumption(repository=record.repository), "once more, from the plan on"
    undone = {task.id for task in record.plan.tasks if not _is_done(record, task.id)}
    return _resumption(record, record.plan, undone), "once more"


def next_input(record: GoalRecord, resumption: Resumption, *, used: Work) -> GoalInput:
    """Return the argument of the goal's next run; its limits begin anew.

    Args:
        record: of the last run.
        resumption: what it starts from.
        used: by the goal so far.
    """
    before = record.goal_input
    return replace(
        before,
        limits=Limits(used.seconds + MAX_SECONDS, used.model_calls + MAX_MODEL_CALLS),
        revision=before.revision + 1,
        resumed=resumption,
    )


def tasks_that_run(resumption: Resumption) -> tuple[str, ...]:
    """Return the tasks that a resumed goal runs again or for the first time."""
    tasks = resumption.plan.tasks if resumption.plan else ()
    return tuple(task.id for task in tasks if task.id not in resumption.settled)


def _open_task(record: GoalRecord, task_id: str) -> tuple[Plan, Task]:
    plan = record.plan or Plan(())
    names = [task.id for task in plan.tasks]
    if task_id not in names:
        message = f"goal {record.goal_input.goal} has no task {task_id[:80]!r}"
        step = f"It has: {', '.join(names)}." if names else "It has no plan: use retry_goal."
        raise NotFoundError(message, next_step=step)
    if _is_done(record, task_id):
        message = f"task {task_id} is done; code that passed is not touched again"
        raise ConflictError(message, next_step="Start a goal that says what to change.")
    return plan, plan.task(task_id)


def _is_done(record: GoalRecord, task_id: str) -> bool:
    outcome = record.outcomes.get(task_id)
    return outcome is not None and outcome.state == "done"


def _kept(record: GoalRecord, task_id: str) -> Seeds:
    outcome = record.outcomes.get(task_id)
    return outcome.result.kept if outcome and outcome.result else ()


def _resumption(record: GoalRecord, plan: Plan, asked: Collection[str]) -> Resumption:
    """Return a resumption in which the asked tasks run, and what waits for nothing else."""
    again: set[str] = set()
    for task_id in order(plan):
        outcome = record.outcomes.get(task_id)
        needs = plan.task(task_id).depends_on
        blocked = any(need not in again and not _is_done(record, need) for need in needs)
        left_out = outcome is None or outcome.state in {"skipped", "cancelled"}
        if task_id in asked or (left_out and not blocked):
            again.add(task_id)
    settled = {name: each for name, each in record.outcomes.items() if name not in again}
    seeds = {name: kept for name in sorted(again) if (kept := _kept(record, name))}
    return Resumption(plan, settled, seeds, record.repository)


def _check_fix(task: Task, given: Mapping[str, str], fix: Mapping[str, str]) -> None:
    own = ", ".join(task.files)
    if strange := sorted(set(given) - set(task.files)):
        message = f"{', '.join(strange)[:300]} is not a file of task {task.id}"
        raise BadRequestError(message, next_step=f"Its files are: {own}.")
    if missing := [name for name in task.files if not fix.get(name, "").strip()]:
        message = f"task {task.id} also needs {', '.join(missing)}"
        raise BadRequestError(message, next_step=f"Hand in all of its files: {own}.")
    size = sum(len(text.encode(errors="replace")) for text in given.values())
    if size > MAX_FIX_BYTES:
        message = f"the files have {size} bytes; at most {MAX_FIX_BYTES} fit"
        raise BadRequestError(message, next_step="Hand in smaller files.")
    for name, text in given.items():
        if name.endswith(".py"):
            parsed(text, name)
