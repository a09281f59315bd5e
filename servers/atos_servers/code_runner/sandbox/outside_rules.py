"""Which test files can be judged from outside: those that need nothing but the code's values. Pure.

The tests run in the judge's process, the code in another (see `outside`). So a test may import the modules under
test, pytest and harmless parts of the standard library, and may do nothing that needs the code in its own process
(patching, subprocesses, classes derived from the code's). Not a sandbox: whoever writes a test can make it pass.
It keeps what a model wrote as a test from changing the outcome of the others by accident or by a simple trick.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterator

from atos_servers.code_runner.sandbox.guest_imports import OURS, RUN_THE_TESTS

TRUSTED = frozenset(
    {
        "__future__", "calendar", "cmath", "collections", "collections.abc", "datetime", "decimal",
        "fractions", "functools", "itertools", "json", "math", "numbers", "operator", "re",
        "statistics", "string", "textwrap", "time", "typing", "unittest", "uuid",
    }
)  # fmt: skip
"""Modules of the standard library that the judge imports for a test."""
VALUE_CLASSES = frozenset({"date", "datetime", "timedelta", "Decimal", "Fraction", "Path", "UUID"})
NAMES = frozenset(
    {
        "exec", "eval", "compile", "getattr", "setattr", "delattr", "globals", "locals", "vars",
        "dir", "input", "breakpoint", "help", "memoryview", "classmethod", "staticmethod",
        "property", "object", "exit", "quit", "id", "callable", "issubclass",
    }
)  # fmt: skip
OF_PYTEST = frozenset({"raises", "approx", "mark", "param", "fixture", "fail", "skip"})
OF_FIXTURES = {"monkeypatch": {"chdir"}, "capsys": {"readouterr"}}
FIXTURES = frozenset({"tmp_path", *OF_FIXTURES})
BUILT_IN = frozenset({"int", "str", "float", "bool", "list", "dict", "set", "tuple", "bytes"})
FRAMES = ("gi_", "cr_", "ag_", "tb_", "f_", "co_")
HOOKS = re.compile(r"(test|Test|pytest|setup|teardown|setUp|tearDown)")
"""Names that pytest looks for in a module."""
STATEMENTS: dict[type[ast.AST], str] = {
    ast.AsyncFunctionDef: "an async function",
    ast.Await: "await",
    ast.AsyncFor: "async for",
    ast.AsyncWith: "async with",
}


def is_taken(name: str) -> bool:
    """Return whether a test means something else by a name that the code under test exports with `*`."""
    known = name in VALUE_CLASSES or name in TRUSTED or name in {"pytest", "raises", "approx"}
    return known or hasattr(builtins, name) or bool(HOOKS.match(name)) or name == "self"


def shadows(module: str) -> bool:
    """Return whether a module is named like one that the judge itself may import."""
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or top in RUN_THE_TESTS or top in OURS


def names_used(text: str) -> frozenset[str]:
    """Return the names that a source reads."""
    return frozenset(node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))


def names_imported(text: str) -> frozenset[str]:
    """Return the names that a source binds by imports, without those of a `*`."""
    return frozenset(_imported_names(list(ast.walk(ast.parse(text)))))


def has_star(text: str, module: str) -> bool:
    """Return whether a source says `from module import *`."""
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == module
        and any(alias.name == "*" for alias in node.names)
        for node in ast.walk(ast.parse(text))
    )


def why_not(text: str, modules: frozenset[str]) -> str:
    """Return why a test file can't be judged from outside, with the line; empty when it can.

    Args:
        text: the file's source.
        modules: the modules under test that the folder has.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "it can't be parsed"
    tree.body = [node for node in tree.body if not _is_main_guard(node)]
    try:
        found = next(_Rules(tree, modules).violations(), None)
    except RecursionError:
        return "it is nested too deeply"
    return f"line {found[0]}: {found[1]}" if found else ""


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


class _Rules:
    def __init__(self, tree: ast.Module, modules: frozenset[str]) -> None:
        self._tree, self._modules = tree, modules
        self._nodes = list(ast.walk(tree))
        self._imported = frozenset(_imported_names(self._nodes))
        self._foreign = {name for name in self._imported if name not in modules} | FIXTURES
        self._fixtures = {
            node.name
            for node in self._nodes
            if isinstance(node, ast.FunctionDef) and any(map(_is_fixture, node.decorator_list))
        }
        self._looked_into = {
            id(n.value): n.attr for n in self._nodes if isinstance(n, ast.Attribute)
        }
        self._types = set(_compared_types(self._nodes))
        self._given = FIXTURES | self._fixtures | _parametrized(self._nodes) | {"self"}

    def violations(self) -> Iterator[tuple[int, str]]:
        for node in self._nodes:
            if found := self._violation(node):
                yield getattr(node, "lineno", 0), found

    def _violation(self, node: ast.AST) -> str:
        match node:
            case ast.Import() | ast.ImportFrom():
                return self._import(node)
            case ast.Name():
                return self._name(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Constant(value=str(text)) if "__" in text:
                return "a text with two underscores in a row"
            case ast.ClassDef():
                return self._class(node)
            case ast.FunctionDef():
                return self._function(node)
            case ast.Compare():
                return _comparison(node)
            case ast.Call(func=ast.Name(id="open")):
                return _opening(node)
            case _:
                return STATEMENTS.get(type(node), "")

    def _import(self, node: ast.Import | ast.ImportFrom) -> str:
        if isinstance(node, ast.Import):
            odd = [alias.name for alias in node.names if not self._known(alias.name)]
            renamed = any(alias.name == "pytest" and alias.asname for alias in node.names)
            return f"it imports {odd[0]}" if odd else "it renames pytest" * renamed
        if node.level or not node.module or not self._known(node.module):
            return f"it imports {'.' * node.level}{node.module or ''}"
        names = {alias.name for alias in node.names}
        bound = {alias.asname or alias.name for alias in node.names}
        if node.module == "pytest" and not names <= OF_PYTEST:
            return f"it imports {', '.join(sorted(names - OF_PYTEST))} of pytest"
        if node.module == "unittest" and not names <= {"TestCase"}:
            return "it imports more than TestCase of unittest"
        if node.module in self._modules and any(map(HOOKS.match, bound)):
            return "it imports what pytest would run"
        dunder = any(name.startswith("__") for name in names | bound)
        return "a name with two underscores" if dunder and node.module != "__future__" else ""

    def _known(self, name: str) -> bool:
        return name == "pytest" or name in TRUSTED or (name in self._modules and not shadows(name))

    def _name(self, node: ast.Name) -> str:
        name, looked = node.id, self._looked_into.get(id(node), "")
        if name in NAMES or name.startswith(("__", "pytest_")):
            return f"the name {name}"
        if name == "pytest" and looked not in OF_PYTEST:
            return f"pytest.{looked}"
        if name in OF_FIXTURES and looked not in OF_FIXTURES[name]:
            return f"{name}.{looked}"
        if name == "unittest" and looked != "TestCase":
            return f"unittest.{looked}"
        if name == "type" and id(node) not in self._types:
            return "type, but in a comparison with a built-in one"
        changed = isinstance(node.ctx, ast.Store | ast.Del) and name in {
            "pytest",
            "raises",
            "approx",
        }
        return f"it changes {name}" if changed else ""

    def _attribute(self, node: ast.Attribute) -> str:
        name, root = node.attr, _root(node)
        if (name.startswith("__") and name != "__name__") or name.startswith(FRAMES):
            return f"the attribute {name}"
        if name.startswith("_") and root in self._foreign:
            return f"the attribute {name} of {root}"
        if isinstance(node.ctx, ast.Store | ast.Del) and root in self._imported | FIXTURES:
            return f"it changes {root}"
        return ""

    def _class(self, node: ast.ClassDef) -> str:
        bases = {ast.unparse(base) for base in node.bases}
        plain = node.name.startswith("Test") or bases
        if (
            node not in self._tree.body
            or not plain
            or not bases <= {"unittest.TestCase", "TestCase"}
        ):
            return f"the class {node.name}"
        return "a metaclass" if node.keywords else _decorators(node)

    def _function(self, node: ast.FunctionDef) -> str:
        if node.name.startswith(("__", "pytest_")):
            return f"the function {node.name}"
        if found := _decorators(node):
            return found
        if node.name.startswith("test") or node.name in self._fixtures:
            given = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
            if odd := sorted(given - self._given):
                return f"the fixture {odd[0]}"
        return ""


def _imported_names(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)


def _decorators(node: ast.FunctionDef | ast.ClassDef) -> str:
    for each in node.decorator_list:
        text = ast.unparse(each.func if isinstance(each, ast.Call) else each)
        if text not in {"pytest.fixture", "fixture"} and not text.startswith(
            ("pytest.mark.", "mark.")
        ):
            return f"the decorator {text[:60]}"
        if text.endswith("usefixtures"):
            return "usefixtures"
    return ""


def _is_fixture(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else node
    return ast.unparse(called) in {"pytest.fixture", "fixture"}


def _parametrized(nodes: list[ast.AST]) -> set[str]:
    names: set[str] = set()
    for node in nodes:
        match node:
            case ast.Call(
                func=ast.Attribute(attr="parametrize"), args=[ast.Constant(value=str(text)), *_]
            ):
                names |= {name.strip() for name in text.split(",")}
            case ast.Call(
                func=ast.Attribute(attr="parametrize"),
                args=[ast.List(elts=items) | ast.Tuple(elts=items), *_],
            ):
                names |= {str(item.value) for item in items if isinstance(item, ast.Constant)}
            case _:
                pass
    return names


def _compared_types(nodes: list[ast.AST]) -> Iterator[int]:
    for node in nodes:
        match node:
            case ast.Compare(
                left=ast.Call(func=ast.Name(id="type") as name), comparators=[ast.Name(id=kind)]
            ):
                if kind in BUILT_IN:
                    yield id(name)
            case _:
                pass


def _comparison(node: ast.Compare) -> str:
    """Refuse identity but of constants: which objects are the same, the code's process would say."""
    for operator, right in zip(node.ops, node.comparators, strict=True):
        constant = isinstance(right, ast.Constant)
        kind = isinstance(right, ast.Name) and right.id in BUILT_IN
        if isinstance(operator, ast.Is | ast.IsNot) and not constant and not kind:
            return "a comparison with `is`"
    return ""


def _opening(node: ast.Call) -> str:
    match node.args:
        case [ast.Constant(value=str(path)), *_] if not path.startswith("/") and ".." not in path:
            return ""
        case [ast.BinOp() | ast.Name() as path, *_] if _leftmost(path) == "tmp_path":
            return ""
        case _:
            return "open of another file than one of its own"


def _leftmost(node: ast.expr) -> str:
    while isinstance(node, ast.BinOp):
        node = node.left
    return node.id if isinstance(node, ast.Name) else ""
