"""Gives each task of a plan what the goal says about the names that it defines. Pure.

Examples, error clauses and tests are the goal's, or its author's. They go to the task that defines what they
call, so that a plan made by a small model is held to the goal's words and not to the model's own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from atos_orchestrator.plan import MAX_TASK_EXAMPLES, Plan, order
from atos_orchestrator.planning.brief import Brief, read_brief
from atos_orchestrator.planning.brief.code_names import called_name
from atos_orchestrator.planning.brief.command_examples import program_of
from atos_orchestrator.planning.brief.findings import Signature
from atos_orchestrator.planning.brief.spans import parse
from atos_orchestrator.task import ErrorClause, Task
from atos_orchestrator.web_application import companions_of

_IDENTIFIER = re.compile(r"[^\W\d]\w*")


@dataclass(slots=True)
class _Facts:
    """What one task gets."""

    signatures: list[Signature] = field(default_factory=list[Signature])
    examples: list[str] = field(default_factory=list[str])
    errors: list[ErrorClause] = field(default_factory=list[ErrorClause])
    tests: str = ""


def with_facts(plan: Plan, brief: Brief, examples: Sequence[str] = (), tests: str = "") -> Plan:
    """Return the plan with signatures, examples, errors, packages and tests where they belong.

    Args:
        plan: a repaired plan.
        brief: what the rules find in the goal.
        examples: assertions that its author handed in beside it.
        tests: text of a pytest file that its author handed in.
    """
    coding = [task for task in plan.tasks if task.kind == "code"]
    if not coding:
        return plan
    facts = {task.id: _Facts(_signatures(task, brief)) for task in coding}
    notes: list[str] = []
    for source in [*examples, *(each.assertion for each in brief.examples)]:
        name = program_of(source) or called_name(source)
        owner = _owner(name, coding, facts)
        if owner:
            facts[owner].examples.append(source)
        else:
            notes.append(f"no task defines {name}, so an example of it decides about none")
    for clause in brief.errors:
        owner = _owner(clause.name, coding, facts)
        if owner:
            facts[owner].errors.append(clause)
    if tests:
        facts[_tested(tests, plan, coding)].tests = tests
    tasks = [_with(task, facts[task.id], brief) if task in coding else task for task in plan.tasks]
    return replace(plan, tasks=tuple(tasks), notes=(*plan.notes, *dict.fromkeys(notes)))


def _signatures(task: Task, brief: Brief) -> list[Signature]:
    """Return what a task defines: as the goal writes it, or else as its contract does."""
    if task.signatures:
        said = [each for head in task.signatures for each in read_brief(head).signatures]
    else:
        said = list(read_brief(task.contract).signatures)
    by_name = {each.name: each for each in brief.signatures}
    own = [by_name.get(each.name, each) for each in said]
    named = {each.name for each in own}
    module = set(task.files)
    own += [each for each in brief.signatures if each.module in module and each.name not in named]
    return own


def _owner(name: str, tasks: Sequence[Task], facts: Mapping[str, _Facts]) -> str:
    """Return the id of the task that defines a name; empty where that can't be told."""
    if len(tasks) == 1:
        return tasks[0].id
    if not name:
        return ""
    for task in tasks:
        for each in facts[task.id].signatures:
            if name == each.name or name in each.methods:
                return task.id
    for task in tasks:
        if any(PurePosixPath(file).stem == name.lower() for file in task.files):
            return task.id
    mentioning = [task.id for task in tasks if name in _IDENTIFIER.findall(task.contract)]
    return mentioning[0] if mentioning else ""


def _tested(tests: str, plan: Plan, coding: Sequence[Task]) -> str:
    """Return the task that tests decide about: of those whose modules they import, the last to run."""
    tree = parse(tests)
    modules = {
        name
        for node in (ast.walk(tree) if tree else ())
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    files = {f"{name.replace('.', '/')}.py" for name in modules}
    last = {task_id: at for at, task_id in enumerate(order(plan))}
    meant = [task for task in coding if files & set(task.files)] or list(coding)
    return max(meant, key=lambda task: last[task.id]).id


def _with(task: Task, facts: _Facts, brief: Brief) -> Task:
    examples = tuple(dict.fromkeys([*task.examples, *facts.examples]))
    packages = [*task.packages, *brief.packages]
    return replace(
        task,
        signatures=tuple(dict.fromkeys(each.head for each in facts.signatures)) or task.signatures,
        examples=examples[:MAX_TASK_EXAMPLES],
        errors=tuple(dict.fromkeys([*task.errors, *facts.errors])),
        tests=task.tests or facts.tests,
        packages=tuple(dict.fromkeys([*packages, *companions_of(packages)])),
    )
