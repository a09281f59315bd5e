"""Finds the classes that a goal names, with the methods that it wants. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from atos_orchestrator.planning.brief.findings import Place
from atos_orchestrator.planning.brief.names import listed_names
from atos_orchestrator.planning.brief.spans import Call, bracket_end, calls, parse, sentences

MAX_MENTIONS = 30
"""Of classes in one goal; what comes after them is left out."""

_CLASS = re.compile(
    r"\b(?:data)?class(?:es)?[ \t]+(?:(?:called|named)[ \t]+)?[`\"']?(?P<after>[A-Z]\w*)"
    r"|\b(?P<before>[A-Z]\w*)[`\"']?[ \t]+(?:data)?class\b"
)
_MORE_CLASSES = re.compile(
    r"(?:,[ \t]*(?:and[ \t]+)?|[ \t]+and[ \t]+)(?:an?[ \t]+)?[`\"']?([A-Z]\w*)"
)
_NO_CLASS = frozenset(
    [
        "A",
        "An",
        "The",
        "This",
        "That",
        "Each",
        "One",
        "Python",
        "Data",
        "Base",
        "Abstract",
        "My",
        "Your",
        "Its",
        "Write",
        "Make",
    ]
)
_METHODS = re.compile(
    r"\bmethods?\b:?[ \t]+(?:(?:called|named)[ \t]+)?|\A[`\"']?[ \t]+(?:with|has|having)[ \t]+"
)
_GOES_ON = re.compile(
    r"[ \t]*(?:(?:[-*+•]|\d+[.)])[ \t]*[`*]*(?:def[ \t]+)?\w+\(|It\b|Its\b|Methods\b|The methods\b)"
)
_STOP = re.compile(r"\bfunctions?\b|\b[\w/]+\.py\b")


@dataclass(frozen=True, slots=True)
class Method:
    """A method as the goal writes it."""

    name: str
    head: str
    place: Place


@dataclass(frozen=True, slots=True)
class ClassMention:
    """A class, at its first mention."""

    name: str
    place: Place
    methods: tuple[Method, ...]


def find_classes(text: str) -> list[ClassMention]:
    """Return the classes that a goal wants, in its order."""
    mentions = list(islice(_mentions(text), MAX_MENTIONS))
    all_calls = [call for call in calls(text) if "." not in call.name]
    places = sentences(text)
    found: dict[str, ClassMention] = {}
    for at, (name, place) in enumerate(mentions):
        following = mentions[at + 1][1].start if at + 1 < len(mentions) else len(text)
        scope = Place(place.end, min(following, _scope_end(text, places, place)))
        methods = [*_called_methods(name, scope, all_calls), *_listed_methods(text, scope)]
        known = found.get(name)
        if known:
            methods = [*known.methods, *methods]
            place = known.place
        merged = {method.name: method for method in reversed(methods)}
        ordered = sorted(merged.values(), key=lambda method: method.place.start)
        found[name] = ClassMention(name, place, tuple(ordered))
    return list(found.values())


def _mentions(text: str) -> Iterator[tuple[str, Place]]:
    for found in _CLASS.finditer(text):
        group = "after" if found["after"] else "before"
        name = found[group]
        if name in _NO_CLASS:
            continue
        yield name, Place(*found.span(group))
        at = found.end()
        while group == "after" and "classes" in found[0]:
            more = _MORE_CLASSES.match(text, at)
            if not more:
                break
            yield more[1], Place(*more.span(1))
            at = more.end()


def _scope_end(text: str, places: list[Place], mention: Place) -> int:
    """Return where the words about a class end: its sentence, and what plainly goes on from there."""
    end = -1
    for place in places:
        if place.end <= mention.end:
            continue
        row = text[place.start : place.end]
        if end >= 0 and row.strip() and not _GOES_ON.match(row):
            break
        end = place.end
        if stop := _STOP.search(row, max(0, mention.end - place.start)):
            end = place.start + stop.start()
            break
    return end


def _called_methods(name: str, scope: Place, all_calls: list[Call]) -> Iterator[Method]:
    """Yield the methods that stand as calls: `push(x)`; a call of the class is its constructor."""
    for call in all_calls:
        arguments = " ".join(call.arguments.split())
        inside = scope.start - len(name) <= call.place.start < scope.end
        if not inside or call.name == "s" or parse(f"def f({arguments}): pass") is None:
            continue
        own = _without_self(arguments)
        if call.name != name:
            yield Method(call.name, f"{call.name}({own})", call.first)
        elif arguments and not arguments[0].isupper():
            yield Method("__init__", f"__init__({own})", call.first)


def _listed_methods(text: str, scope: Place) -> Iterator[Method]:
    """Yield the methods that stand as names: `with methods push, pop and peek`."""
    part = text[: scope.end]
    for found in _METHODS.finditer(text[scope.start : scope.end]):
        names = list(listed_names(part, scope.start + found.end()))
        for name, place in names if "method" in found[0] or len(names) > 1 else ():
            end = bracket_end(part, place.end) if part[place.end : place.end + 1] == "(" else -1
            yield Method(name, part[place.start : max(end, place.end)], place)


def _without_self(arguments: str) -> str:
    return re.sub(r"^self\b(?:\s*,\s*)?", "", arguments)
