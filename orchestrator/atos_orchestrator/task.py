"""A task: one small piece of work with one contract. Its states are in `atos_protocol.goals`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from atos_orchestrator.web_application import application_of
from atos_protocol.goals import Complexity

Kind = Literal["code", "test", "docs"]

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class ErrorClause:
    """An error that the goal asks for."""

    error: str
    """Name of the exception: `ValueError`."""
    text: str
    """The clause: `a pair whose end is before its start raises ValueError`."""
    name: str = ""
    """The function or class that it is about; empty where that is unknown."""


@dataclass(frozen=True, slots=True)
class Task:
    """One node of a plan."""

    id: str
    """`T1`, `T2`, ..."""
    title: str
    kind: Kind = "code"
    files: tuple[str, ...] = ()
    """Paths that this task alone writes, relative to the repository."""
    depends_on: tuple[str, ...] = ()
    contract: str = ""
    """Exact signatures or routes that others may rely on."""
    acceptance: tuple[str, ...] = ()
    """Concrete input -> expected output."""
    reads: tuple[str, ...] = ()
    """Files of the tasks that it depends on; their signatures go into the prompts."""
    signatures: tuple[str, ...] = ()
    """What it must define, as the goal writes it: `top_words(text, n)`, `class Stack`."""
    examples: tuple[str, ...] = ()
    """Assertions that decide about its code: the goal's, the host's or a person's, never a model's."""
    errors: tuple[ErrorClause, ...] = ()
    """Errors that the goal asks for."""
    tests: str = ""
    """Text of a pytest file that decides about its code, handed in by a person or a host."""
    packages: tuple[str, ...] = ()
    """Distributions from the package index that it may import."""
    complexity: Complexity = "simple"
    """Picks the pool of the first attempt, and nothing else."""
    scope: dict[str, Any] | None = field(default=None, hash=False)
    """What the goal's strategy needs to know of the task besides; only the strategy reads it."""


def name_of(signature: str) -> str:
    """Return the name that a signature defines: `def f(x) -> int` and `f(x)` give `f`."""
    plain = re.sub(r"^\s*(async\s+)?(def|class)\s+", "", signature)
    found = re.match(r"\w+", plain)
    return found[0] if found else ""


def classes_of(task: Task) -> tuple[str, ...]:
    """Return the signatures that are classes; functions beside one may be its methods."""
    return tuple(head for head in task.signatures if head.startswith("class "))


def functions_of(task: Task) -> tuple[str, ...]:
    """Return the names of the functions that make up a task's one file; none where it is not made of functions."""
    if task.kind != "code" or len(task.files) != 1 or classes_of(task):
        return ()
    names = tuple(dict.fromkeys(name_of(head) for head in task.signatures))
    made = [application_of(name, task.packages) for name in names]
    return () if any(each and each.source == each.name for each in made) else names


def unshown_errors(task: Task) -> tuple[ErrorClause, ...]:
    """Return the stated errors that none of the task's examples shows, one for each function that may raise it.

    A clause is about the function that it names, or else about those that have a parameter of which it speaks
    ("a text with another letter", `decode(text)`), or else about every one ("in all of them"). What a class raises
    needs a set-up, so such a clause has no name.
    """
    functions = tuple(name_of(head) for head in task.signatures) or ("",)

    def names(clause: ErrorClause) -> tuple[str, ...]:
        meant = meant_by(clause, task) or functions
        return tuple(sorted(meant, key=lambda name: name != clause.name))  # the likeliest first

    clauses = map(_with_subject, task.errors)
    found = [replace(clause, name=name) for clause in clauses for name in names(clause)]

    def is_shown(clause: ErrorClause) -> bool:
        """Tell whether there are as many examples of this error as the function has clauses about it."""
        shown = sum(
            f"raises({clause.error}" in example and f"{clause.name}(" in example
            for example in task.examples
        )
        stated = [(each.error, each.name) for each in found]
        return shown >= stated.count((clause.error, clause.name))

    return tuple(clause for clause in found if not is_shown(clause))


def required_errors(task: Task) -> frozenset[tuple[str, str]]:
    """Return the stated errors that must not be missing: clause, and the function that is to raise it.

    Where a clause does not say what it is about, that is the function of which the goal spoke last.
    """
    return frozenset(
        (clause.text, name)
        for clause in map(_with_subject, task.errors)
        for name in meant_by(clause, task) or (clause.name,)
    )


def _with_subject(clause: ErrorClause) -> ErrorClause:
    """Return a clause that begins with its verb with the name of what it is about: `delete(key) removes a key and raises ...`."""
    if not (clause.name and _BEGINS_WITH_VERB.match(clause.text)):
        return clause
    return replace(clause, text=f"{clause.name} {clause.text}")


_BEGINS_WITH_VERB = re.compile(r"(?:raises?|throws?)\b", re.IGNORECASE)
_SHORTEST_VERB = 3
_EVERYWHERE = re.compile(r"\bin (?:both|all|each|every|either)\b", re.IGNORECASE)


def meant_by(clause: ErrorClause, task: Task) -> tuple[str, ...]:
    """Return the functions of which a clause clearly speaks: by name, by their parameters, or of all; else none.

    What a class raises needs a set-up, so such a clause is about no function: its name is empty.
    """
    if classes_of(task):
        return ("",)
    every = {name_of(head): set(parameters_of(head)) for head in task.signatures}
    takers = {name: has for name, has in every.items() if not speaks_of_result(clause.text, name)}
    heads = takers or every
    words = set(re.findall(r"[^\W\d]\w*", clause.text)) - {"a"}  # which is an article
    if named := tuple(name for name in every if name in words):
        return named
    spoken_of = words & set[str]().union(*heads.values())
    if _EVERYWHERE.search(clause.text):
        return tuple(name for name, has in heads.items() if not spoken_of or spoken_of & has)
    # the start and the end: of a function that has both, where another one has a start only
    most = max((len(spoken_of & has) for has in heads.values()), default=0)
    return tuple(name for name, has in heads.items() if most and len(spoken_of & has) == most)


def speaks_of_result(clause: str, function: str) -> bool:
    """Tell whether a clause speaks of what a function returns, which another one takes: "an encoded text", `encode`."""
    verb = function.partition("_")[0]
    if len(verb) < _SHORTEST_VERB:
        return False
    stems = (verb.removesuffix("e"), verb + verb[-1], verb.removesuffix("y") + "i")
    return bool(re.search(rf"\b(?:{'|'.join(map(re.escape, stems))})ed\b", clause, re.IGNORECASE))


def parameters_of(signature: str) -> list[str]:
    """Return the names of the parameters of a signature."""
    inside = signature.partition("(")[2].rpartition(")")[0]
    return re.findall(r"(?:^|,)\s*\**([^\W\d]\w*)", inside)


def test_file(task: Task) -> str:
    """Return the path of a code task's tests; an empty text for other kinds.

    The name contains the module's whole path, so that equal names in two folders don't collide.
    """
    modules = [file for file in task.files if file.endswith(".py")]
    if task.kind != "code" or not modules:
        return ""
    return f"tests/test_{modules[0].removesuffix('.py').replace('/', '_')}.py"


def can_be_run(task: Task) -> bool:
    """Tell whether there is anything to run: a page or a configuration file proves nothing about itself."""
    return bool(test_file(task)) or task.kind == "test"


def owned_files(task: Task) -> tuple[str, ...]:
    """Return everything that only this task may write: its files and its tests."""
    tests = test_file(task)
    return (*task.files, tests) if tests and tests not in task.files else task.files
