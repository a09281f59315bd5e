"""What a family of functions is, and how its wordings are written down.

A wording is a line with alternatives in square brackets: ``"[count|tally] the words in a [text|]"``
stands for four sentences. ``{k}`` marks the place of the family's number.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

Cases: TypeAlias = tuple[tuple[object, ...], ...]

ALTERNATIVES = re.compile(r"\[([^\]]*)\]")
_ARTICLE = re.compile(r"\ban? (?!and\b|by\b|plus\b|minus\b|times\b|to\b)([a-z])")


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of function that atos-mini can write.

    Attributes:
        name: The function's and the module's name; ``{k}`` stands for the number in the goal.
        params: Parameters as written in the signature.
        body: Reference body, lines separated by newlines, not indented.
        says: The canonical wording: an imperative that completes "Write a Python function to ...".
        wordings: Other ways to say it, with alternatives (see the module).
        cases: Argument tuples for the acceptance test; the first ones are edge-free.
        ordered: Whether the order of the words carries meaning ("celsius to fahrenheit").
        numbers: The smallest and largest ``k``; None where the family takes no number.
        cases_at: More argument tuples, for one ``k``.
    """

    name: str
    params: str
    body: str
    says: str
    wordings: tuple[str, ...]
    cases: Cases
    ordered: bool = False
    numbers: tuple[int, int] | None = None
    cases_at: Callable[[int], Cases] | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One function that a goal asks for: a family, its numbers, its canonical wording."""

    family: str
    slots: tuple[tuple[str, int], ...]
    wording: str


def at(family: Family, k: int | None) -> "Function":
    """Fill in a family's number (None where it takes none)."""
    filled = "" if k is None else str(k)
    more = family.cases_at(k) if family.cases_at is not None and k is not None else ()
    return Function(
        name=family.name.replace("{k}", filled),
        params=family.params,
        body=family.body if k is None else family.body.replace("{k}", filled),
        says=family.says.replace("{k}", filled),
        cases=family.cases + more,
    )


@dataclass(frozen=True, slots=True)
class Function:
    """A family with its numbers filled in: the reference that answers are held against."""

    name: str
    params: str
    body: str
    says: str
    cases: Cases

    @property
    def source(self) -> str:
        """The reference's source text."""
        lines = "".join(f"    {line}\n" for line in self.body.split("\n"))
        return f"def {self.name}({self.params}):\n{lines}"


def expand(wording: str) -> Iterator[str]:
    """Yield every sentence that a wording with alternatives stands for."""
    parts = ALTERNATIVES.split(wording)
    choices = [part.split("|") if index % 2 else [part] for index, part in enumerate(parts)]
    sentences = (" ".join("".join(chosen).split()) for chosen in itertools.product(*choices))
    yield from dict.fromkeys(_ARTICLE.sub(_article, sentence) for sentence in sentences)


def _article(match: re.Match[str]) -> str:
    return ("an " if match[1] in "aeiou" else "a ") + match[1]
