"""What a release is: an app, a site, a toolkit or a command; read from its files, never by running them. Pure.

    app      a module makes a WSGI or ASGI application (`app = Flask(__name__)`, `def app(environ, start_response)`)
    static   a folder holds index.html
    toolkit  modules have public functions: a page that rules write has a form for each
    command  a module is meant to be run (`if __name__ == "__main__"`)

The first that fits is taken: an app may also have functions, a site may also have a script that made it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from atos_servers.local_web.functions import is_module, module_name, public_functions

Kind = Literal["app", "static", "toolkit", "command"]
Interface = Literal["", "wsgi", "asgi"]

SITE_FOLDERS = ("", "public", "dist", "site", "docs", "build", "static")
MAKERS: dict[str, Interface] = {
    "Flask": "wsgi", "Bottle": "wsgi", "Falcon": "wsgi", "get_wsgi_application": "wsgi",
    "FastAPI": "asgi", "Starlette": "asgi", "Quart": "asgi", "Litestar": "asgi",
    "get_asgi_application": "asgi",
}  # fmt: skip
NAMES = ("app", "application", "wsgi", "asgi", "api", "server")
"""Of the object, in order of preference."""
FACTORIES = ("create_app", "make_app")


@dataclass(frozen=True, slots=True)
class Entry:
    """How a release is served."""

    kind: Kind
    what: str
    """In words, for people."""
    module: str = ""
    """app and command: the module, dotted."""
    name: str = ""
    """app: the object, or the factory that returns it."""
    interface: Interface = ""
    factory: bool = False
    folder: str = ""
    """static: the folder of index.html, relative; empty for the release itself."""


def entry_of(sources: Mapping[str, str], files: frozenset[str]) -> Entry | None:
    """Return how to serve a release, None where nothing in it can be served.

    Args:
        sources: the text of its Python files by relative path.
        files: the relative paths of all its files.
    """
    return _app(sources) or _site(files) or _toolkit(sources) or _command(sources)


def _app(sources: Mapping[str, str]) -> Entry | None:
    found = [each for path in sorted(sources) if is_module(path) for each in _apps(path, sources)]
    return min(found, key=_preference, default=None)


def _preference(entry: Entry) -> tuple[int, int, str]:
    order = NAMES.index(entry.name) if entry.name in NAMES else len(NAMES)
    return (int(entry.factory), order, entry.module)


def _apps(path: str, sources: Mapping[str, str]) -> list[Entry]:
    tree = _parsed(sources[path])
    module = module_name(path)
    found = list[Entry]()
    for node in tree.body if tree else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            interface, factory = _of_function(node)
            names = [node.name]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            interface, factory = MAKERS.get(_called(node.value), ""), False
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        else:
            continue
        if interface:
            what = f"the {interface.upper()} application {module}:{names[0]}"
            found.append(Entry("app", what, module, names[0], interface, factory))
    return found


def _of_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[Interface, bool]:
    """Tell whether a function is an application itself, or makes one."""
    names = [argument.arg for argument in node.args.args]
    if names == ["environ", "start_response"]:
        return "wsgi", False
    if names == ["scope", "receive", "send"]:
        return "asgi", False
    required = len(names) > len(node.args.defaults)
    if node.name not in FACTORIES or required:
        return "", False
    calls = (each for each in ast.walk(node) if isinstance(each, ast.Call))
    for call in calls:
        if interface := MAKERS.get(_called(call)):
            return interface, True
    return "", True


def _called(call: ast.Call) -> str:
    target = call.func
    if isinstance(target, ast.Attribute):
        return target.attr
    return target.id if isinstance(target, ast.Name) else ""


def _site(files: frozenset[str]) -> Entry | None:
    for folder in SITE_FOLDERS:
        index = f"{folder}/index.html" if folder else "index.html"
        if index in files:
            return Entry("static", f"the static site with {index}", folder=folder)
    return None


def _toolkit(sources: Mapping[str, str]) -> Entry | None:
    functions = public_functions(sources)
    if not functions:
        return None
    modules = len({function.module for function in functions})
    what = f"a page with a form for each of {len(functions)} functions of {modules} modules"
    return Entry(
        "toolkit", what.replace(" 1 functions", " 1 function").replace(" 1 modules", " 1 module")
    )


def _command(sources: Mapping[str, str]) -> Entry | None:
    for path in sorted(sources, key=lambda path: (not path.endswith("__main__.py"), path)):
        stem = path.rsplit("/", 1)[-1]
        if stem == "__main__.py" or (is_module(path) and _is_run(sources[path])):
            return Entry("command", f"a page that runs {path} with arguments", module=path)
    return None


def _is_run(text: str) -> bool:
    tree = _parsed(text)
    tests = [node.test for node in tree.body if isinstance(node, ast.If)] if tree else []
    return any(
        "__name__" in ast.unparse(test) and "__main__" in ast.unparse(test) for test in tests
    )


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
