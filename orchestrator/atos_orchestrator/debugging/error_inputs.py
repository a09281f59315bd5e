"""Inputs of which a clause about an error says in plain words what they hold: something empty, a strange letter. Pure.

A small model that is to write `raises(ValueError, lambda: spread(...))` for "an empty list raises ValueError" writes
`spread([1])` as readily as `spread([])`. Where the words say what the input must hold, rows without it are no rows, and
a rule makes the row itself: a known call with that one argument changed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from atos_orchestrator.debugging.calls import calls_in, raising_call, usual_opening
from atos_orchestrator.debugging.changed_inputs import changed_arguments
from atos_orchestrator.debugging.sources import call_of, parse_source
from atos_orchestrator.task import name_of, parameters_of

MOST_MADE = 3
"""Rows that a rule makes for one clause and function."""

_EMPTY_OF = {
    "list": "[]",
    "sequence": "[]",
    "dict": "{}",
    "dictionary": "{}",
    "tuple": "()",
    "text": "''",
    "string": "''",
    "word": "''",
    "name": "''",
    "title": "''",
    "line": "''",
}
_OPENED = {"[": "[]", '"': "''", "{": "{}", "(": "()"}
_ANY_EMPTY = tuple(_OPENED.values())
_NOUN = rf"(?:{'|'.join(_EMPTY_OF)})"
_AFTER = (
    r"(?=\s*(?:\Z|[.,;:)]|or\b|raises?\b|throws?\b|gives?\b|is\b|are\b|must\b|should\b|->|=>|→))"
)
_BOUND = (
    rf"(?P<bound>-?\d+(?:\.\d+)?){_AFTER}"  # `more than 3 words` counts words: no bound of a value
)
_NOT = re.compile(
    r"\b(?:not?|never|non|without|isn't|aren't|except|unless|other than)[ -]+(?:an? )?\Z"
)
_SEVERAL = re.compile(r"\b(?:or|and)\b")
_DIGITS = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Held:
    """What an input of a clause holds."""

    is_held: Callable[[object], bool]
    """Tells whether a value is of that kind."""
    texts: tuple[str, ...]
    """Such values as source, for an argument of the type that it replaces."""


def held_inputs(clause: str) -> list[Held]:
    """Return what the inputs of a clause hold, each of which is one case; none where its words don't say."""
    found = [(each, made) for pattern, made in _WORDS for each in pattern.finditer(clause)]
    if any(_NOT.search(clause[: each.start()]) for each, _ in found):
        return []  # `unless it is empty` says the contrary
    return [made(each) for each, made in found]


def _empty(found: re.Match[str]) -> Held:
    noun = (found["after"] or found["before"] or "").lower()
    return Held(_is_empty, (_EMPTY_OF[noun],) if noun in _EMPTY_OF else _ANY_EMPTY)


def _is_empty(value: object) -> bool:
    return not value.strip() if isinstance(value, str) else value in ([], {}, (), None)


def _numbers(test: Callable[[float], bool], *texts: str) -> Held:
    """Return what holds a number of a kind; one that stands in a text counts as well."""

    def is_held(value: object) -> bool:
        if isinstance(value, str):
            return any(test(float(each)) for each in _DIGITS.findall(value))
        return isinstance(value, int | float) and test(value)

    return Held(is_held, texts)


def _below(found: re.Match[str]) -> Held:
    bound = float(found["bound"])
    return _numbers(lambda value: value < bound, f"{bound - 1:g}")


def _above(found: re.Match[str]) -> Held:
    bound = float(found["bound"])
    return _numbers(lambda value: value > bound, f"{bound + 1:g}")


_WORDS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Held]], ...] = (
    (
        re.compile(
            rf"(?:\b(?P<before>{_NOUN})s? (?:is|are|that is) )?\bempty\b(?: (?:\w+ )?(?P<after>{_NOUN})\b)?",
            re.IGNORECASE,
        ),
        _empty,
    ),
    (re.compile(r"\bnegative\b", re.IGNORECASE), lambda _: _numbers(lambda value: value < 0, "-1")),
    (re.compile(r"\bzero\b", re.IGNORECASE), lambda _: _numbers(lambda value: value == 0, "0")),
    (re.compile(rf"\b(?:below|under|(?:less|smaller|lower) than) {_BOUND}"), _below),
    (re.compile(rf"\b(?:above|over|(?:more|greater|larger|higher) than) {_BOUND}"), _above),
)


_SIGN = r"(letter|character|symbol|sign|token|operator)s?"
_STRANGE = re.compile(
    rf"\b(?:{_SIGN} (?:(?:that|which) (?:is|are) (?:no|not)|other than|different from)"
    rf"|(?:unknown|invalid|illegal|unexpected|foreign|other|another) {_SIGN})\b",
    re.IGNORECASE,
)
_SIGNS = {True: "ZQJKW", False: "?#@~"}
"""Signs that texts seldom hold, letters or not."""


def lacks_what_is_said(clause: str, call: str) -> bool:
    """Tell whether a call holds nothing of what a clause says: `spread([1])` for "an empty list raises ValueError".

    A call that can't be read (its arguments are no plain values) is given the benefit of the doubt.
    """
    held, values = held_inputs(clause), _values(call)
    if (
        not held or values is None or _SEVERAL.search(clause)
    ):  # of several cases, one may be another kind
        return False
    inside = [each for value in values for each in _within(value)]
    return not any(each.is_held(value) for each in held for value in inside)


def refused_calls(
    clause: str, name: str, parameters: Sequence[str], known: Sequence[str]
) -> list[str]:
    """Return calls of a function that a clause refuses, made by rule; none where its words don't say how.

    Args:
        clause: what the goal says: `a negative size raises ValueError`.
        name: the function.
        parameters: their names; one of which the clause speaks is the one that is changed.
        known: calls of the function that are valid, whose other arguments stay.
    """
    words = set(re.findall(r"[^\W\d]\w*", clause)) - {"a"}  # which is an article
    spoken_of = [at for at, each in enumerate(parameters) if each in words]
    made: dict[str, None] = {}
    valid = _valid_arguments(name, parameters, known)
    held = list(map(_to_held, held_inputs(clause)))
    for change in held or _to_strange(clause, known):
        for arguments in valid:
            fitting = {at: text for at, each in enumerate(arguments) if (text := change(each))}
            named = [at for at in fitting if at in spoken_of]
            for at in named or (fitting if len(fitting) == 1 else []):  # of two, who knows which
                changed = [*arguments[:at], fitting[at], *arguments[at + 1 :]]
                made.setdefault(f"{name}({', '.join(changed)})")
    for arguments in [] if made or held else valid:
        for changed in changed_arguments(clause, parameters, arguments):
            made.setdefault(f"{name}({', '.join(changed)})")
    return list(made)[:MOST_MADE]


_Change = Callable[[str], str]
"""Turns the source of an argument into that of a refused one; "" where it is of another type."""


def _to_held(held: Held) -> _Change:
    return lambda argument: next((t for t in held.texts if _kind(t) == _kind(argument)), "")


def _to_strange(clause: str, known: Sequence[str]) -> list[_Change]:
    """Return the change that puts a sign into a text which a clause refuses, and which no known call has."""
    found = _STRANGE.search(clause)
    if not found or _NOT.search(clause[: found.start()]):
        return []
    noun = str(found[1] or found[2]).lower()
    values = [value for call in known for value in _values(call) or ()]
    texts = [each for value in values for each in _within(value) if isinstance(each, str)]
    used = set("".join(texts).upper())
    sign = next((each for each in _SIGNS[noun == "letter"] if each not in used), "")

    def change(argument: str) -> str:
        if not sign or _kind(argument) != "str":
            return ""
        text = str(ast.literal_eval(argument))
        if noun in {"token", "operator"}:
            return repr(" ".join([*text.split()[:-1], sign]))
        return repr(text[:-1] + (sign.lower() if text.islower() else sign))

    return [change]


def methods_in(clause: str, goal: str) -> tuple[str, ...]:
    """Return the methods that a clause names, of those that the goal writes with brackets: `delete(key)`, `rent`."""
    written = set(re.findall(r"\b([a-z_]\w*)\(", goal))
    return tuple(
        dict.fromkeys(each for each in re.findall(r"\b[a-z_]\w*\b", clause) if each in written)
    )


def calls_one(source: str, methods: Sequence[str]) -> bool:
    """Tell whether what a row expects to raise is one of these methods: `cache.get(3)` raises nothing of `delete`."""
    tree = parse_source(raising_call(source))
    last = tree.body[-1] if tree and tree.body else None
    called = last.value if isinstance(last, ast.Expr) else None
    name = called.func if isinstance(called, ast.Call) else None
    return not isinstance(name, ast.Attribute) or name.attr in methods


def valid_calls(
    rows: Sequence[str], names: Sequence[str], signatures: Sequence[str], clause: str
) -> frozenset[str]:
    """Return the calls that rows show to be valid, and the same ones of functions with the same parameters.

    What `merge(intervals)` is shown to take, `covered(intervals)` takes as well, unless the clause names it: small
    models copy an example's input into a row about an error.

    Args:
        rows: assertions that hold; those about errors show nothing valid.
        names: what is under test.
        signatures: what the file defines: `merge(intervals)`.
        clause: what the goal says about an error.
    """
    heads = {name_of(head): parameters_of(head) for head in signatures}
    shown = calls_in([each for each in rows if "raises(" not in each], names)
    named = set(re.findall(r"[^\W\d]\w*", clause))
    found = set(shown)
    for call in shown:
        name, opened, arguments = call.partition("(")
        alike = (each for each, has in heads.items() if has and has == heads.get(name))
        found |= {f"{each}{opened}{arguments}" for each in alike if each not in named}
    return frozenset(found)


def _valid_arguments(name: str, parameters: Sequence[str], known: Sequence[str]) -> list[list[str]]:
    """Return the arguments of the first known call, or of one that can be guessed: one parameter of a usual name."""
    for call in known:
        node = call_of(call)
        if (
            node
            and not node.keywords
            and ast.unparse(node.func) == name
            and _values(call) is not None
        ):
            return [[ast.unparse(each) for each in node.args]]
    if len(parameters) == 1 and (empty := _OPENED.get(usual_opening(parameters[0]))):
        return [[empty]]
    return []


def _kind(text: str) -> str:
    value = ast.literal_eval(text)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if number else type(value).__name__


def _values(call: str) -> list[object] | None:
    """Return the arguments of a call; None where one of them is no plain value, or it is no single call."""
    tree, node = parse_source(call), call_of(call)
    if tree is None or node is None or len(tree.body) != 1:
        return None
    try:
        return [
            ast.literal_eval(each) for each in [*node.args, *(each.value for each in node.keywords)]
        ]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _within(value: object) -> Iterator[object]:
    """Yield a value, and all that stands in it."""
    todo = [value]
    while todo:
        match one := todo.pop():
            case list() | tuple() | set():
                todo.extend(one)  # pyright: ignore[reportUnknownArgumentType]
            case dict():
                todo.extend([*one.keys(), *one.values()])  # pyright: ignore[reportUnknownArgumentType]
            case _:
                pass
        yield one
