"""Finds what a web application is to refuse: `a missing or non-integer a or b answers status 400`. Pure.

The requests come from the goal's own examples: one of their parameters is left out, or replaced by a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from atos_orchestrator.planning.brief.findings import Place
from atos_orchestrator.planning.brief.web_requests import Answer, WebRequest

_KIND = r"(?:missing|absent|non-integer|non-numeric|non-number)"
_REFUSED = re.compile(
    rf"\b({_KIND}(?:(?:,|,?[ \t\n]+or)[ \t\n]+{_KIND})*)[ \t\n]+"
    r"`?(\w+`?(?:(?:,|,?[ \t\n]+(?:or|and))[ \t\n]+`?\w+`?)*)"
    r"[ \t\n]+(?:(?:should|must|shall|will)[ \t\n]+)?(?:answers?|returns?|gives?|responds?(?:[ \t\n]+with)?|is|be)"
    r"[ \t\n]+(?:an?[ \t\n]+)?(?:HTTP[ \t\n]+)?(?:status[ \t\n]+)?(?:code[ \t\n]+)?(4\d\d)\b",
    re.IGNORECASE,
)
_ANY = frozenset(
    {"parameter", "parameters", "argument", "arguments", "value", "values", "number", "numbers"}
)
_JOINS = frozenset({"or", "and", "either"})
NO_NUMBER = "x"


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is to be refused, and where the goal says so."""

    request: WebRequest
    answer: Answer
    place: Place


def refused_requests(text: str, requests: Sequence[WebRequest]) -> Iterator[Refused]:
    """Yield the requests that a goal's clauses refuse, made from requests that it shows with their answers."""
    for found in _REFUSED.finditer(text):
        names = {name for name in re.findall(r"\w+", found[2]) if name.lower() not in _JOINS}
        for request in _with_parameters(requests, names):
            for path in _variants(request.path, names, found[1].lower()):
                place = Place(*found.span())
                yield Refused(WebRequest("get", path), Answer("status", found[3]), place)


def _with_parameters(requests: Sequence[WebRequest], names: set[str]) -> list[WebRequest]:
    """Return the first request that has all of the parameters that a clause names."""
    fitting = (
        request
        for request in requests
        if request.method == "get" and _parameters(request.path).keys() >= (names - _ANY)
    )
    return [request for request in fitting if _parameters(request.path)][:1]


def _parameters(path: str) -> dict[str, str]:
    return dict(parse_qsl(path.partition("?")[2], keep_blank_values=True))


def _variants(path: str, names: set[str], kinds: str) -> Iterator[str]:
    """Yield a path without each named parameter, and with a word in its place, as the kinds say."""
    given, route = _parameters(path), path.partition("?")[0]
    for name in given if names <= _ANY else [each for each in given if each in names]:
        rest = {key: value for key, value in given.items() if key != name}
        if "missing" in kinds or "absent" in kinds:
            yield f"{route}?{urlencode(rest)}" if rest else route
        if "non-" in kinds:
            yield f"{route}?{urlencode(given | {name: NO_NUMBER})}"
