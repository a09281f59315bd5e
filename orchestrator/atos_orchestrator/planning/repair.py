"""Repairs what a model (or a host) calls a plan: a pure function of any JSON.

    collect      drop entries that are not tasks, kinds of work that ATOS does itself, and second tasks
                 of one title, whose dependants then depend on the first
    link         dependencies follow; unknown, own and repeated ones go
    files        drop unsafe paths and tests; give a file to a task without one
    cut cycles   remove the edge that points furthest forward
    merge        tasks that write one file are one task (`merging.py` says when they can't be)
    clamp        the number of tasks, and lengths
    number       T1, T2, ...
    serialise    of two tasks that still write one file, the later one waits for the earlier one

Cutting comes first: `merge` and `serialise` work along an order that exists once cycles are cut, and make
no new ones. Every change is a note. A model never sees the repaired plan again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any, cast

from atos_orchestrator.goal import slug
from atos_orchestrator.plan import (
    MAX_CONTRACT,
    MAX_EXAMPLE,
    MAX_EXAMPLES,
    MAX_FILES,
    MAX_PATH,
    MAX_TASK_EXAMPLES,
    MAX_TASKS,
    MAX_TITLE,
    Plan,
)
from atos_orchestrator.planning import given_fields
from atos_orchestrator.planning.brief import read_brief
from atos_orchestrator.planning.merging import merge, serialise, title_key
from atos_orchestrator.task import KINDS, Kind, Task
from atos_protocol.goals import COMPLEXITIES

CHANGED_TOO_MUCH = 0.6
"""Share of tasks whose place in the plan was changed above which a model is asked again."""

MAX_ENTRIES = 50
"""Tasks of a plan that are looked at before those that write one file are merged."""

OWN_WORK = frozenset({"design", "deploy", "setup", "verify", "integrate"})
"""Kinds of work that ATOS does itself, before or after the tasks."""

_SAFE = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*", re.ASCII)
_TEST = re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$|(^|/)conftest\.py$")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Repaired:
    """A valid plan: ids from T1 on, known dependencies, no cycle, no two writers of one file at a time."""

    plan: Plan
    rejected: tuple[str, ...] = ()
    """Why another plan would be better; empty where this one is good."""
    faults: tuple[str, ...] = ()
    """What a trusted author must correct, because it decides about code and can't be used as it is."""


@dataclass(slots=True)
class _Draft:
    """A task before it has its id."""

    raw: Mapping[str, Any]
    title: str
    kind: Kind
    names: list[str]
    """Ids by which other tasks may refer to it."""
    deps: list[str] = field(default_factory=list[str])
    files: list[str] = field(default_factory=list[str])


class _Notes:
    """The changes; `moved` has the tasks whose place changed, `faults` what its author must correct."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.moved: set[str] = set()
        self.faults: list[str] = []

    def add(self, line: str, moved: str = "") -> None:
        self.lines.append(line)
        if moved:
            self.moved.add(moved)


def repair(raw: object, *, trusted: bool = False) -> Repaired:
    """Return a valid plan made from any JSON; `rejected` says why another one would be better.

    Args:
        raw: the plan.
        trusted: whether its author may say what decides about code: `examples`, `tests`, `errors`,
            `packages`, `signatures`, and `acceptance` lines that are examples. A model may not.
    """
    notes = _Notes()
    entries = _entries(raw)
    drafts = _collect(entries, notes)
    if len(drafts) > MAX_ENTRIES:
        notes.add(f"only the first {MAX_ENTRIES} of {len(drafts)} tasks were looked at", "count")
        del drafts[MAX_ENTRIES:]
    ids = {name: f"T{at}" for at, d in reversed(list(enumerate(drafts, 1))) for name in d.names}
    for at, draft in enumerate(drafts, 1):
        draft.deps = _dependencies(draft, f"T{at}", ids, notes)
        draft.files = _files(draft, f"T{at}", notes)
    tasks = [_task(draft, f"T{at}") for at, draft in enumerate(drafts, 1)]
    if trusted:
        tasks = [_given(task, d, notes) for task, d in zip(tasks, drafts, strict=True)]
    tasks, merged = merge(_cut_cycles(tasks, notes))
    tasks, waiting = serialise(_numbered(_clamped(tasks, notes)))
    notes.lines += [*merged, *waiting]
    summary = _text(cast("Mapping[str, Any]", raw).get("summary"), 400) if _is_map(raw) else ""
    plan = Plan(tuple(tasks), summary, tuple(notes.lines))
    rejected = tuple(_rejections(plan, len(entries), notes))
    return Repaired(plan, rejected, tuple(notes.faults))


def _is_map(value: object) -> bool:
    return isinstance(value, Mapping)


def _entries(raw: object) -> list[object]:
    listed = cast("Mapping[str, object]", raw).get("tasks") if isinstance(raw, Mapping) else raw
    return cast("list[object]", listed) if isinstance(listed, list) else []


def _text(value: object, most: int) -> str:
    if not isinstance(value, str | int | float):
        return ""
    plain = "".join(c if c.isprintable() or c == "\n" else " " for c in str(value))
    return plain.strip()[:most].strip()


def _strings(value: object) -> list[str]:
    listed = cast("list[object]", value) if isinstance(value, list) else [value]
    return [str(item) for item in listed if isinstance(item, str | int) and str(item).strip()]


def _collect(entries: list[object], notes: _Notes) -> list[_Draft]:
    by_title: dict[str, _Draft] = {}
    for entry in entries:
        if not isinstance(entry, Mapping):
            notes.add("an entry that is not a task was dropped", "entry")
            continue
        raw = cast("Mapping[str, Any]", entry)
        names = list(_names(raw.get("id")))
        title = _text(raw.get("title"), MAX_TITLE) or f"Task {len(by_title) + 1}"
        kind = _text(raw.get("kind"), 20).lower()
        if kind in OWN_WORK:
            notes.add(f"{title!r} was dropped: ATOS itself does {kind}", title)
            continue
        if kind and kind not in KINDS:
            notes.add(f"{title!r} is treated as a code task")
        key = title_key(title)
        if key in by_title:
            notes.add(f"{title!r} appears twice; the second was dropped", title)
            by_title[key].names += names
            continue
        chosen: Kind = kind if kind in KINDS else "code"
        by_title[key] = _Draft(raw, title, chosen, names)
    return list(by_title.values())


def _names(value: object) -> Iterator[str]:
    """Yield the ways to refer to an id: `1`, `T1` and `t1` are the same."""
    text = str(value).strip() if isinstance(value, str | int) else ""
    if text:
        yield text
        digits = _DIGITS.fullmatch(text.lower().removeprefix("t"))
        if digits:
            yield f"#{int(digits[0])}"


def _dependencies(draft: _Draft, own: str, ids: Mapping[str, str], notes: _Notes) -> list[str]:
    found: list[str] = []
    for name in _strings(draft.raw.get("depends_on") or []):
        known = next((ids[each] for each in _names(name) if each in ids), None)
        if known is None:
            notes.add(f"{own} depended on {name[:20]!r}, which is unknown", own)
        elif known == own:
            notes.add(f"{own} depended on itself", own)
        elif known not in found:
            found.append(known)
    return found


def _files(draft: _Draft, own: str, notes: _Notes) -> list[str]:
    found: list[str] = []
    for path in _strings(draft.raw.get("files") or []):
        clean = path.strip().removeprefix("./")
        if len(clean) > MAX_PATH or not _SAFE.fullmatch(clean):
            notes.add(f"{own} may not write {path[:40]!r}")
        elif draft.kind == "code" and _TEST.search(clean):
            notes.add(f"{own} does not write {clean}: another role writes the tests")
        elif draft.kind == "test" and not _TEST.search(clean):
            notes.add(f"{own} may write only tests, not {clean}")
        elif clean not in found:
            found.append(clean)
    if not found:
        found = [_default_file(draft)]
        notes.add(f"{own} had no file that it may write; it now writes {found[0]}")
    if len(found) > MAX_FILES:
        notes.add(f"{own} keeps only the first {MAX_FILES} of {len(found)} files")
    return found[:MAX_FILES]


def _default_file(draft: _Draft) -> str:
    name = slug(draft.title)
    module = name.replace("-", "_")
    module = module if module[0].isalpha() else f"m_{module}"
    plain = {"code": f"{module}.py", "test": f"tests/test_{module}.py", "docs": f"docs/{name}.md"}
    return plain[draft.kind]


def _task(draft: _Draft, task_id: str) -> Task:
    raw = draft.raw
    acceptance = [_text(line, MAX_EXAMPLE) for line in _strings(raw.get("acceptance") or [])]
    level = _text(raw.get("complexity"), 20)
    return Task(
        id=task_id,
        title=draft.title,
        kind=draft.kind,
        files=tuple(draft.files),
        depends_on=tuple(draft.deps),
        contract=_text(raw.get("contract"), MAX_CONTRACT),
        acceptance=tuple(line for line in acceptance if line)[:MAX_EXAMPLES],
        complexity=level if level in COMPLEXITIES else "simple",
    )


def _given(task: Task, draft: _Draft, notes: _Notes) -> Task:
    """Add what only the plan's author may say; his contract counts as a goal's words do."""
    raw, said = draft.raw, read_brief(task.contract)
    examples, rest, faults = given_fields.examples(
        given_fields.lines(raw.get("examples")), task.acceptance
    )
    examples += [each.assertion for each in said.examples]
    tests, fault = given_fields.tests(raw.get("tests"))
    notes.faults += [f"{task.id}: {each}" for each in [*faults, fault] if each]
    return replace(
        task,
        acceptance=tuple(rest),
        examples=tuple(dict.fromkeys(examples))[:MAX_TASK_EXAMPLES],
        signatures=given_fields.signatures(raw.get("signatures")),
        errors=given_fields.errors(raw.get("errors")) or said.errors,
        tests=tests,
        packages=given_fields.packages(raw.get("packages")),
    )


def _clamped(tasks: list[Task], notes: _Notes) -> list[Task]:
    if len(tasks) <= MAX_TASKS:
        return tasks
    notes.add(f"only the first {MAX_TASKS} of {len(tasks)} tasks are kept", "count")
    kept = {task.id for task in tasks[:MAX_TASKS]}
    return [
        replace(task, depends_on=tuple(each for each in task.depends_on if each in kept))
        for task in tasks[:MAX_TASKS]
    ]


def _numbered(tasks: list[Task]) -> list[Task]:
    """Return the tasks with ids from T1 on, which mergers may have left with gaps."""
    ids = {task.id: f"T{at}" for at, task in enumerate(tasks, 1)}
    return [
        replace(task, id=ids[task.id], depends_on=tuple(ids[each] for each in task.depends_on))
        for task in tasks
    ]


def _cut_cycles(tasks: list[Task], notes: _Notes) -> list[Task]:
    deps = {task.id: list(task.depends_on) for task in tasks}
    place = {task.id: at for at, task in enumerate(tasks)}
    while True:
        try:
            TopologicalSorter(deps).prepare()
        except CycleError as error:
            # graphlib lists a cycle as [a, b, ..., a], each one a dependency of the next.
            cycle: list[str] = error.args[1]
            edges = list(pairwise(cycle))
            dependency, task_id = max(edges, key=lambda edge: place[edge[0]] - place[edge[1]])
            deps[task_id].remove(dependency)
            notes.add(f"{task_id} no longer depends on {dependency}: that was a cycle", task_id)
        else:
            return [replace(task, depends_on=tuple(deps[task.id])) for task in tasks]


def _rejections(plan: Plan, entries: int, notes: _Notes) -> Iterator[str]:
    if not plan.tasks:
        yield "the plan has no task"
    elif not any(task.kind == "code" for task in plan.tasks):
        yield "the plan has no task that writes code"
    if len(notes.moved) >= 3 and len(notes.moved) > CHANGED_TOO_MUCH * entries:
        yield f"{len(notes.moved)} of {entries} tasks were wrong:"
        yield from notes.lines
