"""What a brief consists of.

Every finding stands in the goal's text: its place says where, or its words are the text's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from atos_orchestrator.task import ErrorClause


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the goal's text something was found: characters, the end excluded."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Signature:
    """A function or class that the goal names."""

    name: str
    head: str
    """As the goal writes it: `top_words(text, n)`, `class Stack: push(x), pop()`; for a function without
    parameters in the text, just its name."""
    kind: Literal["function", "class"]
    module: str
    """Path of the file that is to define it; empty where the goal does not say."""
    place: Place
    methods: tuple[str, ...] = ()
    """Names of a class's methods."""


@dataclass(frozen=True, slots=True)
class Example:
    """An example in the goal, as an assertion."""

    assertion: str
    """An `assert` statement, perhaps after lines of set-up. An error reads
    `assert raises(ValueError, lambda: f(-1))`."""
    name: str
    """The function or class that it calls."""
    place: Place


@dataclass(frozen=True, slots=True)
class Brief:
    """What the rules find in a goal's text."""

    modules: tuple[str, ...] = ()
    """Paths of the Python files that it names, in order."""
    signatures: tuple[Signature, ...] = ()
    examples: tuple[Example, ...] = ()
    errors: tuple[ErrorClause, ...] = ()
    constraints: tuple[str, ...] = ()
    """Clauses such as `without regular expressions`, `in O(n)`."""
    packages: tuple[str, ...] = ()
    """Distributions that it asks for by name: `flask`."""
    language: str = "python"
    """What it wants to have written, where that is not Python: `javascript`, `html`, `prose`."""

    @property
    def counts(self) -> dict[str, Any]:
        """How many of each it has, and the language."""
        names = ("modules", "signatures", "examples", "errors", "constraints", "packages")
        return {**{name: len(getattr(self, name)) for name in names}, "language": self.language}
