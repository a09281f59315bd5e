"""The debug graph's state, read: candidates, assertions, and what each candidate did. Pure."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from atos_orchestrator.debugging.assertions import Assertion
from atos_orchestrator.debugging.selection import Column
from atos_orchestrator.debugging.sources import parse_source
from atos_orchestrator.debugging.state import Candidate, DebugState
from atos_orchestrator.durable_json import decode


@dataclass(frozen=True, slots=True)
class Facts:
    """The graph's state, read."""

    candidates: tuple[Candidate, ...]
    assertions: tuple[Assertion, ...]
    columns: tuple[Column, ...]
    """Per candidate; one that can't be used does not load."""
    weak: bool
    calls: tuple[str, ...] = ()
    """Calls on which the candidates' values are compared."""

    @property
    def examples(self) -> list[int]:
        """Assertions that are law, by index."""
        return [at for at, row in enumerate(self.assertions) if row.origin == "example"]

    @property
    def written(self) -> list[int]:
        """Assertions that models wrote, by index."""
        return [at for at, row in enumerate(self.assertions) if row.origin != "example"]

    @property
    def errors(self) -> frozenset[tuple[str, str]]:
        """Stated errors for which there is a row: clause, and the function that is to raise it."""
        return frozenset(
            (row.clause, row.about) for row in self.assertions if row.origin == "error"
        )

    def errors_shown(self, at: int) -> frozenset[tuple[str, str]]:
        """Return the stated errors that a candidate raises in at least half of their rows.

        Some rows are wrong, and code without the check may raise the error by chance in one of them.
        """
        passed: dict[tuple[str, str], list[bool]] = {}
        for number, row in enumerate(self.assertions):
            if row.origin == "error":
                passed.setdefault((row.clause, row.about), []).append(
                    self.columns[at].passes(number)
                )
        return frozenset(error for error, rows in passed.items() if 2 * sum(rows) >= len(rows))

    def error_rows(self, at: int) -> int:
        """Return how many rows about stated errors a candidate passes."""
        return sum(
            self.columns[at].passes(number)
            for number, row in enumerate(self.assertions)
            if row.origin == "error"
        )

    def only_refuses_more(self, at: int, other: int) -> bool:
        """Tell whether a candidate gives the same values as another, but for stated errors on some calls."""
        errors = {row.source.partition("raises(")[2].partition(",")[0] for row in self._error_rows}
        return bool(errors) and all(
            mine == theirs or mine.partition(": ")[2].partition(":")[0] in errors
            for mine, theirs in zip(
                self.columns[at].values, self.columns[other].values, strict=True
            )
        )

    @property
    def _error_rows(self) -> list[Assertion]:
        return [row for row in self.assertions if row.origin == "error"]

    @property
    def usable(self) -> list[int]:
        """Candidates that may still be chosen."""
        return [at for at, candidate in enumerate(self.candidates) if candidate.usable]

    @property
    def drawn(self) -> list[int]:
        """Usable candidates that are nobody's combination: each has one vote."""
        return [at for at in self.usable if not self.candidates[at].parts]


def read_state(state: DebugState) -> Facts:
    """Read the parts of a state that decide."""
    candidates = tuple(decode(Candidate, each) for each in state["candidates"])
    columns = tuple(
        _column(state, at) if candidate.usable else Column(loads=False)
        for at, candidate in enumerate(candidates)
    )
    assertions = tuple(decode(Assertion, each) for each in state["assertions"])
    return Facts(candidates, assertions, columns, state["weak"], tuple(state["calls"]))


def _column(state: DebugState, at: int) -> Column:
    seen: Mapping[str, Any] = state["outcomes"].get(str(at), {})
    rows, values = seen.get("rows", {}), seen.get("values", {})
    return Column(
        tuple(rows.get(str(row), "") for row in range(len(state["assertions"]))),
        tuple(values.get(call, "") for call in state["calls"]),
        loads=bool(seen.get("loads", True)),
    )


@lru_cache(maxsize=4096)
def names_in(source: str) -> frozenset[str]:
    """Return the names that a source uses."""
    tree = parse_source(source)
    found = ast.walk(tree) if tree else ()
    return frozenset(node.id for node in found if isinstance(node, ast.Name))
