"""The arm ATOS: the product's own decision over recorded facts.

With examples, candidates are drawn one by one up to the first that meets them all. Without, all are drawn
and all testers asked; dual agreement picks, and what no group stands behind is asked. Until the product's
selection is joined here, the rule below stands in for it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from bench.outcomes import Facts
from bench.policy import Decision

MIN_GROUP = 2
MIN_LEAD = 2


def decide(facts: Facts) -> Decision:
    """Return what ATOS would do with these candidates and rows."""
    if facts.examples:
        return _by_examples(facts)
    samples, testers = len(facts.candidates), len(facts.suites)
    best, accepted = _by_agreement(facts, facts.written)
    return Decision(best, accepted, asked=not accepted, samples=samples, testers=testers)


def _by_examples(facts: Facts) -> Decision:
    for at in range(len(facts.candidates)):
        if _passes(facts, at, facts.examples):
            return Decision(at, accepted=True, samples=at + 1)
    return Decision(-1, accepted=False, asked=True, samples=len(facts.candidates))


def _by_agreement(facts: Facts, rows: Sequence[int]) -> tuple[int, bool]:
    able = [at for at, candidate in enumerate(facts.candidates) if not candidate.load]
    kinds = {at: tuple(_passes(facts, at, [row]) for row in rows) for at in able}
    sizes = Counter(kinds.values())
    best = max(able, key=lambda at: (math.sqrt(sizes[kinds[at]]) * sum(kinds[at]), -at), default=-1)
    if best < 0:
        return -1, False
    group = [at for at in able if _alike(facts, at, best) and kinds[at] == kinds[best]]
    others = [sum(kinds[at]) for at in able if at not in group]
    lead = sum(kinds[best]) - max(others, default=0)
    return best, len(group) >= MIN_GROUP and lead >= MIN_LEAD


def _alike(facts: Facts, one: int, other: int) -> bool:
    pairs = zip(facts.candidates[one].values, facts.candidates[other].values, strict=True)
    return all(_kind(a) == _kind(b) for a, b in pairs)


def _kind(value: str) -> str:
    return value if value.startswith("=") else ":".join(value.split(":")[:2])


def _passes(facts: Facts, at: int, rows: Sequence[int]) -> bool:
    candidate = facts.candidates[at]
    return not candidate.load and all(candidate.rows[row] == "pass" for row in rows)
