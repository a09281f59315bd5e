"""A generator of cases for selection in which errors are *shared*: independent ones prove nothing.

A case has candidates and assertions about the same inputs. A wrong program errs on some inputs; some wrong
programs have one misconception in common, and some wrong assertions expect what it gives.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from atos_orchestrator.debugging.selection import Column

RIGHT, SHARED = "right", "shared"


@dataclass(frozen=True, slots=True)
class Odds:
    """How often what happens."""

    right: float = 0.55
    candidates: int = 5
    assertions: int = 12
    valid: float = 0.45
    shared_programs: float = 0.30
    """Wrong programs that have the misconception."""
    shared_assertions: float = 0.20
    """Wrong assertions that copy it."""
    errs: float = 0.5
    """Share of the inputs on which a wrong program errs."""
    probes: int = 12
    """Inputs besides those of the assertions."""


@dataclass(frozen=True, slots=True)
class Case:
    """Candidates' columns, and what only the generator knows."""

    columns: tuple[Column, ...]
    right: tuple[bool, ...]
    rows: tuple[int, ...]


def case(seed: int, odds: Odds = Odds()) -> Case:
    """Make the case of this seed."""
    dice = random.Random(seed)
    inputs = range(odds.assertions + odds.probes)
    misconception = {i: "m" if dice.random() < odds.errs else "r" for i in inputs}
    programs: list[dict[int, str]] = []
    right: list[bool] = []
    for number in range(odds.candidates):
        is_right = dice.random() < odds.right
        right.append(is_right)
        if is_right:
            programs.append(dict.fromkeys(inputs, "r"))
        elif dice.random() < odds.shared_programs:
            programs.append(misconception)
        else:
            programs.append(
                {i: f"x{number}.{i}" if dice.random() < odds.errs else "r" for i in inputs}
            )
    right = [each == dict.fromkeys(inputs, "r") for each in programs]
    wanted = [_wanted(dice, odds, misconception[i], i) for i in range(odds.assertions)]
    columns = tuple(
        Column(
            tuple("pass" if each[i] == value else "fail" for i, value in enumerate(wanted)),
            tuple(f"= {each[i]}" for i in inputs),
        )
        for each in programs
    )
    return Case(columns, tuple(right), tuple(range(odds.assertions)))


def _wanted(dice: random.Random, odds: Odds, misconceived: str, number: int) -> str:
    if dice.random() < odds.valid:
        return "r"
    if dice.random() < odds.shared_assertions and misconceived != "r":
        return misconceived
    return f"w{number}"
