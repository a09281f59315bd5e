"""Plans a goal by rule, where its own words say what the tasks are. Pure.

    tests handed in          one task: they decide about all of it
    several modules named    a task for each; what one uses of another is its dependency
    one module named         one task
    a small goal             one task
    anything else            no plan: a model decomposes the goal

Splitting what fits into one file costs a small model more than it helps: each part is written without
the others in view. A goal is **small** if

* it has at most `MAX_WORDS` words outside of its examples, names at most `MAX_SIGNATURES` functions and
  classes, and lists at most `MAX_FEATURES` items; and
* it names a function or class, or asks for nothing large (`LARGE`: app, service, ...), or calls that small.

A goal that names one module is more than one task only if it asks for something large in more than `LONG`
words.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from atos_orchestrator.durable_json import encode
from atos_orchestrator.goal import slug
from atos_orchestrator.plan import MAX_CONTRACT, MAX_FILES, MAX_TASKS, MAX_TITLE
from atos_orchestrator.planning.brief.findings import Brief, Place, Signature
from atos_orchestrator.planning.brief.modules import Modules, find_modules
from atos_orchestrator.planning.brief.spans import parse
from atos_orchestrator.planning.brief.wishes import PACKAGES
from atos_orchestrator.ports import Json

MAX_WORDS = 150
MAX_SIGNATURES = 6
MAX_FEATURES = 6
LONG = 60
"""Words above which a goal that asks for something large is more than one module."""

LARGE = re.compile(
    r"\b(?P<kind>apps?|applications?|saas|websites?|web ?sites?|(?:micro)?services?"
    r"|platforms?|dashboards?|systems?"
    r"|back-?ends?|front-?ends?|full-stack|rest apis?|toolkits?|suites?|frameworks?"
    r"|trackers?|shops?|stores?"
    r"|marketplaces?|crm|erp|games?|bots?|managers?|packages? with)\b",
    re.IGNORECASE,
)
_SMALL = re.compile(
    r"\b(?:small|tiny|minimal|simple|single[- ]file|one[- ]file|little)\b[^.,;:\n]{0,24}\Z",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_FUNCTION = re.compile(r"\bfunction\b", re.IGNORECASE)
_MORE = re.compile(
    r"\b(functions|class(es)?|modules?|methods?|program|script|command|tool|cli|app)\b",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^[ \t]*(?:[-*+•]|\d+[.)])[ \t]", re.MULTILINE)
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ENDINGS = {
    "javascript": "js",
    "html": "html",
    "css": "css",
    "sql": "sql",
    "shell": "sh",
    "rust": "rs",
    "ruby": "rb",
    "typescript": "ts",
    "c++": "cpp",
    "c#": "cs",
}


def plan_from_brief(
    brief: Brief, text: str, examples: Sequence[str] = (), tests: str = ""
) -> Json | None:
    """Return the plan of a goal, as JSON for `repair`; None where a model has to make it.

    Args:
        brief: what the rules find in the goal.
        text: the goal.
        examples: assertions that its author handed in beside it.
        tests: text of a pytest file that its author handed in.
    """
    modules = find_modules(text)
    imported = _imported([tests, *examples])
    if tests or len(imported) == 1:
        return one_task_plan(brief, text, imported[:MAX_FILES] or brief.modules[:MAX_FILES])
    if 1 < len(modules.paths) <= MAX_TASKS and brief.language == "python":
        return {"tasks": list(_module_tasks(brief, text, modules))}
    words = _words(brief, text)
    if len(brief.modules) == 1 and not (_is_large(text) and words > LONG):
        return one_task_plan(brief, text)
    if is_small(brief, text) and len(brief.modules) < 2:
        return one_task_plan(brief, text)
    return None


def is_small(brief: Brief, text: str) -> bool:
    """Return whether a goal fits into one file by the rule at the head of this module."""
    listed = len(_BULLET.findall(text)) - len(brief.examples)
    bounded = (
        _words(brief, text) <= MAX_WORDS
        and len(brief.signatures) <= MAX_SIGNATURES
        and listed <= MAX_FEATURES
    )
    return bounded and (bool(brief.signatures) or not _is_large(text))


def _words(brief: Brief, text: str) -> int:
    in_examples = sum(
        len(_WORD.findall(text, each.place.start, each.place.end)) for each in brief.examples
    )
    return len(_WORD.findall(text)) - in_examples


def _is_large(text: str) -> bool:
    return any(
        not _SMALL.search(text[max(0, found.start() - 40) : found.start()])
        for found in LARGE.finditer(text)
    )


def one_task_plan(brief: Brief, text: str, files: Sequence[str] = ()) -> Json:
    """Return the plan of a goal that is one task."""
    heads = [each.head for each in brief.signatures]
    written = list(files) or [file_name(brief, text)]
    contract = "\n".join(heads) or text.strip()
    if not heads and _is_one_function(brief, text):
        # candidates and testers that name it each their own way can never agree
        heads = [PurePosixPath(written[0]).stem]
    task: Json = {
        "id": "T1",
        "title": (text.strip().splitlines() or [""])[0][:MAX_TITLE],
        "kind": "docs" if brief.language == "prose" else "code",
        "files": written,
        "contract": contract[:MAX_CONTRACT],
        "signatures": heads,
        "examples": [each.assertion for each in brief.examples],
        "errors": [encode(each) for each in brief.errors],
        "packages": list(brief.packages),
    }
    return {"tasks": [task]}


def _is_one_function(brief: Brief, text: str) -> bool:
    """Return whether a goal is a single Python function that it does not name."""
    return brief.language == "python" and bool(_FUNCTION.search(text)) and not _MORE.search(text)


def file_name(brief: Brief, text: str) -> str:
    """Return the file of a goal that is one task: the one that it names, or one named after its content."""
    if brief.modules:
        return brief.modules[0]
    tested = {each.name for each in brief.examples}
    named = sorted(brief.signatures, key=lambda each: each.name not in tested)
    name = _CAPITAL.sub("_", named[0].name).lower() if named else slug(text).replace("-", "_")
    if brief.language == "prose":
        return f"docs/{slug(text)}.md"
    if brief.language != "python":
        ending = _ENDINGS.get(brief.language, brief.language)
        said = re.search(
            rf"(?<![\w./-])[A-Za-z_][\w-]{{0,60}}\.{re.escape(ending)}\b", text, re.ASCII
        )
        return said[0] if said else f"{name}.{ending}"
    if not name.isascii() or not name.isidentifier():
        name = f"m_{slug(text).replace('-', '_')}"
    taken = name in sys.stdlib_module_names or name in PACKAGES or name.startswith("test_")
    return f"{name}_module.py" if taken else f"{name}.py"


def _imported(sources: Sequence[str]) -> tuple[str, ...]:
    """Return the files of the modules that tests or examples import and that nobody else supplies."""
    found: dict[str, None] = {}
    for source in sources:
        tree = parse(source)
        for node in ast.walk(tree) if tree else ():
            for name in _imports(node):
                if name.split(".")[0] not in sys.stdlib_module_names | {"pytest", "hypothesis"}:
                    found.setdefault(f"{name.replace('.', '/')}.py")
    return tuple(path for path in found if PurePosixPath(path).stem not in PACKAGES)


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def _module_tasks(brief: Brief, text: str, modules: Modules) -> Iterator[Json]:
    """Yield a task for each module; its examples and errors find it later, by what they call."""
    uses = {path: set(_used(brief, text, modules, path)) for path in modules.paths}
    for at, path in enumerate(modules.paths):
        heads = [each.head for each in brief.signatures if each.module == path]
        parts = " ".join(text[part.start : part.end].strip() for part in modules.parts(path, text))
        # Of two modules that mention each other, the later one builds on the earlier one.
        needed = [
            each
            for index, each in enumerate(modules.paths)
            if each in uses[path] and (path not in uses[each] or index < at)
        ]
        yield {
            "id": path,
            "title": f"Write {path}",
            "kind": "code",
            "files": [path],
            "depends_on": needed,
            "contract": ("\n".join(heads) or parts)[:MAX_CONTRACT],
            "signatures": heads,
            "packages": list(brief.packages),
        }


def _used(brief: Brief, text: str, modules: Modules, path: str) -> Iterator[str]:
    """Yield the modules that the words about one module mention, by file or by what they define."""
    for part in modules.parts(path, text):
        for mention in modules.mentions:
            if mention.module != path and part.start <= mention.place.start < part.end:
                yield mention.module
        for signature in brief.signatures:
            own = signature.module in {"", path}
            if not own and _mentions(text, part, signature):
                yield signature.module


def _mentions(text: str, part: Place, signature: Signature) -> bool:
    """Return whether a part of the text means a function or class, and not just an English word."""
    name = re.escape(signature.name)
    telling = signature.kind == "class" or "_" in signature.name
    pattern = rf"\b{name}\b" if telling else rf"\b{name}\(|`{name}`"
    return any(
        not signature.place.start <= found.start() < signature.place.end
        for found in re.compile(pattern).finditer(text, part.start, part.end)
    )
