"""The debug graph's state, read: candidates, assertions, and what each candidate did. Pure."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from atos_orchestrator.debugging.argument_probes import is_probe, is_spared
from atos_orchestrator.debugging.assertions import Assertion
from atos_orchestrator.debugging.calls import gives_something_empty
from atos_orchestrator.debugging.input_shapes import looks_valid
from atos_orchestrator.debugging.selection import Column, error_of, kind
from atos_orchestrator.debugging.sources import parse_source
from atos_orchestrator.debugging.state import Candidate, DebugState
from atos_orchestrator.durable_json import decode

CRASHES = frozenset(
    [
        "AttributeError",
        "IndexError",
        "KeyError",
        "RecursionError",
        "StopIteration",
        "TypeError",
        "UnboundLocalError",
        "ZeroDivisionError",
    ]
)
"""Errors that nobody raises on purpose for something empty, unless the goal says so."""


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
    def decided(self) -> bool:
        """Whether there are examples, which fail on a stub as far as that is known."""
        return not self.weak and bool(self.examples)

    @property
    def examples(self) -> list[int]:
        """Assertions that are law, by index."""
        return [at for at, row in enumerate(self.assertions) if row.origin == "example"]

    @property
    def written(self) -> list[int]:
        """Assertions that models wrote, by index."""
        return [at for at, row in enumerate(self.assertions) if row.origin != "example"]

    @property
    def testers(self) -> list[int]:
        """Assertions about values, by index: neither examples nor rows about stated errors."""
        kinds = {"tester", "round_trip"}
        return [at for at, row in enumerate(self.assertions) if row.origin in kinds]

    @property
    def error_classes(self) -> frozenset[str]:
        """The classes of the stated errors for which there is a row."""
        return frozenset(raised_in(row.source) for row in self.assertions if row.origin == "error")

    @property
    def errors(self) -> frozenset[tuple[str, str]]:
        """Stated errors for which there is a row: clause, and the function that is to raise it."""
        return frozenset(
            (row.clause, row.about) for row in self.assertions if row.origin == "error"
        )

    def errors_shown(
        self, at: int, *, believed: frozenset[int] | None = None
    ) -> frozenset[tuple[str, str]]:
        """Return the stated errors that a candidate raises in at least half of their rows.

        Some rows are wrong, and code without the check may raise the error by chance in one of them.
        `believed` are the rows that count; all of them by default.
        """
        passed: dict[tuple[str, str], list[bool]] = {}
        for number, row in enumerate(self.assertions):
            if row.origin == "error" and (believed is None or number in believed):
                passed.setdefault((row.clause, row.about), []).append(
                    self.columns[at].passes(number)
                )
        return frozenset(error for error, rows in passed.items() if 2 * sum(rows) >= len(rows))

    def errors_confirmed(self, at: int) -> frozenset[tuple[str, str]]:
        """Return the stated errors that a candidate raises in at least half of the rows that are believed."""
        return self.errors_shown(at, believed=self.believed)

    @property
    def believed(self) -> frozenset[int]:
        """Rows about stated errors that count when code is taken, by index.

        What only candidates meet that fail the function's examples, nobody meets: code that refuses everything does. Where
        some candidate meets a row of a clause, the clause's rows that nobody meets are left out, and so are those whose
        input looks like an example's: checks written for the clause alone do not see it in them, so it is likelier that a
        model misread it there.
        """
        rows = {at: row for at, row in enumerate(self.assertions) if row.origin == "error"}
        met = {at: self._is_met(at, row) for at, row in rows.items()}
        owners = {(row.clause, row.about) for at, row in rows.items() if met[at]}
        shown = [self.assertions[at].source for at in self.examples]
        return frozenset(
            at
            for at, row in rows.items()
            if met[at]
            or not ((row.clause, row.about) in owners or looks_valid(row.source, row.about, shown))
        )

    def _is_met(self, number: int, row: Assertion) -> bool:
        """Tell whether a candidate passes a row about an error, and the examples of its function."""
        laws = [at for at in self.examples if row.about in names_in(self.assertions[at].source)]
        return any(each.passes(number) and all(map(each.passes, laws)) for each in self.columns)

    def error_rows(self, at: int) -> int:
        """Return how many rows about stated errors a candidate passes."""
        return sum(
            self.columns[at].passes(number)
            for number, row in enumerate(self.assertions)
            if row.origin == "error"
        )

    def only_adds(self, at: int, other: int) -> bool:
        """Tell whether a candidate does what another one does, but for more stated errors or fewer slips.

        What no longer comes back through two functions that undo each other has lost something: `decode(encode(""))`.
        """
        mine, theirs = self.columns[at], self.columns[other]
        trips = [n for n, row in enumerate(self.assertions) if row.origin == "round_trip"]
        if any(theirs.passes(row) and not mine.passes(row) for row in trips):
            return False
        errors = self.error_classes
        crashes = self.crashes(other)
        pairs = zip(self.calls, mine.values, theirs.values, strict=True)
        differing = [(call, one) for call, one, two in pairs if kind(one) != kind(two)]
        spares = len(mine.spoiled) < len(theirs.spoiled)
        return (bool(errors or crashes) or spares) and all(
            error_of(value) in errors or (call in crashes and error_of(value) not in CRASHES)
            for call, value in differing
        )

    def crashes(self, at: int) -> tuple[str, ...]:
        """Return the calls with something empty that end in an error of which the goal does not speak."""
        if any("empty" in row.clause for row in self.assertions):
            return ()
        unstated = CRASHES - {raised_in(row.source) for row in self.assertions}  # examples' as well
        return tuple(
            call
            for call, value in zip(self.calls, self.columns[at].values, strict=False)
            if error_of(value) in unstated and gives_something_empty(call)
        )

    @property
    def usable(self) -> list[int]:
        """Candidates that may still be chosen."""
        return [at for at, candidate in enumerate(self.candidates) if candidate.usable]

    @property
    def drawn(self) -> list[int]:
        """Usable candidates that a model or a person wrote: each has one vote."""
        return [at for at in self.usable if not self.candidates[at].derived]

    def wrote(self, function: str) -> list[int]:
        """Return the drawn candidates that wrote this function anew: one that kept it has no vote about it."""
        return [at for at in self.drawn if self.candidates[at].wrote(function)]

    def tries(self, function: str = "", first: int | None = None) -> int:
        """Return how many samples, of all or of the first ones, were to write this function: usable or not."""
        seen = self.candidates[:first]
        return sum(not each.derived and each.wrote(function) for each in seen)


def read_state(state: DebugState) -> Facts:
    """Read the parts of a state that decide."""
    candidates = tuple(decode(Candidate, each) for each in state["candidates"])
    columns = tuple(
        _column(state, at) if candidate.usable else Column(loads=False)
        for at, candidate in enumerate(candidates)
    )
    assertions = tuple(decode(Assertion, each) for each in state["assertions"])
    return Facts(candidates, assertions, columns, state["weak"], tuple(_compared(state)))


def _compared(state: DebugState) -> list[str]:
    return [call for call in state["calls"] if not is_probe(call)]


def _column(state: DebugState, at: int) -> Column:
    seen: Mapping[str, Any] = state["outcomes"].get(str(at), {})
    rows, values = seen.get("rows", {}), seen.get("values", {})
    return Column(
        tuple(rows.get(str(row), "") for row in range(len(state["assertions"]))),
        tuple(values.get(call, "") for call in _compared(state)),
        loads=bool(seen.get("loads", True)),
        spoiled=tuple(
            probe
            for probe in filter(is_probe, state["calls"])
            if not is_spared(probe, values.get(probe, ""))
        ),
    )


def raised_in(source: str) -> str:
    """Return the error that a row asks for; "" where it asks for none."""
    return source.partition("raises(")[2].partition(",")[0]


@lru_cache(maxsize=4096)
def names_in(source: str) -> frozenset[str]:
    """Return the names that a source uses."""
    tree = parse_source(source)
    found = ast.walk(tree) if tree else ()
    return frozenset(node.id for node in found if isinstance(node, ast.Name))
