"""Which attempt comes next, and how a repeated failure is recognised. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from atos_orchestrator.strategies.strategy import Attempt

_VOLATILE = re.compile(r"0x[0-9a-fA-F]+|\d+\.\d+s\b|/[\w./-]+|\d+")


def next_attempt(attempts: Sequence[Attempt], at: int, *, stuck: bool) -> int | None:
    """Return the index of the next attempt, None after the last; if stuck, of the next fresh one."""
    for index in range(at + 1, len(attempts)):
        if attempts[index].mode == "fresh" or not stuck:
            return index
    return None


def failure_signature(state: str, failing: Iterable[str], text: str) -> str:
    """Return what identifies a failure: without numbers, paths and addresses."""
    plain = _VOLATILE.sub("#", text)
    return digest_of("\n".join([state, *sorted(failing), plain]))


def code_signature(files: Mapping[str, Any]) -> str:
    """Return what identifies some code, given the hashes of its files."""
    return digest_of("\n".join(f"{path}:{sha}" for path, sha in sorted(files.items())))


def digest_of(text: str) -> str:
    """Return a short hash of a text."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
