"""Cheap checks of a model's files before anything runs; pure but for a look at the worktree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from atos_orchestrator.debugging.state import DebugContext
from atos_orchestrator.planning.packages import import_fault, undeclared_imports

PLACEHOLDER = re.compile(
    r"^\s*(#|//|<!--|\.\.\.)\s*\(?(\.\.\.\s*)?(the )?(rest|remaining|existing|previous|other|same|unchanged)"
    r"\b.{0,40}\b(code|function|functions|methods|implementation|unchanged|same|here|above|before)\b"
    r"|^\s*#\s*(your code|todo: implement|implement(ation)? (this|here|goes))",
    re.IGNORECASE | re.MULTILINE,
)
SHRINKS_TO = 0.5
LONG_ENOUGH = 10
"""Lines below which a file may shrink without limit."""


def code_fault(fresh: Mapping[str, str], before: Mapping[str, str]) -> str:
    """Return why the files `fresh` can't replace those `before`, or an empty text."""
    for path, text in fresh.items():
        if found := PLACEHOLDER.search(text):
            return f"{path} contains a placeholder instead of code: {found[0].strip()[:80]!r}"
        old, new = _lines(before.get(path, "")), _lines(text)
        if old >= LONG_ENOUGH and new < SHRINKS_TO * old:
            return f"{path} shrank from {old} to {new} lines: the complete file is needed"
    if before and dict(fresh) == dict(before):
        return "the repair changed nothing"
    return ""


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


def test_fault(source: str) -> str:
    """Return why a test file can't decide about code, or an empty text.

    These rules only save time: what decides is that the tests fail on a stub.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return f"the tests don't compile: line {error.lineno}: {error.msg}"
    tests = list(_tests(tree))
    if not tests:
        return "there is no test function"
    idle = [test.name for test in tests if not any(_checks(node) for node in ast.walk(test))]
    return f"no assertion that could fail in {', '.join(idle)}" if idle else ""


def _tests(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test"
        ):
            yield node


def _checks(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        constant = isinstance(node.test, ast.Constant)
        compare = node.test if isinstance(node.test, ast.Compare) else None
        same = compare and ast.dump(compare.left) == ast.dump(compare.comparators[0])
        return not constant and not same
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "attr", "")
    return name in {"raises", "warns", "fail"} or name.startswith("assert")
