"""Finds the errors that a goal asks for, with the clause that says when. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from atos_orchestrator.planning.brief.error_cases import error_cases
from atos_orchestrator.planning.brief.findings import Place, Signature
from atos_orchestrator.planning.brief.modules import Modules
from atos_orchestrator.planning.brief.outcomes import ERROR, is_error
from atos_orchestrator.planning.brief.spans import sentences
from atos_orchestrator.task import ErrorClause

MAX_CLAUSES = 30
"""Of one goal; what comes after them is left out."""
MAX_CLAUSE = 300
"""Characters."""

_ERROR = re.compile(ERROR)
_VERB = re.compile(
    r"(?:\b(?:rais(?:es?|ed|ing)|throws?|throwing|thrown|fails?|failing|rejects?|refuses?"
    r"|error|is|are|get|gives?)\b"
    r"|->|=>|→|:)[ \t\n]*(?:with|by raising|immediately|must raise)?[ \t\n]*(?:an?"
    r"|the)?[ \t\n]*(?:built-in )?[`*\"']*\Z"
)
_NEVER = re.compile(
    r"\b(?:not|never|don't|doesn't|without|instead of|catch(?:es|ing)?|handl(?:es?|ing)"
    r"|swallow\w*|except|isn't)"
    r"[ \t\n]+(?:(?:be|to|ever|a|an|any)[ \t\n]+)*(?:rais(?:e|es|ed"
    r"|ing)[ \t\n]+)?(?:an?[ \t\n]+|the[ \t\n]+)?[`*\"']*\Z"
)
_CONDITION = re.compile(
    r"[`*\"')]*[ \t\n]*(?:(?:is|are|(?:should|must|will) be|gets)[ \t\n]+(?:raised"
    r"|thrown)[ \t\n]+)?"
    r"(?:\([^()\n]{0,60}\)[ \t\n]*)?(?:if|when|whenever|for|on|unless|where|in case)\b"
)
_PASSED_ON = re.compile(
    r"[`*\"']*[ \t\n]+(?:(?:is|are|gets|must be|should be|will be)[ \t\n]+(?:simply[ \t\n]+|just[ \t\n]+)?"
    r"(?:passed[ \t\n]+(?:on|through|up)|propagated|let[ \t\n]+through|not[ \t\n]+caught)"
    r"|(?:propagates?|comes?[ \t\n]+through)\b)"
)
_OTHER = re.compile(r"[`*\"']*[ \t\n]*(?:or|/)[ \t\n]*(?:an?[ \t\n]+)?[`*\"']*\Z")
_SUBJECT = re.compile(
    r"\b(?:if|when|whenever|whose|that|with|where|which|unless|on|of|for|not|empty|negative"
    r"|unknown|missing|invalid|duplicate|a|an|any|every|no|too|non-?\w+"
    r"|anything|everything|else|otherwise|other|malformed|bad|wrong|than|both|all|dividing"
    r"|division|un\w+|in\w{4,})\b",
    re.IGNORECASE,
)
_SO_DOES = re.compile(r"[`*\"']*,?[ \t\n]+and[ \t\n]+so[ \t\n]+do(?:es)?\b")
_EVERYWHERE = re.compile(
    r"[`*\"']*,?[ \t\n]+in[ \t\n]+(?:both|all|each|every|either)"
    r"(?:[ \t\n]+(?:of them|(?:of the )?(?:two |three |four )?(?:functions?|methods?|cases|places)))?(?!\w)"
)
_CUTS = re.compile(
    r";[ \t\n]+|,[ \t\n]+(?:and|but|or)[ \t\n]+|,[ \t\n]+|[ \t\n]+(?:and|but)[ \t\n]+"
    r"|[ \t]+[-–—][ \t]+|:[ \t\n]+|\([ \t]*"
)
_STRONG_CUTS = re.compile(r";[ \t\n]+|,[ \t\n]+(?:and|but)[ \t\n]+")
_STARTS = re.compile(
    r"(?:it|they|which|that|both|each|and|or|otherwise|also|to|then)[ \t\n]+", re.IGNORECASE
)
_BULLET = re.compile(r"\s*(?:[*+•-]|\d+[.)])?[\s.,:;)]*")
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


def find_errors(
    text: str, prose: str, modules: Modules, signatures: Sequence[Signature]
) -> list[ErrorClause]:
    """Return the clauses in which a goal says what raises an error, in its order.

    Args:
        text: the goal.
        prose: the same with spaces instead of its examples.
        modules: the modules that it names.
        signatures: what it wants to have defined.
    """
    rows: list[ErrorClause] = []
    for error, at in islice(_clauses(prose), MAX_CLAUSES):
        name = _name(prose, at, modules, signatures)
        rows += [ErrorClause(error, said, name) for said in _said(text[at.start : at.end], error)]
    return list(dict.fromkeys(rows))


def _said(clause: str, error: str) -> list[str]:
    """Return a clause as it stands, or its cases, each as a clause: `a negative number, and so does an empty text`."""
    words = " ".join(clause.split())
    if not (second := _SO_DOES.search(words)):
        return error_cases(words, error)
    verb = "raises" if second[0].rstrip().endswith("s") else "raise"
    case = words[second.end() :].partition(";")[0].strip()
    first = error_cases(words[: second.start()], error)
    return [*first, *error_cases(f"{case} {verb} {error}", error)]


def _clauses(text: str) -> Iterator[tuple[str, Place]]:
    for sentence in sentences(text):
        before = sentence.start
        errors = list(_ERROR.finditer(text, sentence.start, sentence.end))
        for at, error in enumerate(errors):
            following = errors[at + 1].start() if at + 1 < len(errors) else sentence.end
            clause = _clause(
                text, Place(before, _cut(text, error.end(), following, sentence.end)), error
            )
            if clause and is_error(error[0]):
                yield error[0], clause
            if not (at + 1 < len(errors) and _OTHER.match(text[error.end() : following])):
                before = _cut(text, error.end(), following, sentence.end)


def _cut(text: str, start: int, following: int, end: int) -> int:
    """Return where the words about one error end and those about the next one begin."""
    if following == end:
        return end
    cuts = list(_CUTS.finditer(text, start, following))
    strong = [cut for cut in cuts if cut[0].lstrip()[0] in ",;"] or cuts
    return strong[-1].start() if strong else following


def _clause(text: str, within: Place, error: re.Match[str]) -> Place | None:
    """Return the clause about one error, or None where it is merely mentioned."""
    lead = text[max(within.start, error.start() - 60) : error.start()]
    if _NEVER.search(lead):
        return None
    raised = bool(_VERB.search(lead)) or bool(_OTHER.search(lead))
    if _CONDITION.match(text, error.end(), within.end):
        start = error.start()
        if verb := _VERB.search(lead):
            start = error.start() - len(lead) + verb.start()
        return _trimmed(text, Place(_subject(text, within.start, start), within.end))
    passed_on = _PASSED_ON.match(text, error.end(), within.end)
    if not raised and not passed_on:
        return None
    start = within.start + _last_start(text[within.start : error.start()])
    quoted = text[error.start() - 1 : error.start()] == text[error.end() : error.end() + 1] == "`"
    so_does = _SO_DOES.match(text, error.end(), within.end)
    everywhere = _EVERYWHERE.match(text, error.end(), within.end)
    ending = everywhere or passed_on
    last = ending.end() if ending else error.end() + quoted
    said = Place(start, within.end if so_does else last)
    words = text[start : error.start()]
    return _trimmed(text, said) if _SUBJECT.search(words) else None


def _subject(text: str, start: int, verb: int) -> int:
    """Return where the words begin that say what raises; the verb itself where they are far away."""
    cuts = [cut.end() for cut in _CUTS.finditer(text, start, verb)]
    begin = cuts[-1] if cuts else start
    return begin if verb - begin <= 60 else verb


def _last_start(lead: str) -> int:
    """Return where the condition begins that stands before an error."""
    cuts = [cut.end() for cut in _STRONG_CUTS.finditer(lead)]
    return cuts[-1] if cuts else 0


def _trimmed(text: str, place: Place) -> Place | None:
    """Return a clause without bullets, quotes and filler around it, short enough for a prompt."""
    start, end = place.start, min(place.end, place.start + MAX_CLAUSE)
    lead = _BULLET.match(text, start, end)
    start = lead.end() if lead else start
    if filler := _STARTS.match(text, start, end):
        start = filler.end()
    clause = _closed(text[start:end]).rstrip(" \t\n.,;:(*-")
    while clause and clause[-1] in "`\"'" and clause.count(clause[-1]) % 2:
        clause = clause[:-1].rstrip(" .,;:")
    return Place(start, start + len(clause)) if clause else None


def _closed(clause: str) -> str:
    """Return a clause up to the first bracket that closes one which was opened before it."""
    depth = 0
    for at, character in enumerate(clause):
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return clause[:at]
    return clause


def _name(text: str, at: Place, modules: Modules, signatures: Sequence[Signature]) -> str:
    """Return what a clause is about: what it names, what stands before it, or the only one there is."""
    owner = {method: each.name for each in signatures for method in each.methods}
    owner |= {each.name: each.name for each in signatures}
    inside = [word[0] for word in _IDENTIFIER.finditer(text, at.start, at.end) if word[0] in owner]
    if inside:
        return owner[inside[0]]
    module = modules.owner(at.start)
    start = max(0, at.start - 600)
    before = [word[0] for word in _IDENTIFIER.finditer(text, start, at.start) if word[0] in owner]
    known = {each.name: each.module for each in signatures}
    for word in reversed(before):
        if known[owner[word]] == module:
            return owner[word]
    return signatures[0].name if len(signatures) == 1 else ""
