"""The scope check: rules decide, before any model, whether a goal is one that atos-mini can do.

A goal is reduced to its meaningful words (`words.read`). It is in scope only if exactly those words,
no more and no fewer, are a wording of the catalogue: as a sequence where order carries meaning, as a
bag elsewhere, with the family's number in its place. So an unknown word always refuses. A toolkit is a
frame ("Build a text toolkit: a, b, c") around two to six such wordings.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from atos_orchestrator.strategies.mini.families import FAMILIES
from atos_orchestrator.strategies.mini.family import ALTERNATIVES, Family, Wanted, at, expand
from atos_orchestrator.strategies.mini.pipeline_words import parse_pipeline
from atos_orchestrator.strategies.mini.words import meaning, read
from atos_orchestrator.strategies.strategy import INSTALL

MAX_GOAL_CHARACTERS = 2000
MAX_TOOLS = 6

_TOOLKIT = re.compile(
    r"^(?:please |can you |could you |i need |i want )*"
    r"(?:write|create|make|build|implement|develop|design|code|generate|provide)?(?: me)?\b"
    r" ?(?:a|an|some|the)?(?: (?:small|little|simple|tiny|short|tested))*(?: python)?"
    r"(?: (?:text|string|word|math|maths|number|numbers|list|dictionary|dict|conversion|data|utility))?"
    r" (?:toolkit|toolbox|library|module|package|collection|tools|helpers|utilities|functions)"
    r"(?: in python)?(?: (?:with|of|that can|which can|to|for|containing|including))?(?: functions)?(?: to)?"
    r" ?[:,]? (?P<tools>.+)$"
)
_SEPARATOR = re.compile(r"\s*(?:[,;\n]\s*(?:and\s+)?|\s+\d\)\s+)")


@dataclass(frozen=True, slots=True)
class Scope:
    """A goal that the catalogue covers.

    Attributes:
        kind: One function, or a toolkit of two to six.
        wanted: The functions, in the order of the goal.
    """

    kind: Literal["function", "toolkit"]
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A goal that the catalogue does not cover.

    Attributes:
        reason: One sentence for the person.
        nearest: Canonical wordings of the catalogue that come closest.
    """

    reason: str
    nearest: tuple[str, ...]

    @property
    def next_step(self) -> str:
        """How to get the goal done all the same, and what to ask for instead."""
        near = "; ".join(self.nearest)
        return f"{INSTALL} atos-mini itself can, for example: {near}."


def check(goal: str) -> Scope | Refusal:
    """Decide whether atos-mini may try a goal. Pure and fast; never guesses."""
    if len(goal) > MAX_GOAL_CHARACTERS:
        return Refusal("the goal is longer than any wording that atos-mini knows", _examples())
    text = " ".join(goal.split())
    single = match(text)
    if single is not None:
        return Scope("function", (single,))
    framed = _TOOLKIT.match(text.lower().rstrip(".!"))
    if framed is not None:
        return _toolkit(framed["tools"])
    return Refusal("this goal is not in the catalogue of atos-mini", nearest(text))


def match(sentence: str) -> Wanted | None:
    """Find the one catalogue entry that a sentence asks for, or None."""
    words = read(sentence)
    if not words:
        return None
    return _match_family(words) or parse_pipeline(words)


def nearest(sentence: str, limit: int = 3) -> tuple[str, ...]:
    """Give the canonical wordings that share most words with a sentence."""
    words = set(read(sentence))

    def shared(family: Family) -> float:
        own = set(read(family.says.replace("{k}", "3")))
        return len(own & words) / len(own | words)

    ranked = sorted(FAMILIES.values(), key=shared, reverse=True)
    return tuple(family.says.replace("{k}", "3") for family in ranked[:limit])


def wanted(family: Family, k: int | None = None) -> Wanted:
    """Name a family with its number filled in."""
    slots = () if k is None else (("k", k),)
    return Wanted(family.name, slots, at(family, k).says)


def _examples() -> tuple[str, ...]:
    return tuple(FAMILIES[name].says for name in ("add", "reverse_string", "sort_ascending"))


def _toolkit(tools: str) -> Scope | Refusal:
    found: list[Wanted] = []
    for part in _parts(tools):
        one = match(part)
        if one is None:
            reason = f"the toolkit's part {part[:80]!r} is not in the catalogue of atos-mini"
            return Refusal(reason, nearest(part))
        found.append(one)
    names = {(one.family, one.slots) for one in found}
    if len(names) != len(found) or not 2 <= len(found) <= MAX_TOOLS:
        reason = f"a toolkit of atos-mini has two to {MAX_TOOLS} different functions"
        return Refusal(reason, _examples())
    return Scope("toolkit", tuple(found))


def _parts(tools: str) -> Iterator[str]:
    for part in _SEPARATOR.split(tools):
        if not part.strip():
            continue
        halves = part.split(" and ")
        if match(part) is None and len(halves) > 1 and all(match(half) for half in halves):
            yield from halves
        else:
            yield part


def _match_family(words: tuple[str, ...]) -> Wanted | None:
    readings = index()
    for slotted, k in _with_slot(words):
        family = readings.get(("sequence", *slotted)) or readings.get(("bag", *sorted(slotted)))
        if family is not None and _fits(family, k):
            return wanted(family, k)
    return None


def _with_slot(words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int | None]]:
    """Yield the words as they are, then with each number in turn taken for the family's number."""
    yield words, None
    for place, word in enumerate(words):
        if word.isdecimal() and word.isascii() and len(word) <= len("1000") and word[0] != "0":
            yield (*words[:place], "#", *words[place + 1 :]), int(word)


def _fits(family: Family, k: int | None) -> bool:
    if family.numbers is None or k is None:
        return family.numbers is None and k is None
    return family.numbers[0] <= k <= family.numbers[1]


@cache
def index() -> dict[tuple[str, ...], Family]:
    """Map every wording of the written families, reduced to its words, to its family.

    Raises:
        ValueError: Two families share a wording, which would make the check guess.
    """
    table: dict[tuple[str, ...], Family] = {}
    for family in FAMILIES.values():
        for sentence in _telling(family):
            words = read(sentence.replace("{k}", "#"))
            key = ("sequence", *words) if family.ordered else ("bag", *sorted(words))
            if table.setdefault(key, family) is not family:
                message = f"{sentence!r} is a wording of {family.name} and {table[key].name}"
                raise ValueError(message)
    return table


def _telling(family: Family) -> Iterator[str]:
    """Yield the wordings once for each choice of alternatives that differ in meaning.

    "[compute|find|] the sum" is one reading, not three; building the index takes a quarter of the time.
    """
    yield family.says
    for wording in family.wordings:
        yield from expand(ALTERNATIVES.sub(_distinct, wording))


def _distinct(alternatives: re.Match[str]) -> str:
    # "of" is silent, yet "number of" and "largest of" are phrases: it stays a choice of its own.
    chosen = {
        "of" if choice == "of" else meaning(choice): choice
        for choice in reversed(alternatives[1].split("|"))
    }
    return f"[{'|'.join(chosen.values())}]"


def sentences(family: Family) -> Iterator[str]:
    """Yield the canonical wording and every training wording, ``{k}`` still open."""
    yield family.says
    for wording in family.wordings:
        yield from expand(wording)
