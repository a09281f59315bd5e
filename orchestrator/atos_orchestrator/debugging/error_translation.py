"""Code that ends in another error than the stated one is the same as before but for its error. Pure.

Small models look a letter up in a dict and forget that an unknown one ends in KeyError where the goal says
ValueError. Another sample forgets it again. Where a row about a stated error ends in an error of which the goal does
not speak, the function's body is put into a `try` that raises the stated one: no model is asked, and wherever the
function gave a value it gives the same.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping, Sequence

from atos_orchestrator.debugging.facts import Facts, names_in, raised_in
from atos_orchestrator.debugging.sources import defined_names, parse_source

FORGOTTEN = frozenset(
    [
        "AttributeError",
        "IndexError",
        "KeyError",
        "OverflowError",
        "TypeError",
        "UnicodeDecodeError",
        "ValueError",
        "ZeroDivisionError",
    ]
)
"""Errors in which a look-up, a conversion or an operation ends by itself."""
_RAISED = "fail: raised "
_INDENT = "    "

Translations = Mapping[str, Mapping[str, str]]
"""Function -> error that it raises -> error that the goal states."""


def translations(facts: Facts, at: int, functions: Sequence[str]) -> Translations:
    """Return which errors of a candidate's functions stand for stated ones; none where the goal speaks of both."""
    spoken = {raised_in(row.source) for row in facts.assertions}
    found: dict[str, dict[str, str]] = {}
    unclear: set[tuple[str, str]] = set()
    for row, outcome in zip(facts.assertions, facts.columns[at].rows, strict=False):
        error = outcome.removeprefix(_RAISED).partition(":")[0]
        called = names_in(row.source) & frozenset(functions)
        if row.origin != "error" or len(called) != 1 or not outcome.startswith(_RAISED):
            continue
        if error in FORGOTTEN and error not in spoken:
            (name,), stated = called, raised_in(row.source)
            if found.setdefault(name, {}).setdefault(error, stated) != stated:
                unclear.add((name, error))
    for name, error in unclear:
        del found[name][error]
    return {name: errors for name, errors in found.items() if errors}


def may_translate(facts: Facts, at: int, functions: Sequence[str]) -> bool:
    """Tell whether a candidate raises other errors than the stated ones, and nobody has translated them yet.

    A translation is translated again only if it was of use: an error may be raised before the body begins.
    """
    origin = facts.candidates[at].translated
    if origin >= 0 and facts.error_rows(at) <= facts.error_rows(origin):
        return False
    made = any(each.translated == at for each in facts.candidates)
    return not made and bool(translations(facts, at, functions))


def improved(facts: Facts, at: int) -> int:
    """Return what was made of a candidate, if that does whatever it does and raises more stated errors; else it."""
    while (better := _better(facts, at)) >= 0:
        at = better
    return at


def _better(facts: Facts, at: int) -> int:
    for other in facts.usable:
        if facts.candidates[other].origin == at and facts.only_adds(other, at):
            every = range(len(facts.assertions))
            kept = all(
                facts.columns[other].passes(row) for row in every if facts.columns[at].passes(row)
            )
            if kept and facts.error_rows(other) > facts.error_rows(at):
                return other
    return -1


def translated(text: str, errors: Translations) -> str | None:
    """Return a module whose functions raise the stated errors; None where nothing can be changed."""
    tree = parse_source(text)
    if tree is None:
        return None
    lines, known = text.split("\n"), defined_names(text) | frozenset(dir(builtins))
    changed = False
    for node in reversed(tree.body):
        if isinstance(node, ast.FunctionDef) and node.name in errors and not _is_generator(node):
            wanted = {raised: e for raised, e in errors[node.name].items() if e in known}
            changed = bool(wanted and _wrap(lines, node, wanted)) or changed
    return "\n".join(lines) if changed else None


def _wrap(lines: list[str], node: ast.FunctionDef, errors: Mapping[str, str]) -> bool:
    """Put a function's body into a `try`; leave one alone whose lines can't be moved to the right."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body or body[0].lineno <= node.lineno or _has_long_text(body):
        return False
    first, last = body[0].lineno - 1, node.end_lineno or body[-1].lineno
    margin = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    moved = [f"{_INDENT}{line}" if line.strip() else line for line in lines[first:last]]
    caught: list[str] = []
    for stated in dict.fromkeys(errors.values()):
        raised = sorted(each for each, error in errors.items() if error == stated)
        classes = raised[0] if len(raised) == 1 else f"({', '.join(raised)})"
        caught += [
            f"{margin}except {classes} as error:",
            f'{margin}{_INDENT}raise {stated}(f"not valid: {{error}}") from error',
        ]
    lines[first:last] = [f"{margin}try:", *moved, *caught]
    return True


def _has_long_text(body: Sequence[ast.stmt]) -> bool:
    """Tell whether a text goes over several lines: moving them would change it."""
    return any(
        isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno != node.lineno
        for statement in body
        for node in ast.walk(statement)
    )


def _is_generator(node: ast.FunctionDef) -> bool:
    """Tell whether a function yields: its body runs when nobody is in the `try` any more."""
    return any(isinstance(each, ast.Yield | ast.YieldFrom) for each in ast.walk(node))
