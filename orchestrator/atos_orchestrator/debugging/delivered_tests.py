"""The test file that stays in the repository: the assertions that decided, as pytest functions. Pure."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import dropwhile, takewhile

from atos_orchestrator.debugging.assertions import Assertion
from atos_orchestrator.debugging.file_rows import touches_files
from atos_orchestrator.debugging.sources import parse_source
from atos_orchestrator.web_application import asked_of_module, sends_something

_TITLES = {
    "example": "The goal's own examples.",
    "error": "Errors that the goal asks for.",
    "tester": "Written by a model before the code, and confirmed by independent candidates.",
    "round_trip": "What one function makes, the other undoes.",
    "agreed": "Values that independent candidates give; nobody else has confirmed them.",
}
_FRESH = '''
@pytest.fixture(autouse=True)
def fresh_application():
    """Each test asks an application to which nothing has been sent yet."""
    importlib.reload({module})'''.lstrip()


def render_tests(
    files: Sequence[str], assertions: Sequence[Assertion]
) -> tuple[str, dict[str, int]]:
    """Return a pytest file with one test per assertion, and test name -> index of its assertion.

    Args:
        files: the modules under test.
        assertions: what they must hold; every one of them parses.
    """
    body: list[str] = []
    names: dict[str, int] = {}
    for origin, title in _TITLES.items():
        rows = [at for at, row in enumerate(assertions) if row.origin == origin]
        if rows:
            body.append(f"# {title}")
        for number, at in enumerate(rows, 1):
            source = assertions[at].source
            name = f"test_{origin}_{number}{_suffix(source)}"
            names[name] = at
            body.append(f"def {name}{_own_folder(source)}\n{_body(source)}")
    needed = dict.fromkeys(line for row in assertions for line in _imports(row.source))
    imports = [f"from {_module(path)} import *" for path in files if path.endswith(".py")]
    if any(sends_something(row.source) for row in assertions):
        own = _module(files[0])
        body = [_FRESH.format(module=own), *(asked_of_module(each, own) for each in body)]
        # behind the others: `notes.py` may well define `notes`
        needed, imports = needed | {"import importlib": None}, [*imports, f"import {own}"]
    text = "\n\n\n".join(body)
    head = _head([*needed, *(["import pytest"] if "pytest." in text else [])])
    return "\n".join([*head, *imports]) + f"\n\n\n{text}\n", names


def _module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def _head(lines: Sequence[str]) -> list[str]:
    """Return imports in the usual order, a block for the standard library and one for packages."""
    own = [line for line in lines if _root(line) in sys.stdlib_module_names]
    blocks = (own, [line for line in lines if line not in own])
    return ["\n".join(sorted(block, key=_root)) + "\n" for block in blocks if block]


def _root(line: str) -> str:
    return line.split()[1].rstrip(",").partition(".")[0]


def _imports(source: str) -> list[str]:
    """Return the imports with which an assertion begins; they stand at the head of the file."""
    tree = parse_source(source)
    leading = takewhile(_is_import, tree.body if tree else ())
    return [ast.unparse(each) for each in leading]


def _is_import(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _suffix(source: str) -> str:
    """Return the name of the first function that an assertion calls, so that a failure says where."""
    tree = parse_source(source)
    other = {"raises", *(line.split()[-1] for line in _imports(source))}
    for node in ast.walk(tree) if tree else ():
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id not in other
        ):
            return "_" + re.sub(r"\W", "", node.func.id).lower()
    return ""


def _own_folder(source: str) -> str:
    """Return the end of a test's head; a test that writes a file does so in a folder of its own."""
    if not touches_files(source):
        return "():"
    return "(tmp_path, monkeypatch):\n    monkeypatch.chdir(tmp_path)"


def _body(source: str) -> str:
    tree = parse_source(source)
    statements = dropwhile(_is_import, tree.body if tree else ())
    lines = [line for statement in statements for line in _rendered(statement)]
    return "\n".join(f"    {line}" for line in lines)


def _rendered(statement: ast.stmt) -> Iterable[str]:
    if isinstance(statement, ast.Assert):
        test = statement.test
        if (
            isinstance(test, ast.Call)
            and isinstance(test.func, ast.Name)
            and test.func.id == "raises"
        ):
            error, called = test.args[0], test.args[1]
            if isinstance(called, ast.Lambda):
                return (
                    f"with pytest.raises({ast.unparse(error)}):",
                    f"    {ast.unparse(called.body)}",
                )
        if isinstance(test, ast.Compare) and _needs_tolerance(test):
            wanted = f"pytest.approx({ast.unparse(test.comparators[0])})"
            return (f"assert {ast.unparse(test.left)} == {wanted}",)
    return ast.unparse(statement).splitlines()


def _needs_tolerance(test: ast.Compare) -> bool:
    """Tell whether floats are compared, alone or in a flat collection: deeper `approx` does not go."""
    wanted = test.comparators[0]
    if len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return False
    flat = wanted.elts if isinstance(wanted, ast.List | ast.Tuple) else [wanted]
    if isinstance(wanted, ast.Dict):
        flat = wanted.values
    plain = [item.operand if isinstance(item, ast.UnaryOp) else item for item in flat]
    return all(isinstance(item, ast.Constant) for item in plain) and any(
        isinstance(item, ast.Constant) and isinstance(item.value, float) for item in plain
    )
