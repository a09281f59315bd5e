"""Adds the imports that a module uses and forgot: of the files that it builds on, and of the standard library. Pure.

A reply that is begun with a signature has no place for imports before it, and small models forget them
anyway: names and imports are a third of all candidates that fail without being wrong.
"""

from __future__ import annotations

import builtins
import symtable
import sys
from collections import Counter
from collections.abc import Iterator, Mapping

from atos_orchestrator.debugging.sources import defined_names, parse_source

_MEMBERS = {
    "collections": "Counter OrderedDict defaultdict deque namedtuple ChainMap",
    "collections.abc": "Mapping MutableMapping Hashable Sequence",
    "contextlib": "contextmanager suppress",
    "dataclasses": "dataclass field asdict replace",
    "datetime": "timedelta timezone",
    "decimal": "Decimal ROUND_HALF_UP ROUND_HALF_EVEN ROUND_DOWN ROUND_UP InvalidOperation",
    "enum": "Enum IntEnum auto",
    "fractions": "Fraction",
    "functools": "lru_cache reduce partial wraps cmp_to_key total_ordering cache",
    "heapq": "heappush heappop heapify nlargest nsmallest",
    "itertools": "accumulate chain combinations groupby islice permutations product repeat zip_longest",
    "io": "StringIO BytesIO",
    "abc": "ABC abstractmethod",
    "bisect": "bisect_left bisect_right insort",
    "math": "sqrt floor ceil gcd isclose",
    "pathlib": "Path",
    "typing": "Any Callable Dict Generator Iterable Iterator List NamedTuple Optional Set Tuple Type TypeVar Union",
}
_PACKAGE_MEMBERS = {
    "fastapi": "FastAPI HTTPException Query Body Request Response Depends Header status",
    "fastapi.responses": "JSONResponse PlainTextResponse HTMLResponse RedirectResponse",
    "flask": "Flask abort jsonify request make_response render_template_string redirect url_for",
    "pydantic": "BaseModel Field",
}
"""Names of packages that a module imports already, or of one that comes with it."""
_COMES_WITH = {"pydantic": "fastapi"}
_FROM = {name: module for module, names in _MEMBERS.items() for name in names.split()}
_MODULES = sys.stdlib_module_names - {"this", "antigravity", "test", "idlelib", "code", "parser"}


def with_missing_imports(source: str, near: Mapping[str, str] | None = None) -> str:
    """Return the module with the imports that it lacks put in front; as it is where none are known.

    Args:
        source: the module.
        near: path -> text of the files that it builds on; their names come before those of the standard library.
    """
    own = _names_near(near or {})
    found = {
        line for name in _unbound(source) if (line := own.get(name) or _import_of(name, source))
    }
    lines = sorted(found, key=lambda line: (line.startswith("from"), line))
    if not lines:
        return source
    future = [
        line for line in source.splitlines(keepends=True) if line.startswith("from __future__")
    ]
    rest = [line for line in source.splitlines(keepends=True) if line not in future]
    return "".join([*future, "\n".join(lines), "\n\n\n" if future or rest else "\n", *rest])


def _names_near(near: Mapping[str, str]) -> dict[str, str]:
    """Return name -> import for the modules nearby, and for what exactly one of them defines."""
    found: dict[str, str] = {}
    definers = Counter(name for text in near.values() for name in defined_names(text))
    for path, text in near.items():
        module = path.removesuffix(".py").replace("/", ".")
        package, _, name = module.rpartition(".")
        found |= {
            each: f"from {module} import {each}"
            for each in defined_names(text)
            if definers[each] == 1
        }
        found[name] = f"from {package} import {name}" if package else f"import {name}"
    return found


def _import_of(name: str, source: str) -> str:
    if name in {"datetime", "date", "time"}:
        # the class is what code means, unless it reaches for something inside the module
        module = "time" if name == "time" else "datetime"
        inside = (
            f"{name}.datetime" in source
            or f"{name}.date(" in source
            or f"{name}.timedelta" in source
        )
        return f"import {module}" if inside or name == "time" else f"from datetime import {name}"
    for module, names in _PACKAGE_MEMBERS.items():
        root = module.partition(".")[0]
        if name in names.split() and _imports_from({root, _COMES_WITH.get(root, root)}, source):
            return f"from {module} import {name}"
    if name in _FROM:
        return f"from {_FROM[name]} import {name}"
    return f"import {name}" if name in _MODULES else ""


def _imports_from(packages: set[str], source: str) -> bool:
    lines = [line.split() for line in source.splitlines()]
    return any(
        line[0] in {"from", "import"} and line[1].partition(".")[0].rstrip(",") in packages
        for line in lines
        if len(line) > 1
    )


def _unbound(source: str) -> set[str]:
    if parse_source(source) is None:
        return set()
    try:
        table = symtable.symtable(source, "module.py", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    bound = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    bound |= {child.get_name() for child in table.get_children()}
    tables = list(_tables(table))
    bound |= {
        s.get_name() for t in tables for s in t.get_symbols() if s.is_assigned() and s.is_global()
    }
    used = {name for each in tables for name in _globals_of(each)}
    return used - bound - set(dir(builtins)) - {"__file__", "__name__", "__doc__"}


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    waiting = [table]
    while waiting:
        now = waiting.pop()
        yield now
        waiting += now.get_children()


def _globals_of(table: symtable.SymbolTable) -> Iterator[str]:
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or (top and not symbol.is_assigned())):
            yield symbol.get_name()
