"""The training corpus: goals in many wordings, with answers whose every value was computed.

Three kinds of examples: one function (module and test), a plan of one function, a plan of a toolkit.
Splits: "train"; "templates" (sentence templates never trained); "combinations" (composed list functions
that were never trained, though their parts were). Seeded, so the corpus is the same on every machine.
"""

import random
from dataclasses import dataclass
from functools import cache
from typing import Literal

from atos_orchestrator.strategies.mini.catalogue import function
from atos_orchestrator.strategies.mini.dialect import (
    code_prompt,
    code_reply,
    plan_prompt,
    plan_reply,
)
from atos_orchestrator.strategies.mini.families import FAMILIES
from atos_orchestrator.strategies.mini.family import Family, Wanted, expand
from atos_orchestrator.strategies.mini.pipelines import HELD_OUT, PIPELINES
from atos_orchestrator.strategies.mini.scope import MAX_TOOLS, Scope, wanted

Split = Literal["train", "templates", "combinations"]

TEMPLATES = (
    "Write a Python function to {d}",
    "Write a Python function to {d}.",
    "write a function to {d}",
    "Please write code to {d}",
    "I need a function to {d}",
    "Create a function to {d}.",
    "Can you implement a function to {d}?",
    "{D}",
    "{d}",
    "python function to {d}",
    "Define a function to {d}",
    "Help me {d} in Python",
    "Implement a Python function to {d} and test it",
    "Write code to {d}",
    "I want to {d}",
    "Please {d}",
    "Make a small function to {d}",
    "Could you write a function to {d}?",
    "Build a function to {d}",
    "Give me Python code to {d}",
)
HELD_OUT_TEMPLATES = (
    "Could you give me some Python code to {d}?",
    "Build me a function to {d}, please",
    "Implement {d}",
    "Write a short Python function to {d} for me",
)


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt, the answer to learn, and what was wanted."""

    prompt: str
    answer: str
    wanted: tuple[Wanted, ...]


def example(rng: random.Random, split: Split) -> Example:
    """Draw one example of a split; the held-out splits hold code prompts only."""
    if split == "train" and rng.random() < 0.35:  # share of plans
        return _plan(rng)
    return _code(rng, split)


def _code(rng: random.Random, split: Split) -> Example:
    family = _family(rng, split)
    one = wanted(family, _number(rng, family))
    answer = code_reply(function(one))
    if split == "train" and rng.random() < 0.35:  # share of canonical prompts
        return Example(code_prompt(one), answer, (one,))
    templates = HELD_OUT_TEMPLATES if split == "templates" else TEMPLATES
    said = rng.choice(_wordings(family.name)).replace("{k}", str(dict(one.slots).get("k", "")))
    prompt = rng.choice(templates).format(d=said, D=said[0].upper() + said[1:])
    return Example(prompt, answer, (one,))


def toolkit_example(rng: random.Random) -> Example:
    """Draw a plan of two to six functions."""
    return _plan_of(rng, rng.randint(2, MAX_TOOLS))


def _plan(rng: random.Random) -> Example:
    return _plan_of(rng, rng.choice((1, 1, 2, 3, 3, 4, 5, MAX_TOOLS)))


def _plan_of(rng: random.Random, size: int) -> Example:
    chosen: dict[str, Wanted] = {}
    while len(chosen) < size:
        family = _family(rng, "train")
        chosen[family.name] = wanted(family, _number(rng, family))
    members = tuple(chosen.values())
    scope = Scope("function" if size == 1 else "toolkit", members)
    return Example(plan_prompt(scope), plan_reply(members), members)


def _family(rng: random.Random, split: Split) -> Family:
    if split == "combinations":
        return PIPELINES[rng.choice(sorted(HELD_OUT))]
    if rng.random() < 0.6:  # share of written families
        return FAMILIES[rng.choice(sorted(FAMILIES))]
    return PIPELINES[rng.choice(_trained_pipelines())]


@cache
def _trained_pipelines() -> tuple[str, ...]:
    return tuple(sorted(set(PIPELINES) - HELD_OUT))


@cache
def _wordings(name: str) -> tuple[str, ...]:
    family = FAMILIES[name] if name in FAMILIES else PIPELINES[name]
    return (family.says, *(sentence for line in family.wordings for sentence in expand(line)))


def _number(rng: random.Random, family: Family) -> int | None:
    return None if family.numbers is None else rng.randint(*family.numbers)
