"""Finds examples of a web application: `GET /add?a=2&b=3 answers JSON {"sum": 5}`. Pure.

They become assertions on the application's own test client, which needs neither network nor port:
`assert create_app().test_client().get('/add?a=2&b=3').get_json() == {'sum': 5}`. A request that changes something is
repeated before another one only where the text says so ("then", "after"); what depends on it without that word is left out.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from atos_orchestrator.planning.brief.findings import Example, Place, Signature
from atos_orchestrator.planning.brief.spans import (
    bracket_end,
    parse,
    place_around,
    sentences,
    string_end,
)
from atos_orchestrator.planning.brief.web_refusals import refused_requests
from atos_orchestrator.planning.brief.web_requests import Answer, WebRequest, assertion_of
from atos_orchestrator.web_application import (
    FACTORY,
    FASTAPI,
    FRAMEWORKS,
    VARIABLE,
    WebApplication,
    WebFramework,
)

_FRAMEWORK = re.compile(rf"\b({'|'.join(each.package for each in FRAMEWORKS)})\b", re.IGNORECASE)
_FACTORY = re.compile(rf"\b({FACTORY})\(([^()]*)\)")
_REQUEST = re.compile(
    r"(?<![\w/])(GET|POST|PUT|PATCH|DELETE)`?[ \t]+`?(/(?:[^\s`,;()\"']*[^\s`,;:.()\"'])?)`?"
)
_TEMPLATE = re.compile(r"[<>{}]|/:|\.\.\.|…")
_BODY = re.compile(
    r"[ \t\n]+(?:with|sending|given)[ \t\n]+(?:(?:the|a|an)[ \t]+)?(?:JSON[ \t\n]+)?(?:body[ \t\n]+)?:?`?(?=[\[{])"
)
_ANSWERS = re.compile(
    r"`?[,:]?[ \t\n]+(?:->|=>|→|(?:(?:should|must|shall|will|then)[ \t\n]+)?"
    r"(?:answers?|returns?|responds?|replies|reply|gives?|sends?|is)\b(?:[ \t\n]+(?:back|with)\b)*)[ \t\n]*"
)
_STATUS = re.compile(
    r"(?:an?[ \t\n]+)?(?:HTTP[ \t\n]+)?(?:status[ \t\n]+)?(?:code[ \t\n]+)?([1-5]\d\d)\b(?![.,]?\d)`?"
    r"(?:[ \t]+(?:Created|OK|Not Found|Bad Request|No Content|Conflict|Unauthorized|Forbidden)\b)?"
)
_JSON = re.compile(
    r"(?:(?:the|a)[ \t\n]+)?(?:JSON[ \t\n]+)?(?:(?:body|object|list|array)\b:?[ \t\n]+)?`?(?=[\[{])"
)
_TEXT = re.compile(
    r"(?:(?:the|a)[ \t\n]+)?(?:plain[ \t\n]+)?(?:(?:text|body|string)\b:?[ \t\n]+)?`?(?=\")"
)
_ALSO = re.compile(r"[`,]*[ \t\n]+(?:and|with)[ \t\n]+")
_CONDITION = re.compile(r"`?,?[ \t\n]+(?:if|when|unless|for|where|without|while)\b")
_CONDITION_BEFORE = re.compile(r"\b(?:if|when|unless|without|while)\b", re.IGNORECASE)
_NEXT = re.compile(
    r"\b(?:then|afterwards|after[ \t]+that|after[ \t]+this)\b[^.]{0,12}\Z", re.IGNORECASE
)
_AFTER = re.compile(r"\b(?:after|once)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Told:
    """A request in the text, and what is said of it."""

    request: WebRequest
    place: Place
    answers: tuple[Answer, ...]
    """Empty where the text says it with a condition, or not at all."""
    earlier: tuple[WebRequest, ...]
    """What has to be asked before, in the same session."""
    certain: bool
    """False where an earlier request may have changed what this one sees."""


def web_examples(text: str) -> Iterator[Example]:
    """Yield what the text says that single requests answer, as assertions about the application."""
    if (application := application_in(text)) is None:
        return
    told = [each for each in _told(text) if _can_ask(application.framework, each)]
    for each in told:
        for answer in each.answers if each.certain else ():
            row = assertion_of(application, each.earlier, each.request, answer)
            yield Example(row, application.name, each.place)
            if _shows_what_was_sent(each, answer):
                row = assertion_of(application, (), each.request, replace(answer, denied=True))
                yield Example(row, application.name, each.place)
    plain = [each.request for each in told if each.answers and not each.earlier]
    for refused in refused_requests(text, plain):
        row = assertion_of(application, (), refused.request, refused.answer)
        yield Example(row, application.name, refused.place)


def application_in(text: str) -> WebApplication | None:
    """Return the application that a goal wants; None where making it needs arguments, or it wants none."""
    if not (said := _FRAMEWORK.search(text)):
        return None
    framework = next(each for each in FRAMEWORKS if each.package == said[1].lower())
    if not (factory := _FACTORY.search(text)):
        return WebApplication(framework, VARIABLE)
    return None if factory[2].strip() else WebApplication(framework, f"{factory[1]}()")


def with_application(
    text: str, signatures: Sequence[Signature], application: WebApplication | None
) -> list[Signature]:
    """Return what a goal wants to have defined, its application by the head that makes it.

    Where it names nothing else, the application is what it wants.
    """
    if application is None:
        return list(signatures)
    said = _FRAMEWORK.search(text)
    if said and application.source == VARIABLE and not signatures:
        return [Signature(VARIABLE, VARIABLE, "function", "", Place(*said.span()))]
    return [
        replace(each, head=application.source) if each.head == application.name else each
        for each in signatures
    ]


def _shows_what_was_sent(told: _Told, answer: Answer) -> bool:
    """Tell whether an answer shows a text that an earlier request sent: then a fresh application can't give it.

    Without this row an application that stores nothing, and always answers the example's value, would pass.
    """
    sent = {text for each in told.earlier for text in _texts(each.body)}
    return answer.kind == "json" and bool(sent & _texts(answer.value))


def _texts(source: str) -> set[str]:
    """Return the texts that a literal holds as values, not as keys."""
    tree = parse(source) if source else None
    keys = (
        {key for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}
        if tree
        else set[ast.expr | None]()
    )
    values = (node for node in ast.walk(tree) if node not in keys) if tree else ()
    return {
        node.value
        for node in values
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value
    }


def _can_ask(framework: WebFramework, told: _Told) -> bool:
    """Tell whether the framework's client can ask it: FastAPI's sends no body to be deleted, and follows redirections."""
    if framework is not FASTAPI:
        return True
    every = (*told.earlier, told.request)
    moved = any(each.kind == "status" and each.value.startswith("3") for each in told.answers)
    return not moved and not any(each.method == "delete" and each.body for each in every)


def _told(text: str) -> Iterator[_Told]:
    around = sentences(text)
    before: list[_Told] = []
    for found in _REQUEST.finditer(text):
        if _TEMPLATE.search(found[2]):
            continue
        body, end = _body(text, found.end())
        request = WebRequest(found[1].lower(), found[2], body)
        sentence = place_around(around, found.start())
        lead = text[sentence.start : found.start()]
        earlier = _earlier(lead, sentence, before)
        answers, end = _answers(text, end)
        if _CONDITION_BEFORE.search(lead):
            answers = ()
        certain = bool(earlier) or not any(_may_change(each.request, request) for each in before)
        place = Place(found.start(), end)
        before.append(_Told(request, place, answers, earlier, certain))
        yield before[-1]


def _earlier(lead: str, sentence: Place, before: Sequence[_Told]) -> tuple[WebRequest, ...]:
    """Return the requests that the words before a request put before it."""
    if before and _NEXT.search(lead):
        return (*before[-1].earlier, before[-1].request)
    if not _AFTER.search(lead):
        return ()
    return tuple(each.request for each in before if each.place.start >= sentence.start)


def _may_change(earlier: WebRequest, request: WebRequest) -> bool:
    """Tell whether what a request sees may depend on an earlier one: it reads below what that one writes."""
    return earlier.method != "get" and request.method == "get" and earlier.root == request.root


def _body(text: str, start: int) -> tuple[str, int]:
    """Return the source of the JSON body that is sent, and where it ends."""
    found = _BODY.match(text, start)
    source, end = _json_at(text, found.end()) if found else ("", start)
    return (source, end) if source else ("", start)


def _answers(text: str, start: int) -> tuple[tuple[Answer, ...], int]:
    """Return what stands behind a request as its answer: a status, a body, or both."""
    verb = _ANSWERS.match(text, start)
    found: list[Answer] = []
    at, end = (verb.end() if verb else -1), start
    while at >= 0 and len(found) < 2 and (part := _answer_at(text, at)):
        found.append(part[0])
        end = part[1]
        more = _ALSO.match(text, end)
        at = more.end() if more else -1
    return ((), end) if _CONDITION.match(text, end) else (tuple(found), end)


def _answer_at(text: str, at: int) -> tuple[Answer, int] | None:
    if status := _STATUS.match(text, at):
        return Answer("status", status[1]), status.end()
    kinds: tuple[tuple[Literal["json", "text"], re.Pattern[str]], ...] = (
        ("json", _JSON),
        ("text", _TEXT),
    )
    for kind, pattern in kinds:
        if found := pattern.match(text, at):
            read = _json_at if kind == "json" else _text_at
            source, end = read(text, found.end())
            return (Answer(kind, source), end) if source else None
    return None


def _json_at(text: str, start: int) -> tuple[str, int]:
    """Return a JSON value, or a Python literal, as Python source, and its end; "" where there is none."""
    end = bracket_end(text, start)
    if end < 0:
        return "", start
    source = text[start:end]
    try:
        return repr(json.loads(source)), end
    except (ValueError, RecursionError):
        pass
    try:
        return (repr(ast.literal_eval(source)), end) if parse(source) else ("", start)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return "", start


def _text_at(text: str, start: int) -> tuple[str, int]:
    end = string_end(text, start, len(text))
    return (text[start:end], end) if end > 0 and parse(text[start:end]) else ("", start)
