"""Reads a composed list function out of a goal's meaningful words, in order, all of them or nothing."""

import re

from atos.orchestrator.mini.family import Wanted, at
from atos.orchestrator.mini.pipelines import PIPELINES, name_of

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
_VERB_MAPS = frozenset({"square", "double", "cube", "halve"})
_NUM = r"(?:numbers|items|values|integers)"
_PIPELINE = re.compile(
    r"^(?P<reduction>sum|count|largest|smallest|listing|keep|filter)? ?"
    r"(?P<map>squares|square|doubles|double|cubes|cube|halves|halve|absolute values)? ?"
    r"(?:only )?(?:each )?(?P<filter>.*)$"
)
_FILTERS = (
    (re.compile(rf"^(?P<kind>even|odd|positive|negative) (?P<num>{_NUM}|number|item|value)$"), "{kind}"),
    (re.compile(rf"^(?P<num>{_NUM}) (?P<kind>even|odd|positive|negative)$"), "{kind}"),
    (re.compile(rf"^(?P<num>{_NUM}|number|value) over (?P<k>\d+)$"), "over_{{k}}"),
    (re.compile(rf"^(?P<num>{_NUM}|number|value) under (?P<k>\d+)$"), "under_{{k}}"),
    (re.compile(rf"^(?P<num>{_NUM}|number) divisible by (?P<k>\d+)$"), "multiples_of_{{k}}"),
    (re.compile(r"^(?P<num>multiples|multiple) (?P<k>\d+)$"), "multiples_of_{{k}}"),
    (re.compile(rf"^(?P<num>{_NUM}|number|item)$"), "numbers"),
)
# Without a list in sight, "multiples of 3" or "numbers below 50" may ask to make them up.
_STANDS_ALONE = re.compile(r"^(?:even|odd|positive|negative) ")
_SINGULAR = frozenset({"number", "item", "value", "multiple"})


def parse_pipeline(words: tuple[str, ...]) -> Wanted | None:
    """Give the composed function that the words ask for, or None if a word is left over."""
    rest = list(words)
    in_list = "list" in rest
    if in_list:
        rest.remove("list")
    each = "each" in rest
    found = _PIPELINE.match(" ".join(rest))
    if found is None:
        return None
    reduction = _REDUCTIONS[found["reduction"] or ""]
    mapping = _MAPS[found["map"] or ""]
    if found["map"] in _VERB_MAPS and found["reduction"]:
        return None
    if not in_list and reduction == "list" and found["reduction"] not in ("keep", "filter"):
        return None
    chosen = _filter(found["filter"], reduction, each=each, in_list=in_list)
    if chosen is None:
        return None
    name, k = chosen
    family = PIPELINES.get(name_of(reduction, mapping, name))
    if family is None or (k is not None and not _in_range(k, family.numbers)):
        return None
    return Wanted(family.name, () if k is None else (("k", k),), at(family, k).says)


def _filter(
    text: str, reduction: str, *, each: bool, in_list: bool
) -> tuple[str, int | None] | None:
    if not text and in_list:
        return "numbers", None
    if not in_list and not _STANDS_ALONE.match(text):
        return None
    for pattern, name in _FILTERS:
        found = pattern.match(text)
        if found is None:
            continue
        groups = found.groupdict()
        if groups["num"] in _SINGULAR and reduction not in ("max", "min") and not each:
            return None
        k = groups.get("k")
        return name.format(kind=groups.get("kind", "")), None if k is None else int(k)
    return None


def _in_range(k: int, numbers: tuple[int, int] | None) -> bool:
    return numbers is not None and numbers[0] <= k <= numbers[1]
