"""The attempts that a task gets, in order, and what tells one failure from another. Pure.

First the starting pool writes, and repairs twice; then it writes afresh without a look at what failed
(a small model can't leave a bad idea that it has before its eyes); then the next pool does the same
once. After that a person or a bigger model has to help. atos-mini can't read errors: each of its
attempts is another sample.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from atos_orchestrator.agents.roles import CODING_POOLS, MINI_POOL, Profile
from atos_protocol.goals import Complexity

WARM = 0.2
HOT = 0.7


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a task."""

    mode: Literal["fresh", "fix"]
    pool: str
    temperature: float = 0.0
    seed: int = 0


def ladder(profile: Profile, complexity: Complexity) -> tuple[Attempt, ...]:
    """Return all attempts that a task may take."""
    if profile == "mini":
        first = Attempt("fresh", MINI_POOL)
        return (first, *(Attempt("fresh", MINI_POOL, HOT, seed) for seed in (1, 2, 3)))
    start = CODING_POOLS.index(complexity)
    attempts: list[Attempt] = []
    for pool in CODING_POOLS[start : start + 2]:
        attempts += [Attempt("fresh", pool), Attempt("fix", pool, WARM), Attempt("fix", pool, WARM)]
        attempts.append(Attempt("fresh", pool, HOT, seed=1))
    return tuple(attempts)


def next_attempt(attempts: Sequence[Attempt], at: int, *, stuck: bool) -> int | None:
    """Return the index of the next attempt; being stuck skips repairs up to the next fresh one."""
    for index in range(at + 1, len(attempts)):
        if attempts[index].mode == "fresh" or not stuck:
            return index
    return None


_VOLATILE = re.compile(r"0x[0-9a-fA-F]+|\d+\.\d+s\b|/[\w./-]+|\d+")


def failure_signature(state: str, failing: Iterable[str], text: str) -> str:
    """Return what stays the same when the same failure comes back: no numbers, paths, addresses."""
    plain = _VOLATILE.sub("#", text)
    return digest_of("\n".join([state, *sorted(failing), plain]))


def code_signature(files: Mapping[str, Any]) -> str:
    """Return what stays the same when the same code comes back."""
    return digest_of("\n".join(f"{path}:{sha}" for path, sha in sorted(files.items())))


def digest_of(text: str) -> str:
    """Return a short hash of a text."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
