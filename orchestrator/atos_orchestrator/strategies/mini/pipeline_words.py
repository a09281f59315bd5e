"""Reads a composed list function out of a goal's meaningful words, in order, all of them or nothing."""

import re
from dataclasses import dataclass

from atos_orchestrator.strategies.mini.family import Wanted, at
from atos_orchestrator.strategies.mini.pipelines import PIPELINES, name_of

_REDUCTIONS = {
    "sum": "sum",
    "count": "count",
    "largest": "max",
    "smallest": "min",
    "listing": "list",
    "keep": "list",
    "filter": "list",
    "": "list",
}
_MAPS = {
    "squares": "squared",
    "square": "squared",
    "doubles": "doubled",
    "double": "doubled",
    "cubes": "cubed",
    "cube": "cubed",
    "halves": "halved",
    "halve": "halved",
    "absolute values": "abs",
    "": "",
}
_VERB_MAPS = ("square", "double", "cube", "halve")
_EXTREMES = ("max", "min")
_SHAPE = re.compile(
    r"^(?P<reduction>sum|count|largest|smallest|listing|keep|filter)? ?(?P<one_of>oneof )?"
    r"(?P<map>squares|square|doubles|double|cubes|cube|halves|halve|absolute values)? ?"
    r"(?:only )?(?P<each>each )?(?P<chosen>.*)$"
)
_MANY = r"(?:numbers|items|values|integers)"
_ONE = r"(?P<one>number|item|value)"
_SIGN = r"(?P<kind>even|odd|positive|negative)"
_FILTERS = tuple(
    (re.compile(f"^{pattern}$"), name)
    for pattern, name in (
        (rf"{_SIGN} (?:{_MANY}|{_ONE})", "{kind}"),
        (rf"{_MANY} {_SIGN}", "{kind}"),
        (rf"(?:{_MANY}|{_ONE}) over (?P<k>\d+)", "over_{{k}}"),
        (rf"(?:{_MANY}|{_ONE}) under (?P<k>\d+)", "under_{{k}}"),
        (rf"(?:{_MANY}|{_ONE}) divisible by (?P<k>\d+)", "multiples_of_{{k}}"),
        (r"(?:multiples|(?P<one>multiple)) (?P<k>\d+)", "multiples_of_{{k}}"),
        (rf"(?:{_MANY}|{_ONE})", "numbers"),
    )
)
# Without a list in sight, "multiples of 3" or "numbers below 50" may ask to make them up.
_STANDS_ALONE = ("even ", "odd ", "positive ", "negative ")


# The corpus goes up to 100, but with so few three-digit numbers the model copies them wrong.
_RELIABLE_UP_TO = 99


@dataclass(frozen=True, slots=True)
class _Filter:
    name: str
    k: int | None
    one: bool


def parse_pipeline(words: tuple[str, ...]) -> Wanted | None:
    """Give the composed function that the words ask for, or None if a word is left over."""
    in_list = "list" in words
    rest = list(words)
    if in_list:
        rest.remove("list")
    shape = _SHAPE.match(" ".join(rest))
    if shape is None:
        return None
    chosen = _filter(shape["chosen"]) if shape["chosen"] else _Filter("numbers", None, one=False)
    if chosen is None or not (in_list or _clear_without_list(shape)) or not _agrees(shape, chosen):
        return None
    name = name_of(_REDUCTIONS[shape["reduction"] or ""], _MAPS[shape["map"] or ""], chosen.name)
    return _wanted(name, chosen.k)


def _filter(text: str) -> _Filter | None:
    for pattern, name in _FILTERS:
        found = pattern.match(text)
        if found is not None:
            groups = found.groupdict()
            k = groups.get("k")
            filled = name.format(kind=groups.get("kind", ""))
            return _Filter(filled, None if k is None else int(k), one=groups.get("one") is not None)
    return None


def _clear_without_list(shape: re.Match[str]) -> bool:
    explicit = shape["reduction"] not in (None, "listing")
    return explicit and shape["chosen"].startswith(_STANDS_ALONE)


def _agrees(shape: re.Match[str], chosen: _Filter) -> bool:
    """Check singular and plural against the reduction.

    "The largest of the even numbers" but "the largest even number"; "square each number" but "sum
    the squares".
    """
    if shape["map"] in _VERB_MAPS and shape["reduction"]:
        return False
    if _REDUCTIONS[shape["reduction"] or ""] in _EXTREMES:
        return chosen.one != (shape["one_of"] is not None)
    return shape["one_of"] is None and (not chosen.one or shape["each"] is not None)


def _wanted(name: str, k: int | None) -> Wanted | None:
    family = PIPELINES.get(name)
    if family is None or (family.numbers is None) != (k is None):
        return None
    if family.numbers is not None and k is not None:
        lowest, highest = family.numbers
        if not lowest <= k <= min(highest, _RELIABLE_UP_TO):
            return None
    return Wanted(family.name, () if k is None else (("k", k),), at(family, k).says)
