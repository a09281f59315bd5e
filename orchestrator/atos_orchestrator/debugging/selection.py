"""Picks a program among candidates by what they do. Pure.

With examples, they are law: the first candidate that meets all of them is taken. Without, candidates and
assertions vouch for each other (CodeT's dual agreement, arXiv 2207.10397): candidates that pass the same
assertions are a group, whose score is the root of its size times the assertions that it passes; agreement of outputs
breaks ties (MBR-exec, 2204.11454). Independent errors seldom agree, shared misconceptions do: so a group
is accepted only if it has `MIN_GROUP` members and passes more assertions than every other candidate; or as
many, if it has `MIN_TIED` members and more than its rival. Nearly all candidates (`NEARLY_ALL`) are believed whatever the
assertions say: of a small model's assertions about a third is right.

Where no group is enough, a candidate may still be right alone, as wrong ones err on different inputs: it is accepted
if it passes more assertions than every candidate that behaves otherwise, and on nearly every input another one gives
the same value and on none another value has more votes. Otherwise one input on which the best two groups differ is worth more
than another vote. `docs/decisions/0009` has the figures.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

MIN_GROUP = 2
MIN_TIED = 3
NEARLY_ALL = 4
OTHERS = 3
"""Members of a group that needs no assertions: so many, and so many times as many as all others together. In 85 problems of HumanEval
without their examples 32 groups were of that kind, and 29 right; 9 of the 11 that assertions do not confirm (`docs/decisions/0009`)."""
MIN_SHOWN = 3
"""Assertions that hold and values: one `FileNotFoundError` that all raise says nothing about the rest."""
MIN_VOTERS = 3
"""Candidates that it takes to vote on single inputs."""
MIN_SHARED = 0.8
"""Share of the inputs on which another candidate must give the same as one that stands alone."""
MIN_PASSED = 3
"""Assertions that what is taken must pass. Of 85 problems of HumanEval without examples, a 0.5B and a 1.5B agreed on 22
with fewer, and were wrong in 8 of them; on 32 with as many, and were wrong in 4."""
_PASS = "pass"


@dataclass(frozen=True, slots=True)
class Column:
    """What one candidate did."""

    rows: tuple[str, ...] = ()
    """For each assertion `pass`, or why not."""
    values: tuple[str, ...] = ()
    """For each call its value (`= 3`), or why there is none."""
    loads: bool = True
    spoiled: tuple[str, ...] = ()
    """Calls that change the argument which they are given."""

    def passes(self, row: int) -> bool:
        """Tell whether it passes an assertion."""
        return row < len(self.rows) and self.rows[row] == _PASS


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidate that the evidence favours."""

    candidate: int = -1
    """Its index; -1 where none can be used."""
    accepted: bool = False
    group: int = 0
    """Candidates that behave like it, itself included."""
    passed: int = 0
    """Assertions that it passes, of those that were not given as examples."""
    lead: int = 0
    """How many more it passes than the best candidate outside of its group."""
    rivals: int = 0
    """Candidates in the group of `rival`."""
    rival: int = -1
    """The best candidate that behaves otherwise; -1 where there is none."""
    shared: int = 0
    """For one that is accepted without a group: inputs on which another candidate gives the same."""
    inputs: int = 0
    """Inputs on which the candidates were compared then."""
    of: int = 0
    """Candidates that could be used."""
    kept: tuple[int, ...] = field(default=())
    """Assertions that it passes."""


def meeting(columns: Sequence[Column], examples: Sequence[int]) -> list[int]:
    """Return the candidates that load and pass all of these assertions."""
    return [
        at
        for at, column in enumerate(columns)
        if column.loads and all(map(column.passes, examples))
    ]


def choose(
    columns: Sequence[Column],
    examples: Sequence[int],
    rows: Sequence[int],
    *,
    decisive: bool = True,
    stated: frozenset[str] = frozenset(),
) -> Choice:
    """Pick a candidate.

    Args:
        columns: what each candidate did.
        examples: assertions that are law.
        rows: assertions that models wrote.
        decisive: whether meeting the examples is enough; else agreement must come on top.
        stated: classes of errors that the goal asks for. A call that ends in one tells no candidates apart: one
            that has the check and one that lacks it agree about everything else.
    """
    good = meeting(columns, examples)
    if not good:
        return Choice()
    if examples and decisive:
        best = good[0]
        kept = tuple(sorted({*examples, *(r for r in rows if columns[best].passes(r))}))
        return Choice(best, accepted=True, group=len(good), of=len(good), kept=kept)
    choice = _by_groups(columns, good, rows, stated)
    return choice if choice.accepted else _by_inputs(columns, good, rows) or choice


def is_enough(choice: Choice, *, further: bool) -> bool:
    """Tell whether a choice can be taken: candidates that agree may share a misconception, so assertions must hold.

    Each further look at more candidates is another chance for a wrong group to lead, so then the group must also
    have more members than its rival.
    """
    nearly_all = _is_nearly_all(choice.group, choice.of)
    led = choice.accepted and (choice.passed >= MIN_PASSED or nearly_all)
    return led and (not further or choice.group > choice.rivals or choice.inputs > 0)


def first_enough(look: Callable[[int], Choice], samples: int, every: int) -> Choice:
    """Return the first choice that is accepted as the candidates came, or that of all which is not.

    Candidates that were drawn later were told more, or are one more look: they don't undo what was agreed.

    Args:
        look: chooses among the first candidates, so many.
        samples: candidates before which there is no look.
        every: how many candidates there are.
    """
    choice = Choice()
    for count in range(min(samples, every), every + 1):
        choice = look(count)
        if choice.accepted:
            break
    return choice


def _by_inputs(
    columns: Sequence[Column], good: Sequence[int], rows: Sequence[int]
) -> Choice | None:
    """Return the candidate that leads and agrees with another one on nearly every input, if there is one."""
    inputs = range(len(columns[good[0]].values))
    votes = [Counter(kind(columns[at].values[each]) for at in good) for each in inputs]
    passed = {at: sum(map(columns[at].passes, rows)) for at in good}
    if len(good) < MIN_VOTERS or not inputs:
        return None
    best = max(good, key=lambda at: (passed[at], -at))
    mine = [kind(value) for value in columns[best].values]
    shared = sum(votes[each][mine[each]] > 1 for each in inputs)
    outvoted = any(votes[each][mine[each]] < max(votes[each].values()) for each in inputs)
    others = [at for at in good if not same(columns[at], columns[best], rows)]
    lead = passed[best] - max((passed[at] for at in others), default=0)
    if not _shows_something(columns[best], passed[best]):
        return None
    if lead <= 0 or shared < MIN_SHARED * len(inputs) or outvoted:
        return None
    return Choice(
        best,
        accepted=True,
        group=len(good) - len(others),
        passed=passed[best],
        lead=lead,
        rival=max(others, key=lambda at: (passed[at], -at), default=-1),
        shared=shared,
        inputs=len(inputs),
        of=len(good),
        kept=tuple(row for row in rows if columns[best].passes(row)),
    )


def _by_groups(
    columns: Sequence[Column], good: Sequence[int], rows: Sequence[int], stated: frozenset[str]
) -> Choice:
    kinds = {at: tuple(columns[at].passes(row) for row in rows) for at in good}
    sizes = Counter(kinds.values())
    alike = _agreement(columns, good)

    def score(at: int) -> tuple[float, float, int]:
        return math.sqrt(sizes[kinds[at]]) * sum(kinds[at]), alike[at], -at

    def alike_to(best: int) -> list[int]:
        return [at for at in good if same(columns[at], columns[best], rows, stated)]

    groups = {at: alike_to(at) for at in good}
    nearly_all = [at for at in good if _is_nearly_all(len(groups[at]), len(good))]
    best = max(nearly_all or good, key=score)
    group = groups[best]
    others = [at for at in good if at not in group]
    best = min(group, key=lambda at: (len(columns[at].spoiled), at != best, at))
    rival = max(others, key=score, default=-1)
    rivals = [at for at in groups.get(rival, ()) if at in others]
    passed = sum(kinds[best])
    lead = passed - max((sum(kinds[at]) for at in others), default=0)
    return Choice(
        best,
        accepted=bool(nearly_all or _leads(len(group), len(rivals), lead))
        and _shows_something(columns[best], passed),
        group=len(group),
        passed=passed,
        lead=lead,
        rivals=len(rivals),
        rival=rival,
        of=len(good),
        kept=tuple(row for row in rows if columns[best].passes(row)),
    )


def _leads(group: int, rivals: int, lead: int) -> bool:
    return group >= MIN_GROUP if lead > 0 else lead == 0 and group >= MIN_TIED and group > rivals


def _is_nearly_all(group: int, of: int) -> bool:
    return group >= NEARLY_ALL and group >= OTHERS * (of - group)


def _shows_something(column: Column, passed: int) -> bool:
    """Tell whether there are assertions that hold, or values: to fail in the same way is no agreement."""
    return passed + sum(value.startswith("=") for value in column.values) >= MIN_SHOWN


def same(
    one: Column, other: Column, rows: Sequence[int], stated: frozenset[str] = frozenset()
) -> bool:
    """Tell whether two candidates can't be told apart by any assertion, or by any call but for stated errors."""
    return all(one.passes(row) == other.passes(row) for row in rows) and all(
        kind(a) == kind(b) or not stated.isdisjoint((error_of(a), error_of(b)))
        for a, b in zip(one.values, other.values, strict=True)
    )


def kind(value: str) -> str:
    """Return a value as it is, an error by its class: messages differ where behaviour does not."""
    return value if value.startswith("=") else ":".join(value.split(":")[:2])


def error_of(value: str) -> str:
    """Return the class of the error in which a call ended; empty where it gave a value."""
    return "" if value.startswith("=") else value.partition(": ")[2].partition(":")[0]


def _agreement(columns: Sequence[Column], good: Sequence[int]) -> dict[int, float]:
    """Return for each candidate the mean share of the others that give the same values."""
    calls = range(len(columns[good[0]].values))
    votes = [Counter(columns[at].values[call] for at in good) for call in calls]

    def shared(at: int) -> int:
        mine = columns[at].values
        return sum(votes[call][mine[call]] - 1 for call in calls if mine[call].startswith("="))

    return {at: shared(at) / max(1, len(calls) * (len(good) - 1)) for at in good}


def distinguishing(
    columns: Sequence[Column],
    calls: Sequence[str],
    best: int,
    rival: int,
    stated: frozenset[str] = frozenset(),
) -> tuple[str, tuple[str, ...]] | None:
    """Return the shortest call on which two candidates differ, and what each of them gives.

    One that ends in an error of which the goal speaks comes later: its author has said when to raise it. Last comes one
    that neither can take: whether `f([1])` raises TypeError or AttributeError is nothing that a person wants to decide.
    None where they never differ on a call, or only by running too long.
    """
    if best < 0 or rival < 0:
        return None
    differing = [
        (
            _less_telling(mine, other, stated),
            len(call),
            call,
            (_answer(mine), _answer(other)),
        )
        for call, mine, other in zip(
            calls, columns[best].values, columns[rival].values, strict=True
        )
        if kind(mine) != kind(other) and "timeout" not in (mine, other)
    ]
    if not differing:
        return None
    _, _, call, answers = min(differing)
    return call, answers


def _less_telling(mine: str, other: str, stated: frozenset[str]) -> int:
    """Return how late to ask about a call on which two candidates differ."""
    errors = (error_of(mine), error_of(other))
    if not stated.isdisjoint(errors):
        return 1
    return 2 if all(errors) else 0


def _answer(value: str) -> str:
    if value.startswith("= "):
        return value[2:]
    parts = value.split(":")
    return f"raises {parts[1].strip()}" if len(parts) > 1 else value
