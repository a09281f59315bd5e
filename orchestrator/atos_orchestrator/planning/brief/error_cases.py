"""Splits a clause that states an error for several cases: each needs rows and a check of its own. Pure.

`An end before the start and a text that is no date both raise ValueError` are two cases, and code that refuses one of
them passes every row that a tester happens to write about that one.
"""

from __future__ import annotations

import re

MOST_CASES = 4
"""Cases of one clause; one that seems to have more is left as it is."""

_DETERMINER = r"(?:an?|any|every|no|an? \w+|unknown|missing|numbers?|negative|empty|duplicate)"
_VERB = r"(?:raises?|throws?|is|are|gives?|->|=>|→|:)"
_STATED = re.compile(
    rf"(?P<subject>.+?),?\s+(?:both\s+|all\s+)?(?P<verb>(?:must\s+|should\s+|will\s+)?{_VERB})"
    r"\s+(?P<error>(?:an?\s+)?`?\w+`?)(?P<tail>,?\s+in (?:both|all|each|every|either)\b.*)?\s*\Z",
    re.DOTALL,
)
_CONDITION = re.compile(
    r"(?P<lead>.*?\b(?P<error>[A-Z]\w*)`?\s+)(?P<word>if|when|for)\s+(?P<cases>.+)\Z", re.DOTALL
)
_PREMISE = re.compile(
    r"(?P<word>[Ii]f|[Ww]hen)\s+(?P<cases>.+?),\s+(?P<then>(?:it|this|that|they)\s+.*?(?P<error>[A-Z]\w*)`?)\Z",
    re.DOTALL,
)
_LIST = re.compile(rf",?\s+(?:and|or)\s+(?={_DETERMINER}\b)|,\s+(?={_DETERMINER}\b)", re.IGNORECASE)
_CHOICE = re.compile(rf",?\s+or\s+(?={_DETERMINER}\b)|,\s+(?={_DETERMINER}\b)", re.IGNORECASE)
_RELATIVE = re.compile(
    r"(?P<thing>.+?\b(?:that|which|who))\s+(?P<first>.+?),?\s+or\s+"
    r"(?P<second>(?:has|have|is|are|does|do|contains?|lacks?|begins?|ends?|starts?)\b.+)\Z",
    re.DOTALL,
)
_BOUNDS = re.compile(
    r"(?P<thing>.+?)\s+(?P<first>(?:below|under|less than|smaller than)\s+\S+)"
    r"\s+or\s+(?P<second>(?:above|over|more than|greater than|larger than)\s+\S+)\Z",
    re.DOTALL,
)
_IN_ALL = re.compile(r"\A(?P<where>in (?:both|all)[^,]*,\s+)", re.IGNORECASE)


def error_cases(clause: str, error: str) -> list[str]:
    """Return the cases of a clause, each as a clause of its own; the clause itself where it has one case only.

    Args:
        clause: what the goal says, on one line: `a negative size and an empty text raise ValueError`.
        error: the error of which it speaks.
    """
    ways = (_by_subject, _by_condition, _by_premise)
    found = (way(clause, error) for way in ways)
    return next((cases for cases in found if 1 < len(cases) <= MOST_CASES), [clause])


def _by_subject(clause: str, error: str) -> list[str]:
    """Return the cases of `A, B and C raise E`."""
    stated = _STATED.fullmatch(clause)
    if stated is None or error not in stated["error"]:
        return []
    subject = stated["subject"]
    where = _IN_ALL.match(subject)
    lead = where["where"] if where else ""
    several = re.search(r"\b(?:raise|throw|are|give)\Z", stated["verb"])
    cut = _LIST if several else _CHOICE  # `a name with a blank and a digit raises` is one case
    things = [each for part in cut.split(subject[len(lead) :]) for each in _parts(part)]
    tail = stated["tail"] or ""
    cases = [each.strip(" ,") for each in things]
    return [f"{lead}{each} raises {error}{tail}" for each in cases if each]


def _parts(thing: str) -> list[str]:
    """Return the cases of one thing: `a text that is empty or has no letter`, `a number below 1 or above 9`."""
    if bounds := _BOUNDS.fullmatch(thing):
        return [f"{bounds['thing']} {bounds[each]}" for each in ("first", "second")]
    if relative := _RELATIVE.fullmatch(thing):
        return [f"{relative['thing']} {relative[each]}" for each in ("first", "second")]
    return [thing]


def _by_premise(clause: str, error: str) -> list[str]:
    """Return the cases of `if A, or if B, it raises E`."""
    stated = _PREMISE.fullmatch(clause)
    if stated is None or stated["error"] != error:
        return []
    cases = re.split(rf",?\s+or\s+{stated['word']}\s+", stated["cases"], flags=re.IGNORECASE)
    return [f"{stated['word']} {each.strip(' ,')}, {stated['then']}" for each in cases]


def _by_condition(clause: str, error: str) -> list[str]:
    """Return the cases of `raises E if A or if B`."""
    stated = _CONDITION.fullmatch(clause)
    if stated is None or stated["error"] != error:
        return []
    word = stated["word"]
    cases = re.split(rf",?\s+or\s+{word}\s+", stated["cases"])
    return [f"{stated['lead']}{word} {each.strip(' ,')}" for each in cases]
