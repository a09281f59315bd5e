"""Finds statements in a text: doctests, code blocks, plain lines of code, spans in backticks. Pure."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import pairwise

from atos_orchestrator.planning.brief.findings import Place
from atos_orchestrator.planning.brief.outcomes import ERROR, read_outcome
from atos_orchestrator.planning.brief.spans import calls, parse
from atos_orchestrator.planning.brief.statements import Statement
from atos_orchestrator.planning.brief.values import read_value

MAX_LINES = 20
"""Lines of one statement, or of the value that a doctest shows."""

FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL)

_PROMPT = re.compile(r"[ \t]*(?:[-*+•][ \t]+)?`{0,3}>>>[ \t]?")
_MORE = re.compile(r"[ \t]*\.\.\.(?:[ \t]|$)")
_BULLET = re.compile(r"[ \t]*(?:[-*+•]|\d+[.)])?[ \t]*")
_CODE = re.compile(r"(?:assert\b|[^\W\d]\w*[ \t]*=[ \t]*[^\s=]|(?:from|import)[ \t]+\w|[\w.]+\()")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_TRACEBACK = re.compile(rf"[ \t]*Traceback \(most recent call last\):|[ \t]*({ERROR})")
_RAISED = re.compile(rf"[ \t]*({ERROR})")

Line = tuple[int, str]
"""Where a line begins, and its text."""


def lines_of(text: str, start: int = 0, end: int | None = None) -> list[Line]:
    """Return the lines of a part of the text, with their places."""
    rows: list[Line] = []
    at = start
    for row in text[start:end].split("\n"):
        rows.append((at, row))
        at += len(row) + 1
    return rows


def doctest_statements(lines: Sequence[Line]) -> list[Statement]:
    """Return the statements behind `>>>`, in order, with what the lines below them show."""
    found: list[Statement] = []
    at = 0
    while at < len(lines):
        start, row = lines[at]
        at += 1
        prompt = _PROMPT.match(row)
        if not prompt:
            continue
        source = [row[prompt.end() :].rstrip("` \t")]
        while at < len(lines) and _MORE.match(lines[at][1]):
            source.append(_MORE.sub("", lines[at][1], count=1))
            at += 1
        found.append(_shown("\n".join(source), start + prompt.end(), lines[at : at + MAX_LINES]))
    return found


def _shown(source: str, start: int, below: Sequence[Line]) -> Statement:
    """Read what a doctest shows below a statement."""
    place = Place(start, start + len(source))
    rows: list[str] = []
    for _, row in below:
        if not row.strip() or _PROMPT.match(row) or row.lstrip().startswith("```"):
            break
        rows.append(row)
    if not rows and (inline := statement(source, start)):
        return inline
    if rows and (raised := _TRACEBACK.match(rows[0])):
        errors = [raised[1]] if raised[1] else [m[1] for r in rows if (m := _RAISED.match(r))]
        return Statement(source, place, "error", errors[-1]) if errors else Statement(source, place)
    shown = "\n".join(rows).strip().strip("`")
    value = read_value(shown, 0)
    if value and not shown[value[1] :].split("\n", 1)[0].split("#")[0].strip():
        return Statement(source, place, "value", value[0])
    return Statement(source, place)


def code_blocks(text: str) -> Iterator[list[Statement]]:
    """Yield the statements of each fenced block."""
    for fence in FENCE.finditer(text):
        if ">>>" not in fence[1]:
            yield code_statements(lines_of(text, *fence.span(1)))


def plain_code(lines: Sequence[Line]) -> Iterator[list[Statement]]:
    """Yield the statements of adjoining lines that read as code: `s = Stack()`, `assert ...`."""
    run: list[Line] = []
    depth = 0
    for start, row in [*lines, (0, "")]:
        bullet = _BULLET.match(row)
        skip = bullet.end() if bullet else 0
        goes_on = depth > 0 and bool(row.strip()) and len(run) < 2 * MAX_LINES
        if goes_on or _CODE.match(row, skip):
            run.append((start + skip, row[skip:].rstrip()))
            depth = max(0, depth + _opened(row))
        else:
            if run:
                yield code_statements(run)
            run, depth = [], 0


def _opened(row: str) -> int:
    return sum(map(row.count, "([{")) - sum(map(row.count, ")]}"))


def code_statements(lines: Sequence[Line]) -> list[Statement]:
    """Read statements from lines of code; a statement may take several, a line may hold several."""
    found: list[Statement] = []
    at = 0
    while at < len(lines):
        taken = _taken(lines, at)
        rows = "\n".join(row for _, row in lines[at : at + taken])
        read = _whole(rows, lines[at][0]) if taken > 1 else _pieces(*lines[at])
        found += read
        at += taken if read else 1
    return found


def _taken(lines: Sequence[Line], at: int) -> int:
    """Return how many lines the statement at a line takes: open brackets, or an indented block."""
    first = lines[at][1]
    opened = _opened(first)
    block = first.rstrip().endswith(":") and not opened
    indent = len(first) - len(first.lstrip())
    taken = 1
    for _, row in lines[at + 1 : at + MAX_LINES]:
        inside = bool(row.strip()) and len(row) - len(row.lstrip()) > indent
        if not (inside if block else opened > 0):
            break
        opened += _opened(row)
        taken += 1
    return taken


def _pieces(start: int, row: str) -> list[Statement]:
    """Read a line: statements between semicolons, the last perhaps with what it gives."""
    found: list[Statement] = []
    at = start
    for piece in row.split(";"):
        read = statement(piece, at)
        if read is None:
            return _whole(row, start)
        found += [read] if read.source else []
        at += len(piece) + 1
    return found


def statement(piece: str, start: int) -> Statement | None:
    """Read one statement with what stands behind it; None where it is no Python."""
    source = piece.strip()
    place = Place(start, start + len(piece))
    inner = len(piece) - len(piece.lstrip())
    first = next(calls(piece), None)
    if first and first.place.start == inner:
        outcome = read_outcome(piece, first.place.end)
        if outcome:
            body = piece[first.place.start : first.place.end]
            return Statement(body, place, outcome.gives, outcome.wanted)
    return Statement(source, place) if parse(source) is not None else None


def _whole(source: str, start: int) -> list[Statement]:
    tree = parse(textwrap.dedent(source))
    if tree is None or not all(isinstance(node, _SIMPLE) for node in tree.body):
        return []
    place = Place(start, start + len(source))
    return [Statement(textwrap.dedent(source), place)]


_SIMPLE = (
    *(ast.Assert, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr),
    *(ast.Import, ast.ImportFrom, ast.With, ast.For),
)


def spans_of(text: str, within: Place) -> list[Statement]:
    """Return the statements in backticks within a paragraph, each with what the prose says it gives."""
    found: list[Statement] = []
    spans = list(_SPAN.finditer(text, within.start, within.end))
    ends = [following.start() for _, following in pairwise(spans)] + [within.end]
    for span, end in zip(spans, ends, strict=False):
        for read in _pieces(span.start(1), span[1]):
            outcome = None if read.gives else read_outcome(text, span.end(1), end + 200)
            found.append(
                Statement(read.source, read.place, outcome.gives, outcome.wanted)
                if outcome and read.place.end >= span.end(1)
                else read
            )
    return found
