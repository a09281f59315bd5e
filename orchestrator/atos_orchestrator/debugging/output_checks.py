"""Cheap checks of a model's files before anything runs; pure but for a look at the worktree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from atos_orchestrator.debugging.sources import defined_names, imported_names, method_names
from atos_orchestrator.debugging.state import DebugContext
from atos_orchestrator.planning.packages import import_fault, undeclared_imports
from atos_orchestrator.task import Task, name_of
from atos_protocol.printable import hidden_character

PLACEHOLDER = re.compile(
    r"^\s*(#|//|<!--|\.\.\.)\s*\(?(\.\.\.\s*)?(the )?(rest|remaining|existing|previous|other|same|unchanged)"
    r"\b.{0,40}\b(code|function|functions|methods|implementation|unchanged|same|here|above|before)\b"
    r"|^\s*#\s*(your code|todo: implement|implement(ation)? (this|here|goes))",
    re.IGNORECASE | re.MULTILINE,
)
SHRINKS_TO = 0.5
HIDES = "has a hidden character"
"""In the fault of code with characters that nobody sees: whoever put them there may have meant harm."""
LONG_ENOUGH = 10
"""Lines below which a file may shrink without limit."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a candidate can't be judged; an empty text where it can."""

    text: str = ""
    mechanical: bool = False
    """Whether it is a matter of syntax or names."""


def candidate_fault(fresh: Mapping[str, str], before: Mapping[str, str], task: Task) -> Fault:
    """Return why files that a model wrote can't stand for a task.

    Args:
        fresh: what it wrote, path -> text.
        before: the files as they were; empty texts where there were none.
        task: what it was asked for.
    """
    for path, text in fresh.items():
        if found := PLACEHOLDER.search(text):
            return Fault(
                f"{path} contains a placeholder instead of code: {found[0].strip()[:80]!r}"
            )
        if hidden := hidden_character(text, code=path.endswith(".py")):
            return Fault(f"{path} {HIDES}, {hidden}: write it as an escape")
        old, new = _lines(before.get(path, "")), _lines(text)
        if old >= LONG_ENOUGH and new < SHRINKS_TO * old:
            return Fault(f"{path} shrank from {old} to {new} lines: the complete file is needed")
        lost = defined_names(before.get(path, "")) - defined_names(text)
        if lost:
            return Fault(f"{path} no longer defines {', '.join(sorted(lost))}", mechanical=True)
    code = [text for path, text in fresh.items() if path.endswith(".py")]
    named = frozenset[str]().union(
        *(defined_names(text) | imported_names(text) | method_names(text) for text in code)
    )
    missing = [name for head in task.signatures if (name := name_of(head)) and name not in named]
    if code and missing and task.kind == "code":
        return Fault(f"{', '.join(missing)} is not defined", mechanical=True)
    return Fault()


async def undeclared_fault(context: DebugContext, files: Mapping[str, str]) -> str:
    """Return which packages the files import though the goal does not name them, or an empty text."""
    task = context.task
    known = [*files, *task.files, *task.reads]
    own = {path.removeprefix("src/").partition("/")[0].removesuffix(".py") for path in known}
    allowed = {*task.packages, *context.modules}
    for path, text in files.items():
        if not path.endswith(".py"):
            continue
        foreign = undeclared_imports(text, allowed, own)
        missing = [name for name in foreign if not await context.workspace.has_module(name)]
        if fault := import_fault(path, missing):
            return fault
    return ""


def _lines(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip())
