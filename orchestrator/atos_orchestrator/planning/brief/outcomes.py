"""Reads what stands behind a call: the value that it gives, or the error that it raises. Pure."""

from __future__ import annotations

import builtins
import re
from dataclasses import dataclass
from typing import Literal

from atos_orchestrator.planning.brief.values import read_value

ERROR = r"(?:[A-Z]\w*(?:Error|Exception)|KeyboardInterrupt|SystemExit|StopIteration)\b"

_WILL = r"(?:(?:should|must|shall|will|would|has to|have to|needs to)[ \t]+)?(?:also[ \t]+)?"
_GAP = r"[ \t]*(?:\n[ \t]*)?"
_BEFORE = (
    rf"[`\"”*]{{0,3}}{_GAP}[,:]?{_GAP}(?:(?:it|this|that|which|both|then|and|the call)[ \t]+)?"
)
_GIVES = re.compile(
    rf"{_BEFORE}(?:"
    r"==>|={1,3}>?|-{1,2}>|[→➞⇒⟶➜]"
    r"|\#[ \t]*(?:->|=>|→|==?)?[ \t]*(?:(?:returns|gives|is)[ \t])?"
    rf"|{_WILL}(?:returns?|gives?|yields?|produces?|equals?|is|be|evaluates?[ \t]+to|results?[ \t]+in)\b"
    r"(?:[ \t]+(?:equal[ \t]+to|exactly))?"
    rf"){_GAP}(?:(?:returns|gives)\b[ \t]+)?(?:the (?:value|list|string|number|tuple|dict)\b[ \t]+)?"
    rf":?{_GAP}[`*]{{0,3}}"
)
_RAISES = re.compile(
    rf"{_BEFORE}(?:(?:==>|=>|-{{1,2}}>|[→➞⇒#])[ \t]*)?"
    rf"{_WILL}(?:(?:raises?|throws?|gives?|fails?[ \t]+with|raising)[ \t]+)?(?:an?[ \t]+)?"
    rf"[`*]{{0,2}}({ERROR})"
)
_CONDITION = re.compile(r"[`*]{0,2}[ \t]+(?:if|when|unless|for)\b")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call does."""

    gives: Literal["value", "error"]
    wanted: str
    """Source of the value, or name of the error."""
    end: int


def read_outcome(text: str, start: int, limit: int | None = None) -> Outcome | None:
    """Read the outcome behind a call that ends at `start`; None where the text states none exactly."""
    last = len(text) if limit is None else limit
    if raised := _RAISES.match(text, start, last):
        if _CONDITION.match(text, raised.end(), last) or not is_error(raised[1]):
            return None
        return Outcome("error", raised[1], raised.end())
    if given := _GIVES.match(text, start, last):
        found = read_value(text, given.end(), last)
        return Outcome("value", *found) if found else None
    return None


def is_error(name: str) -> bool:
    """Return whether a name is a built-in exception, or reads like one of the goal's own."""
    known = getattr(builtins, name, None)
    if isinstance(known, type):
        return issubclass(known, BaseException)
    return name.endswith(("Error", "Exception")) and name not in {"Error", "Exception"}
