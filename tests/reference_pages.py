"""Pages of reference that are made from the code: `python tests/reference_pages.py` writes docs/reference.

`test_docs_site.py` compares them, so a tool, an error code, an event or a route without its line fails there.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import atos_orchestrator.events
import atos_protocol.errors
from atos_protocol.errors import AtosError, known_errors
from atos_protocol.goals import EVENT_KINDS

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reference"
MANIFEST = ROOT / "servers" / "atos_servers" / "shim" / "manifest.json"
GATEWAY = ROOT / "scheduler" / "atos_scheduler" / "gateway"
OURS = "A fault of ATOS itself: the daemon's log has more (`atos-client logs`)."
MADE = "Made from the code by `python tests/reference_pages.py`; a test compares it.\n"


def tools_page(servers: dict[str, Any]) -> str:
    """Return every tool of every server: when to use it, its arguments, what it changes."""
    lines = ["# Tools\n", MADE]
    for name, server in servers.items():
        if name == "all":
            continue  # a choice among the tools of the others
        tools = server["modern"]["answers"]["tools/list"]["tools"]
        lines += [f"## {name}\n"]
        for tool in tools:
            lines += [f"### `{tool['name']}`\n", *_tool(tool)]
    return "\n".join(lines)


def _tool(tool: dict[str, Any]) -> Iterator[str]:
    yield f"{_plain(tool.get('description') or '')}\n"
    marks: dict[str, Any] = tool.get("annotations") or {}
    yield "Changes nothing.\n" if marks.get("readOnlyHint") else "May change something.\n"
    schema = tool["inputSchema"]
    if not schema.get("properties"):
        return
    yield "| argument | type | needed | meaning |\n|---|---|---|---|"
    for name, field in schema["properties"].items():
        needed = "yes" if name in schema.get("required", ()) else ""
        about = _plain(field.get("description") or "").replace("|", "\\|").replace("\n", " ")
        yield f"| `{name}` | {field.get('type', 'any')} | {needed} | {about} |"
    yield ""


def _plain(text: str) -> str:
    return text.strip().replace("<", "&lt;")


def errors_page() -> str:
    """Return every error code of the protocol with its HTTP status."""
    module = atos_protocol.errors.__name__
    rows = [
        f"| `{code}` | {kind.status} | {'yes' if kind.retry else ''} | {_meaning(code, kind)} |"
        for code, kind in sorted(known_errors().items())
        if kind.__module__ == module
    ]
    head = (
        "# Error codes\n\n" + MADE + "\nEvery error has a code, a message with the numbers, and the next step;"
        " replies of tools carry the code in `_meta`.\n\n"
        "| code | HTTP status | may succeed later | meaning |\n|---|---|---|---|\n"
    )  # fmt: skip
    return head + "\n".join(rows) + "\n"


def _meaning(code: str, kind: type[AtosError]) -> str:
    return OURS if code == AtosError.code else _first_line(kind.__doc__)


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0]


def events_page() -> str:
    """Return every kind of event with what its data may hold."""
    told = atos_orchestrator.events.__doc__ or ""
    found: dict[str, str] = dict(
        re.findall(r"^    ([a-z_]+) +(\S.*(?:\n {20,}\S.*)*)", told, re.MULTILINE)
    )
    rows = [f"| `{kind}` | {' '.join(found[kind].split())} |" for kind in EVENT_KINDS]
    head = (
        "# Events\n\n" + MADE + "\nThe events of a goal are the only record of its progress; views, the story and traces"
        " are made from them. `atos-client logs GOAL` shows them.\n\n| kind | what its data may hold |\n|---|---|\n"
    )  # fmt: skip
    return head + "\n".join(map(_cell, rows)) + "\n"


def _cell(row: str) -> str:
    kind, _, rest = row.removeprefix("| ").removesuffix(" |").partition(" | ")
    return f"| {kind} | {rest.replace('|', ' or ')} |"


def routes_page(folder: Path) -> str:
    """Return every HTTP route of the scheduler and its gateway, read from the sources."""
    rows = sorted({row for path in sorted(folder.glob("*.py")) for row in _routes(path)})
    head = (
        "# HTTP routes of the scheduler\n\n" + MADE + "\nOn its Unix socket, and on the ports that `gateway on` opens"
        " ([gateway](../gateway.md)). The servers' routes: [servers](../servers.md).\n\n"
        "| route | methods | what it does |\n|---|---|---|\n"
    )  # fmt: skip
    return (
        head
        + "\n".join(f"| `{route}` | {methods} | {says} |" for route, methods, says in rows)
        + "\n"
    )


def _routes(path: Path) -> Iterator[tuple[str, str, str]]:
    tree = ast.parse(path.read_text("utf-8"))
    says = {
        node.name: _first_line(ast.get_docstring(node))
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef) and ast.get_docstring(node)
    }
    names = {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "Route"
        ):
            continue
        place, handler = node.args[:2]
        route = (
            place.value
            if isinstance(place, ast.Constant)
            else names.get(getattr(place, "id", ""), "")
        )
        methods = next(
            (ast.literal_eval(k.value) for k in node.keywords if k.arg == "methods"), ["GET"]
        )
        yield (
            str(route or ast.unparse(place)),
            ", ".join(methods),
            says.get(getattr(handler, "attr", ""), ""),
        )


def pages() -> dict[str, str]:
    """Return file name -> text."""
    servers = json.loads(MANIFEST.read_text("utf-8"))["servers"]
    return {
        "tools.md": tools_page(servers),
        "errors.md": errors_page(),
        "events.md": events_page(),
        "routes.md": routes_page(GATEWAY),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
