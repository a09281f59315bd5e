"""The rules that catalogue code must keep to run on the weakest level, and in split mode at all.

Plain functions and constants, no imports but of one another, nothing that reaches past its
arguments. Not a sandbox by itself: it limits the code to a form whose values can cross to another
process as JSON, and it takes away the names that the seccomp filter would have to catch. Pure.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

NAMES = frozenset(
    {
        "open", "exec", "eval", "compile", "getattr", "setattr", "delattr", "globals", "locals",
        "vars", "dir", "input", "breakpoint", "help", "memoryview", "classmethod",
        "staticmethod", "property", "super", "object", "exit", "quit",
    }
)  # fmt: skip
ATTRIBUTES = frozenset({"mro", "format_map"})
INTROSPECTION = ("gi_", "cr_", "ag_", "tb_", "f_", "co_")
STATEMENTS: dict[type[ast.AST], str] = {
    ast.ClassDef: "a class",
    ast.AsyncFunctionDef: "an async function",
    ast.Await: "await",
    ast.AsyncFor: "async for",
    ast.AsyncWith: "async with",
    ast.Yield: "a generator",
    ast.YieldFrom: "a generator",
    ast.Global: "a global statement",
}
PYTEST = frozenset({"raises", "approx", "mark", "param"})
FROM_PYTEST = frozenset({"raises", "approx", "param"})
MARKS = frozenset({"parametrize"})


def _name_violation(name: str) -> str:
    if name.startswith("__") or name in NAMES:
        return f"the name {name} is not allowed"
    return ""


def _attribute_violation(node: ast.Attribute) -> str:
    name = node.attr
    if name.startswith("_") or name in ATTRIBUTES or name.startswith(INTROSPECTION):
        return f"the attribute {name} is not allowed"
    if name == "format" and not isinstance(node.value, ast.Constant):
        return "format is allowed on a literal only"
    return ""


def _constant_violation(node: ast.Constant) -> str:
    if isinstance(node.value, str) and "__" in node.value:
        return "a text with two underscores in a row is not allowed"
    return ""


def _pattern_violation(node: ast.MatchClass) -> str:
    odd = [name for name in node.kwd_attrs if name.startswith("_")]
    return f"the attribute {odd[0]} is not allowed" if odd else ""


def _type_violation(node: ast.Call) -> str:
    named = isinstance(node.func, ast.Name) and node.func.id == "type"
    return "type with three arguments is not allowed" if named and len(node.args) != 1 else ""


def _violation(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.arg(arg=name):
            return _name_violation(name)
        case ast.keyword(arg=str(name)) | ast.FunctionDef(name=name):
            return _name_violation(name)
        case ast.Attribute():
            return _attribute_violation(node)
        case ast.Constant():
            return _constant_violation(node)
        case ast.MatchClass():
            return _pattern_violation(node)
        case ast.Call():
            return _type_violation(node)
        case _:
            return f"{STATEMENTS[type(node)]} is not allowed" if type(node) in STATEMENTS else ""


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module]
        case ast.ImportFrom():
            return ["."]
        case _:
            return []


def _star(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)


def _import_violations(node: ast.AST, allowed: frozenset[str]) -> Iterator[str]:
    for module in _imported(node):
        if module not in allowed:
            yield f"importing {module} is not allowed"
    if _star(node):
        yield "importing * is not allowed"


def _top_level_violation(node: ast.stmt) -> str:
    plain = (ast.FunctionDef, ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom)
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return (
        "" if isinstance(node, plain) or text else "only functions and constants are allowed here"
    )


def _parsed(text: str, path: str) -> tuple[ast.Module | None, list[str]]:
    try:
        return ast.parse(text, path), []
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return None, [f"{path}: can't be parsed: {error}"]


def _walk(tree: ast.Module, path: str, allowed: frozenset[str]) -> list[str]:
    top = ((statement.lineno, _top_level_violation(statement)) for statement in tree.body)
    violations = [f"{path}:{line}: {violation}" for line, violation in top if violation]
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        found = [_violation(node), *_import_violations(node, allowed)]
        violations += [f"{path}:{line}: {violation}" for violation in found if violation]
    return violations


def code_violations(text: str, path: str, modules: frozenset[str]) -> list[str]:
    """Return what a module under test does that catalogue code may not, each with its place."""
    tree, violations = _parsed(text, path)
    if tree is None:
        return violations
    violations = _walk(tree, path, modules)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            violations.append(f"{path}:{node.lineno}: decorators are not allowed")
    return violations


def _parametrized(node: ast.FunctionDef) -> frozenset[str]:
    names: set[str] = set()
    for decorator in node.decorator_list:
        match decorator:
            case ast.Call(args=[ast.Constant(value=str(text)), *_]):
                names |= {name.strip() for name in text.split(",")}
            case ast.Call(args=[ast.List(elts=items) | ast.Tuple(elts=items), *_]):
                names |= {str(i.value) for i in items if isinstance(i, ast.Constant)}
            case _:
                pass
    return frozenset(names)


def _is_mark(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr=mark, value=ast.Attribute(attr="mark"))):
            return mark in MARKS
        case _:
            return False


def _plugin_violations(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.FunctionDef):
            name = node.id if isinstance(node, ast.Name) else node.name
            if name.startswith("pytest_"):
                yield f"{node.lineno}: the name {name} is not allowed"


def _test_function_violations(node: ast.FunctionDef) -> Iterator[str]:
    if not all(map(_is_mark, node.decorator_list)):
        yield "only pytest.mark.parametrize may decorate a test"
    arguments = {argument.arg for argument in node.args.args}
    if node.name.startswith("test") and (fixtures := arguments - _parametrized(node)):
        yield f"fixtures are not allowed: {', '.join(sorted(fixtures))}"


def _renames_pytest(node: ast.Import | ast.ImportFrom) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name == "pytest" and alias.asname for alias in node.names)
    names = {alias.name for alias in node.names if not alias.asname}
    return node.module == "pytest" and (len(names) < len(node.names) or not names <= FROM_PYTEST)


def _pytest_violations(tree: ast.Module) -> Iterator[str]:
    used = {
        id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in PYTEST
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "pytest" and id(node) not in used:
            yield f"{node.lineno}: of pytest only {', '.join(sorted(PYTEST))} may be used"
        if isinstance(node, ast.Import | ast.ImportFrom) and _renames_pytest(node):
            yield f"{node.lineno}: write `import pytest`, or import from it {', '.join(sorted(PYTEST))}"


def test_violations(text: str, path: str, modules: frozenset[str]) -> list[str]:
    """Return what a test file does that may not be done beside the report."""
    tree, violations = _parsed(text, path)
    if tree is None:
        return violations
    violations = _walk(tree, path, modules | {"pytest"})
    found = [*_pytest_violations(tree), *_plugin_violations(tree)]
    violations += [f"{path}:{violation}" for violation in found]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            violations += [
                f"{path}:{node.lineno}: {violation}"
                for violation in _test_function_violations(node)
            ]
    return violations
