"""The public functions of a release, read from its sources without running them. Pure."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

MOST_FUNCTIONS = 100


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that a form can fill."""

    name: str
    annotation: str = ""
    default: str | None = None
    """The source of its default; None where it has none."""

    @property
    def is_text(self) -> bool:
        """Whether what is typed is the value itself, and no Python literal."""
        return self.annotation in {"str", "'str'", '"str"'}


@dataclass(frozen=True, slots=True)
class Function:
    """A function that can be called from a page."""

    module: str
    """Dotted, as it is imported."""
    name: str
    parameters: tuple[Parameter, ...]
    returns: str = ""
    doc: str = ""
    """The first paragraph of its docstring."""

    @property
    def signature(self) -> str:
        """The signature as one would write it."""
        inside = ", ".join(map(_written, self.parameters))
        return f"{self.name}({inside})" + (f" -> {self.returns}" if self.returns else "")


def _written(parameter: Parameter) -> str:
    text = parameter.name + (f": {parameter.annotation}" if parameter.annotation else "")
    if parameter.default is None:
        return text
    return (
        f"{text} = {parameter.default}" if parameter.annotation else f"{text}={parameter.default}"
    )


def public_functions(sources: Mapping[str, str]) -> tuple[Function, ...]:
    """Return the functions of modules that are no tests, in the order of the files.

    Args:
        sources: text by relative path with `/`; what can't be parsed has no functions.
    """
    found = list[Function]()
    for path in sorted(sources):
        if is_module(path):
            found += _of_module(module_name(path), sources[path])
    return tuple(found[:MOST_FUNCTIONS])


def is_module(path: str) -> bool:
    """Tell whether a file is a module of the release itself: no test, no script of its set-up."""
    *folders, file = path.split("/")
    stem = file.removesuffix(".py")
    odd = not file.endswith(".py") or stem.startswith("test_") or stem.endswith("_test")
    names = [*folders, stem]
    named = all(name.isidentifier() for name in names)
    return named and not odd and stem not in {"conftest", "setup"} and "tests" not in folders


def module_name(path: str) -> str:
    """Return the dotted name of a module's file; `src/` is no part of it."""
    parts = path.removesuffix(".py").split("/")
    if parts[0] == "src" and len(parts) > 1:
        parts = parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _of_module(module: str, text: str) -> list[Function]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    exported = _exported(tree)
    nodes = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return [
        made
        for node in nodes
        if not node.name.startswith("_")
        and node.name != "main"
        and (exported is None or node.name in exported)
        and (made := _function(module, node)) is not None
    ]


def _exported(tree: ast.Module) -> set[str] | None:
    """Return what `__all__` lists; None where there is none that can be read."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
        ):
            try:
                return {str(name) for name in ast.literal_eval(node.value)}
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                return None
    return None


def _function(module: str, node: ast.FunctionDef) -> Function | None:
    """Describe a function; None where a form can't call it by names, or a decorator may have changed it."""
    arguments = node.args
    if arguments.vararg or arguments.kwarg or arguments.posonlyargs or node.decorator_list:
        return None
    plain = arguments.args
    without = len(plain) - len(arguments.defaults)
    defaults = [None] * without + [ast.unparse(value) for value in arguments.defaults]
    keyword = [None if value is None else ast.unparse(value) for value in arguments.kw_defaults]
    both = zip([*plain, *arguments.kwonlyargs], [*defaults, *keyword], strict=True)
    parameters = tuple(
        Parameter(each.arg, ast.unparse(each.annotation) if each.annotation else "", default)
        for each, default in both
    )
    doc = (ast.get_docstring(node) or "").split("\n\n")[0]
    returns = ast.unparse(node.returns) if node.returns else ""
    return Function(module, node.name, parameters, returns, " ".join(doc.split()))
