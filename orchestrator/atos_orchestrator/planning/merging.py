"""Merges the tasks of a plan that write one file: one model call sees the whole file. Pure.

Two tasks stay apart, and take turns (`serialise`), where merging is impossible:

* their kinds differ, such as a page of documentation and code;
* together they would write more than `MAX_FILES` files;
* a third task depends on one of them and the other on it: merged, they would wait for themselves;
* both have tests that were handed in;
* they share the file of their tests only (`a/b.py` and `a_b.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from atos_orchestrator.plan import (
    MAX_CONTRACT,
    MAX_EXAMPLES,
    MAX_FILES,
    MAX_TASK_EXAMPLES,
    MAX_TITLE,
    Plan,
    order,
)
from atos_orchestrator.task import Task, owned_files
from atos_protocol.goals import COMPLEXITIES


def title_key(title: str) -> str:
    """Return what two titles must share to be the same."""
    return re.sub(r"\W+", " ", title.lower()).strip()


def merge(tasks: Sequence[Task]) -> tuple[list[Task], list[str]]:
    """Return the tasks with those merged that write one file, and a note for each merger.

    The plan must have no cycle; it has none afterwards.
    """
    merged, notes = list(tasks), list[str]()
    while pair := _first_pair(merged):
        first, second = pair
        shared = next(file for file in first.files if file in second.files)
        notes.append(f"{first.id} and {second.id} are one task, because both write {shared}")
        merged = _joined(merged, first, second)
    return merged, notes


def _first_pair(tasks: Sequence[Task]) -> tuple[Task, Task] | None:
    for first, second in combinations(tasks, 2):
        shared = set(first.files) & set(second.files)
        if shared and _may_merge(first, second) and not _third_between(first, second, tasks):
            return first, second
    return None


def _may_merge(first: Task, second: Task) -> bool:
    both_tested = bool(first.tests and second.tests)
    files = set(first.files) | set(second.files)
    return first.kind == second.kind and len(files) <= MAX_FILES and not both_tested


def _third_between(first: Task, second: Task, tasks: Sequence[Task]) -> bool:
    """Return whether one task needs the other by way of a third."""
    known = {task.id: task for task in tasks}

    def reaches(start: Task, goal: Task) -> bool:
        open_ones = [each for each in start.depends_on if each != goal.id]
        seen: set[str] = set()
        while open_ones:
            each = open_ones.pop()
            if each == goal.id:
                return True
            if each not in seen:
                seen.add(each)
                open_ones += known[each].depends_on
        return False

    return reaches(first, second) or reaches(second, first)


def _joined(tasks: Sequence[Task], first: Task, second: Task) -> list[Task]:
    """Return the tasks with the second in the first, and everybody's dependencies following."""
    taken = {title_key(task.title) for task in tasks if task not in (first, second)}
    one = _one(first, second, taken)
    return [
        replace(task, depends_on=_followed(task, first.id, second.id))
        for task in (one if task is first else task for task in tasks if task is not second)
    ]


def _followed(task: Task, kept: str, gone: str) -> tuple[str, ...]:
    deps = dict.fromkeys(kept if each == gone else each for each in task.depends_on)
    return tuple(each for each in deps if each != task.id)


def _one(first: Task, second: Task, taken: set[str]) -> Task:
    title = f"{first.title} and {second.title}"
    if len(title) > MAX_TITLE or title_key(title) in taken:
        title = first.title
    contracts = [
        first.contract,
        *([second.contract] if second.contract not in first.contract else []),
    ]
    return replace(
        first,
        title=title,
        files=_union(first.files, second.files),
        depends_on=_union(first.depends_on, second.depends_on),
        contract="\n".join(filter(None, contracts))[:MAX_CONTRACT].strip(),
        acceptance=_union(first.acceptance, second.acceptance)[:MAX_EXAMPLES],
        signatures=_union(first.signatures, second.signatures),
        examples=_union(first.examples, second.examples)[:MAX_TASK_EXAMPLES],
        errors=tuple(dict.fromkeys([*first.errors, *second.errors])),
        tests=first.tests or second.tests,
        packages=_union(first.packages, second.packages),
        complexity=max(first.complexity, second.complexity, key=COMPLEXITIES.index),
    )


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *second]))


def serialise(tasks: Sequence[Task]) -> tuple[list[Task], list[str]]:
    """Let tasks that still write one file take turns: the later one waits for the earlier one.

    It adds edges along an order that exists, so it makes no cycle.
    """
    known, notes = {task.id: task for task in tasks}, list[str]()
    before: dict[str, set[str]] = {}
    last_writer: dict[str, str] = {}
    for task_id in order(Plan(tuple(tasks))):
        task = known[task_id]
        earlier = set(task.depends_on).union(*(before[each] for each in task.depends_on))
        for file in owned_files(task):
            writer = last_writer.get(file)
            if writer and writer not in earlier:
                earlier |= before[writer] | {writer}
                task = replace(task, depends_on=(*task.depends_on, writer))
                notes.append(f"{task_id} now depends on {writer}, because both write {file}")
            last_writer[file] = task_id
        before[task_id], known[task_id] = earlier, task
    return list(known.values()), notes
