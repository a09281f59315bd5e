"""Finds the examples of a goal, and reads single ones that a person or host gives. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise

from atos_orchestrator.planning.brief.command_examples import command_examples
from atos_orchestrator.planning.brief.findings import Example, Place
from atos_orchestrator.planning.brief.outcomes import read_outcome
from atos_orchestrator.planning.brief.sessions import (
    FENCE,
    code_blocks,
    code_statements,
    doctest_statements,
    lines_of,
    plain_code,
    spans_of,
)
from atos_orchestrator.planning.brief.spans import Call, calls, parse
from atos_orchestrator.planning.brief.spoken_calls import spoken_calls
from atos_orchestrator.planning.brief.statements import MAX_ASSERTION, Statement, read_statements
from atos_orchestrator.planning.brief.web_examples import web_examples
from atos_protocol.errors import BadRequestError

MAX_EXAMPLES_FOUND = 40
"""Examples of one goal; what comes after them is left out."""
MAX_READ = 200
"""Assertions that are made before repeated ones are dropped: bounds the time that any text can take."""

_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_OPERATOR = re.compile(
    r"(?:[+/%@&|^~=<]|(?<![=-])>|(?<=\S[ \t])[-*]|\bnot|(?<=[\"'\d\])][ \t])in|\blambda:)[ \t]*\Z"
)
_DEFINES = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+\w", re.MULTILINE)


def find_examples(text: str, modules: frozenset[str]) -> list[Example]:
    """Return the examples of a goal in their order; `modules` are the names of its modules."""
    found: dict[str, Example] = {}
    for example in islice(_all(text, modules), MAX_READ):
        found.setdefault(example.assertion, example)
    ordered = sorted(found.values(), key=lambda each: each.place.start)
    return ordered[:MAX_EXAMPLES_FOUND]


def _all(text: str, modules: frozenset[str]) -> Iterator[Example]:
    """Yield what each way of writing gives; what one has read as code is no prose for the next."""
    doctest = doctest_statements(lines_of(text))
    yield from read_statements(doctest, modules)
    text = blanked(text, (row.place for row in doctest))
    text = FENCE.sub(lambda f: _blank(f[0]) if _DEFINES.search(f[1]) else f[0], text)
    for block in [*code_blocks(text), *plain_code(lines_of(FENCE.sub(_blanked_match, text)))]:
        found = list(islice(read_statements(block, modules), MAX_READ))
        yield from found
        if found and len(block) > 1:
            text = blanked(text, (row.place for row in block))
    borders = [0, *(gap.end() for gap in _PARAGRAPH.finditer(text)), len(text)]
    for start, end in pairwise(borders):
        yield from read_statements(spans_of(text, Place(start, end)), modules)
    yield from _calls_in_prose(text, modules)
    for said in spoken_calls(text):
        yield from read_statements([said], modules)
    yield from web_examples(text)
    yield from command_examples(text)


def blanked(text: str, places: Iterable[Place]) -> str:
    """Return the text with spaces instead of some of its parts; all other places stay as they are."""
    parts: list[str] = []
    at = 0
    for place in sorted(places, key=lambda each: each.start):
        parts += [text[at : place.start], _blank(text[max(at, place.start) : place.end])]
        at = max(at, place.end)
    return "".join([*parts, text[at:]])


def _blank(text: str) -> str:
    return re.sub(r"\S", " ", text)


def _blanked_match(found: re.Match[str]) -> str:
    return _blank(found[0])


def _calls_in_prose(text: str, modules: frozenset[str]) -> Iterator[Example]:
    """Yield what the text says of single calls: `f(1) -> 2`, `f(-1) raises ValueError`."""
    covered = 0
    for call in calls(text):
        outcome = None if call.place.start < covered else read_outcome(text, call.place.end)
        if outcome is None or call.name == "O" or _within_expression(text, call):
            continue
        covered = call.place.end
        place = Place(call.place.start, outcome.end)
        source = text[call.place.start : call.place.end]
        row = Statement(source, place, outcome.gives, outcome.wanted)
        yield from read_statements([row], modules)


def _within_expression(text: str, call: Call) -> bool:
    """Return whether an operator stands before a call, so that the value is not the call's alone."""
    start = text.rfind("\n", 0, call.place.start) + 1
    before = text[max(start, call.place.start - 12) : call.place.start]
    return bool(_OPERATOR.search(before))


def read_example(line: str) -> str:
    """Return one example that a person or host gives, as the source of an assertion.

    `f(2) == 4`, `f(2) -> 4`, `f(2) returns 4`, `f(-1) raises ValueError`, a doctest, or `assert ...`; lines
    of set-up may stand before it.

    Raises:
        BadRequestError: it is none of these.
    """
    text = line.strip().strip("`")
    found = _block(text) or _rows(text) or list(_calls_in_prose(text, frozenset()))
    if found:
        return found[-1].assertion
    message = f"this is no example that can be checked: {line.strip()[:200]!r}"
    if len(line) > MAX_ASSERTION:
        message = f"the example has {len(line)} characters; at most {MAX_ASSERTION} fit"
    step = (
        "Write a call and its exact value, such as `f(2) == 4`, `f(2) -> 4` or `f(-1) raises ValueError`;"
        " or a full `assert ...`."
    )
    raise BadRequestError(message, next_step=step)


def _block(text: str) -> list[Example]:
    """Read set-up lines and an assertion, written as one piece of Python: all of it is kept."""
    tree = parse(text)
    if tree is None or not tree.body or not isinstance(tree.body[-1], ast.Assert):
        return []
    return list(read_statements([Statement(text, Place(0, len(text)))], slice_setup=False))


def _rows(text: str) -> list[Example]:
    lines = lines_of(text)
    return list(read_statements(doctest_statements(lines) or code_statements(lines)))
