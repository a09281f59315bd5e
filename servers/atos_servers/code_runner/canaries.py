"""Tests with known outcomes under random names: a run that reports them wrong is tampered with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Canaries:
    """One file of tests, and what each must come to."""

    file: str
    text: str
    outcomes: dict[str, str]
    """Node id -> outcome."""


def new_canaries() -> Canaries:
    """Make a fresh set: one that passes, one whose assertion fails, one that raises."""
    token = secrets.token_hex(6)
    number = secrets.randbelow(10**9)
    file = f"test_{token}.py"
    passes, fails, raises = (f"test_{secrets.token_hex(6)}" for _ in range(3))
    text = (
        f"def {passes}():\n    assert {number} == {number}\n\n\n"
        f"def {fails}():\n    assert {number} == {number + 1}\n\n\n"
        f"def {raises}():\n    raise KeyError({token!r})\n"
    )
    names = {passes: "passed", fails: "failed", raises: "failed"}
    return Canaries(file, text, {f"{file}::{name}": outcome for name, outcome in names.items()})
