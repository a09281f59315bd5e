"""Continues a class that lacks a method which the goal asks for. Pure.

A small model ends a class before its last method: of five replies to a goal with `put`, `get`, `keys`, `delete`,
`len()` and `in`, all five lacked one of them, and three lacked nothing else. So the reply is begun once more, with
what there is of it and the head of the missing method: the engine has read all of that already.
"""

from __future__ import annotations

import ast

from atos_orchestrator.debugging.sources import method_names, parse_source
from atos_orchestrator.planning.brief.special_methods import special_methods
from atos_orchestrator.task import Task, classes_of, name_of, parameters_of

MOST_METHODS = 4
"""Methods that are added to one reply."""


def unfinished_class(source: str, task: Task, wanted: str) -> tuple[str, str]:
    """Return the missing method's name, and the file up to and with its head; empty texts where none is missing.

    Only of a file that ends in its one class: elsewhere a method can't be added at the end.

    Args:
        source: the file.
        task: what was asked for.
        wanted: the goal's words, which may speak of special methods (`len()` of it).
    """
    tree, classes = parse_source(source), classes_of(task)
    last = tree.body[-1] if tree and tree.body else None
    if tree is None or len(classes) != 1 or not isinstance(last, ast.ClassDef):
        return "", ""
    known = _names_of(last)
    heads = [head for head in task.signatures if head not in classes]
    beside = any(isinstance(node, ast.FunctionDef) for node in tree.body)
    if beside or not known & {name_of(head) for head in heads}:
        heads = []  # those may be functions beside the class
    inherits = any(ast.unparse(base) != "object" for base in last.bases)
    names = [name for each in special_methods(wanted) for name in each.split(" and ")]
    missing = [(name_of(head), _head_of(head)) for head in heads if name_of(head) not in known] + [
        (name, f"def {name}(self") for name in names if name not in known
    ]
    if not missing or inherits or last.name != name_of(classes[0]):
        return "", ""
    name, head = missing[0]
    indent = " " * (last.body[0].col_offset or 4)
    return name, f"{source.rstrip()}\n\n{indent}{head}"


def _head_of(signature: str) -> str:
    """Return the line that begins a method; of a bare name what comes before its further parameters."""
    name, parameters = name_of(signature), signature.partition("(")[2].rpartition(")")[0]
    if "(" not in signature:
        return f"def {name}(self"
    given = f"self, {parameters}" if parameters_of(signature) else "self"
    return f"def {name}({given}):\n"


def _names_of(node: ast.ClassDef) -> frozenset[str]:
    """Return what a class has by name: methods, attributes of the class, and of its instances."""
    found: set[str] = set()
    for each in ast.walk(node):
        match each:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found.add(each.name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case _:
                pass
    return frozenset(found)


def continues(before: str, after: str, name: str) -> bool:
    """Tell whether a reply has added this method, and still is Python."""
    return len(after) > len(before) and name in method_names(after)
