"""Examples and tests that a caller hands in: checked before a goal is accepted. Pure."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence

from atos_orchestrator.planning import brief
from atos_protocol.errors import BadRequestError

MAX_EXAMPLES = 50
MAX_EXAMPLE_BYTES = 4000
MAX_TESTS_BYTES = 64 * 1024
ACCEPTED = "Write `f(1) -> 2`, `f(1) == 2`, `f(-1) raises ValueError` or `assert f(1) == 2`."


def read_examples(lines: Sequence[str]) -> tuple[str, ...]:
    """Return examples as assertions.

    Raises:
        BadRequestError: one is not an example; the message has its number and text.
    """
    if len(lines) > MAX_EXAMPLES:
        message = f"{len(lines)} examples were given; at most {MAX_EXAMPLES} fit"
        raise BadRequestError(message, next_step="Give the ones that differ most.")
    found: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(read_example(line))
        except BadRequestError as error:
            message = f"example {number} ({line[:120]!r}): {error.message}"
            raise BadRequestError(message, next_step=error.next_step) from error
    return tuple(dict.fromkeys(found))


def read_example(line: str) -> str:
    """Return one example as an assertion.

    Raises:
        BadRequestError: it is not one.
    """
    text = line.strip()
    if len(text.encode(errors="replace")) > MAX_EXAMPLE_BYTES:
        message = f"it is longer than {MAX_EXAMPLE_BYTES} bytes"
        raise BadRequestError(message, next_step="Give a shorter one.")
    return brief.read_example(text)


def check_tests(text: str) -> str:
    """Return the text of a pytest file; empty where none was given.

    Raises:
        BadRequestError: it is too long, is no Python, or has no test function.
    """
    if not text.strip():
        return ""
    size = len(text.encode(errors="replace"))
    if size > MAX_TESTS_BYTES:
        message = f"the tests have {size} bytes; at most {MAX_TESTS_BYTES} fit"
        raise BadRequestError(message, next_step="Hand in the tests that decide.")
    tree = parsed(text, "the file of tests")
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    if not any(isinstance(n, kinds) and n.name.startswith("test") for n in ast.walk(tree)):
        message = "the tests have no function whose name begins with `test`"
        raise BadRequestError(message, next_step="Hand in a file that pytest can run.")
    return text


def module_under_test(tests: str) -> str:
    """Return the path of the file that tests import first; empty where they import only installed modules."""
    known = {*sys.stdlib_module_names, "pytest", "hypothesis", "__future__"}
    for node in ast.walk(ast.parse(tests)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            if name.partition(".")[0] not in known:
                return f"{name.replace('.', '/')}.py"
    return ""


def parsed(text: str, what: str) -> ast.Module:
    """Parse Python that a caller sent.

    Raises:
        BadRequestError: it is none; the message says where.
    """
    try:
        return ast.parse(text)
    except SyntaxError as error:
        message = f"{what} is not Python: {error.msg}, line {error.lineno}"
    except (ValueError, RecursionError, MemoryError) as error:
        message = f"{what} is not Python: {error or 'it is nested too deep'}"
    raise BadRequestError(message, next_step=ACCEPTED if what == "it" else "Correct it.")
