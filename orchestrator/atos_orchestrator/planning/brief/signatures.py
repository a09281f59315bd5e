"""Finds the functions and classes that a goal names, as it writes them. Pure."""

from __future__ import annotations

import ast
import keyword
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from atos_orchestrator.planning.brief.classes import ClassMention, find_classes
from atos_orchestrator.planning.brief.findings import Example, Place, Signature
from atos_orchestrator.planning.brief.modules import Modules
from atos_orchestrator.planning.brief.names import listed_names
from atos_orchestrator.planning.brief.spans import Call, bracket_end, calls, parse
from atos_orchestrator.planning.brief.values import BUILTINS, CONSTRUCTORS

MAX_SIGNATURES = 40
"""Of one goal; what comes after them is left out."""

_ANNOUNCED = re.compile(r"\b(?:def|functions?|called|named)[ \t]+[`\"']?\Z")
_BARE = re.compile(r"\bfunctions?[ \t]+(?:(?:called|named)[ \t]+)?(?=[`\"']?[^\W\d])")
_ARROW = re.compile(r"[`\"']?[ \t]*->[ \t]*`?")
_TYPE = re.compile(r"[A-Za-z_][\w.]*")
_OR = re.compile(r"[ \t]*\|[ \t]*")
_PLURALS = frozenset({"s", "es", "ies", "optional"})
_NOT_FUNCTIONS = BUILTINS | frozenset(dir(math)) | CONSTRUCTORS.keys() | frozenset({"O", "raises"})
_TYPES = frozenset(
    {"int", "str", "float", "bool", "list", "dict", "tuple", "set", "bytes", "object"}
)


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    head: str
    place: Place

    @property
    def weight(self) -> int:
        """How much the head says: annotations, parameters, or the name alone."""
        return ("->" in self.head or ":" in self.head) + (self.head != self.name)


def find_signatures(
    text: str, prose: str, modules: Modules, examples: Sequence[Example]
) -> list[Signature]:
    """Return what a goal wants to have defined, in its order.

    Args:
        text: the goal.
        prose: the same with spaces instead of its examples.
        modules: the modules that it names.
        examples: what is called in them is wanted too.
    """
    classes = find_classes(prose)
    found = [_class_signature(each, modules) for each in classes]
    taken = {each.name for each in classes}
    methods = {method.name for each in classes for method in each.methods}
    for first, best in _functions(prose, classes):
        if first.name not in taken | methods:
            module = modules.owner(first.place.start)
            found.append(Signature(best.name, best.head, "function", module, first.place))
            taken.add(first.name)
    for example in examples:
        if example.name and example.name not in taken | methods:
            taken.add(example.name)
            found.append(_from_example(text, example, modules))
    return sorted(found, key=lambda each: each.place.start)[:MAX_SIGNATURES]


def _class_signature(found: ClassMention, modules: Modules) -> Signature:
    methods = ", ".join(method.head for method in found.methods)
    head = f"class {found.name}: {methods}" if methods else f"class {found.name}"
    names = tuple(method.name for method in found.methods)
    owner = modules.owner(found.place.start)
    return Signature(found.name, head, "class", owner, found.place, names)


def _from_example(text: str, example: Example, modules: Modules) -> Signature:
    at = text.find(example.name, example.place.start, example.place.end)
    start = at if at >= 0 else example.place.start
    place = Place(start, start + len(example.name)) if at >= 0 else example.place
    if example.name[:1].isupper() and example.name.lower() != example.name:
        head = f"class {example.name}"
        return Signature(example.name, head, "class", modules.owner(start), place)
    return Signature(example.name, example.name, "function", modules.owner(start), place)


def _functions(text: str, classes: Iterable[ClassMention]) -> list[tuple[_Found, _Found]]:
    """Return the first mention and the most telling one of each function."""
    inside = [each.place for each in classes] + [m.place for each in classes for m in each.methods]
    covered = {place.start for place in inside}
    by_name: dict[str, tuple[_Found, _Found]] = {}
    mentions = [*_calls(text), *_bare(text)]
    for found in sorted(mentions, key=lambda each: each.place.start):
        if found.place.start in covered:
            continue
        first, best = by_name.get(found.name, (found, found))
        by_name[found.name] = (first, found if found.weight > best.weight else best)
    return list(by_name.values())


def _calls(text: str) -> Iterator[_Found]:
    for call in calls(text):
        before = text[max(0, call.place.start - 24) : call.place.start]
        announced = bool(_ANNOUNCED.search(before))
        if "." in call.name or (call.name in _NOT_FUNCTIONS and not announced):
            continue
        head = function_head(text, call)
        if head and (announced or call.arguments not in _PLURALS):
            yield _Found(call.name, head, call.first)


def function_head(text: str, call: Call) -> str:
    """Return a call that reads as a signature, with the type that it returns; else an empty text.

    Empty parentheses say nothing about parameters in prose: `median()` is just `median`.
    """
    arguments = " ".join(call.arguments.split())
    if keyword.iskeyword(call.name) or parse(f"def f({arguments}): pass") is None:
        return ""
    returned = _returned(text, call.first.end)
    if not arguments and not returned:
        return call.name
    return f"{call.name}({arguments}){f' -> {returned}' if returned else ''}"


def _returned(text: str, at: int) -> str:
    """Read the type behind `->`; an empty text where something else stands there."""
    arrow = _ARROW.match(text, at)
    if not arrow:
        return ""
    start = end = arrow.end()
    while name := _TYPE.match(text, end):
        root = name[0].split(".")[0]
        if root not in _TYPES and not root[0].isupper() and "." not in name[0]:
            return ""
        end = name.end()
        if text[end : end + 1] == "[":
            end = max(end, bracket_end(text, end))
        either = _OR.match(text, end)
        if not either:
            break
        end = either.end()
    source = text[start:end].rstrip("| \t.")
    tree = parse(f"def f() -> {source}: pass")
    plain = tree is not None and isinstance(tree.body[0], ast.FunctionDef)
    return " ".join(source.split()) if source and plain else ""


def _bare(text: str) -> Iterator[_Found]:
    """Yield the names behind the word `function`: `a function called median`, `functions a, b and c`."""
    for found in _BARE.finditer(text):
        for name, place in listed_names(text, found.end()):
            yield _Found(name, name, place)
