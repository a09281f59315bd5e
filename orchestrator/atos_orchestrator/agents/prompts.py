"""Prompts for those who write code, assertions and pages, in the chat dialect of general models.

Every prompt of a task begins with the same text: one system message, the goal in its own words, the
task, the files that it builds on. What the role has to do comes last. So an engine reads the beginning
once for all samples and testers of a task.

A reply is begun for the model (the fence and the signature, `assert f(`): small models that start inside
the code neither chat nor copy the task, and write a third of the tokens.

A prompt stays below `PROMPT_TOKENS`. What is cut is listed in `Assignment.cuts`, and becomes an event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from atos_orchestrator.agents.model_request import ModelRequest, Role
from atos_orchestrator.planning.brief.command_examples import program_of
from atos_orchestrator.planning.brief.special_methods import special_methods
from atos_orchestrator.ports import Json
from atos_orchestrator.task import ErrorClause, Task, classes_of, name_of
from atos_orchestrator.web_application import (
    WebApplication,
    application_of,
    is_kept,
    routes_of,
    shown_rows,
)

PROMPT_TOKENS = 2600
"""Most tokens of a prompt, at four bytes each; the rest of 4k is for the reply."""
FUNCTION_TOKENS = 400
CHECK_TOKENS = 120
METHOD_TOKENS = 200
MODULE_TOKENS = 1300
KEPT_BYTES = 4 * (MODULE_TOKENS - FUNCTION_TOKENS)
"""Most of a file that a reply may begin with; what it begins with counts as a part of the reply."""

_GOAL = 3900
_CONTRACT = 720
_FILES = 2400
"""Bytes that a part of a prompt may take."""

SYSTEM = "You are a careful Python programmer."

APPROACHES = (
    "",
    "Begin with a comment that lists the edge cases.",
    "Use small helper functions.",
    "Write it the way the standard library would.",
    "Begin with a comment that says the simplest correct approach in one sentence.",
)
"""What makes samples differ: a plan each, since temperature alone hardly does."""

_FUNCTION = (
    "Write this function in one ```python fence, with the imports that it needs. Code only: no"
    " docstring, no tests."
)
_MODULE = (
    "Write the complete file {path} in one ```python fence, with the imports that it needs. Code only: no"
    " docstrings, no tests, no example calls."
)
_PAGE = "Write the page {path} in Markdown, in one ```markdown fence. Say only what the text above supports."
_CHECK = (
    "Write only the function check_{name}({parameters}), which is called first in {name}. It raises {error} in this"
    " case and in no other: {clause}. It returns None. Write it in one ```python fence. Code only: no docstring."
)

_PROGRAM = ' It is run as a program: what it does then stands below `if __name__ == "__main__":`. Its arguments are the strings `sys.argv[1:]`.'

FENCE = "```python\n"
CODE_STOPS = ("```", "\nprint(", "\nassert ", "\n# Test", "\n# Example")
_MAIN_STOP = "\nif __name__"
_COMMANDS = ("command", "script", "argparse", "argv", "main(", "__main__", " cli", "`python")
_KEPT = " What is sent is kept in a list or dict that is empty at the start."
_SENDS = re.compile(r"\b(?:POST|PUT|PATCH)\b")


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which pool answers, and how its model samples."""

    pool: str
    temperature: float = 0.0
    seed: int = 0
    approach: str = ""
    """How this sample is to go about it."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a sample is to write where something is known already; as it stands, the whole file."""

    functions: tuple[str, ...] = ()
    """Names of the functions to write; none: everything."""
    kept: str = ""
    """The rest of the file, with which the reply begins."""
    clauses: tuple[str, ...] = ()
    """What must not be forgotten: stated errors that no candidate raises so far, calls that crash."""


WHOLE = Part()


@dataclass(frozen=True, slots=True)
class Assignment:
    """What everybody who works on a task is told: the common beginning of its prompts."""

    task: Task
    text: str
    cuts: tuple[str, ...] = ()
    """What had to be shortened, one line each."""
    replaces: str = ""
    """The task's file as it is, where there is one."""

    @property
    def function(self) -> str:
        """The signature, or the bare name, if the task is one new function; else empty."""
        heads = self.task.signatures
        alone = len(heads) == 1 and len(self.task.files) == 1 and not self.replaces
        is_function = alone and not heads[0].startswith("class ") and not self.application
        return heads[0] if is_function else ""

    @property
    def application(self) -> WebApplication | None:
        """The web application that the task is to make in a new file; None for anything else."""
        heads, task = self.task.signatures, self.task
        if len(heads) != 1 or len(task.files) != 1 or self.replaces:
            return None
        return application_of(heads[0], task.packages)


def assignment(
    goal: str, task: Task, files: Mapping[str, str], outline: Callable[[str], str] = str
) -> Assignment:
    """Make the common beginning of a task's prompts.

    Args:
        goal: the goal's own words.
        task: what is to be done.
        files: the files that it builds on or changes, as they are.
        outline: makes of a file that it builds on, and which is too long, what is shown instead.
    """
    cuts: list[str] = []

    def fit(title: str, text: str, most: int) -> str:
        size = len(text.encode())
        if size > most:
            cuts.append(f"{title}: {size} bytes, {most} fit into the prompt")
        return shorten(text, most)

    parts = [fit("the goal", goal, _GOAL)]
    if task.contract and task.contract.strip() not in goal:
        parts.append(f"Your part: {task.title}\n{fit('the contract', task.contract, _CONTRACT)}")
    # what a program prints stands in the goal in fewer words
    given = [line for line in task.examples if line not in goal and not program_of(line)]
    if given:
        parts.append("These hold:\n" + fit("the examples", "\n".join(shown_rows(given)), _CONTRACT))
    share = _FILES // max(1, len(files))
    for path, text in files.items():
        whole = len(text.encode()) <= share or path in task.files
        shown = text if whole else outline(text)
        if shown != text:
            cuts.append(f"{path}: only its signatures fit into the prompt")
        parts.append(f"{path} is:\n```python\n{fit(path, shown, share)}\n```")
    own = "\n".join(files[path] for path in task.files if path in files)
    return Assignment(task, "\n\n".join(parts), tuple(cuts), own)


def sample_request(given: Assignment, sampling: Sampling, part: Part = WHOLE) -> ModelRequest:
    """Ask for a candidate: the files of a task, or what is missing in its one file."""
    task = given.task
    if task.kind == "docs":
        return request_of(
            "writer", given, _PAGE.format(path=task.files[0]), sampling, MODULE_TOKENS
        )
    if head := given.function:
        begin = f"{FENCE}{_defined(head, part.clauses)}"
        stops = (*CODE_STOPS, "\ndef ", _MAIN_STOP)
        words = f"The function: {head}\n{_FUNCTION} {sampling.approach}{_sure(part)}".strip()
        return request_of("coder", given, words, sampling, FUNCTION_TOKENS, begin, stops)
    words = f"{_files(task)}{_specials(given)}{_writing(given)} {sampling.approach}{_sure(part)}".strip()
    if len(task.files) > 1:
        return request_of("coder", given, words, sampling, MODULE_TOKENS)
    stops = CODE_STOPS if wants_command(given.text) else (*CODE_STOPS, _MAIN_STOP)
    if len(part.functions) == 1:
        stops = (*stops, "\ndef ")
    opening = given.application.opening(task.examples) if given.application else ""
    begin = f"{FENCE}{_begun(task, part) or opening}"
    tokens = MODULE_TOKENS - len(part.kept.encode()) // 4
    return request_of("coder", given, words, sampling, tokens, begin, stops)


def check_request(
    given: Assignment, name: str, parameters: str, clause: ErrorClause, sampling: Sampling
) -> ModelRequest:
    """Ask for a function that does nothing but raise a stated error, begun with what the goal says about it.

    Args:
        given: the common beginning.
        name: the function whose arguments it checks.
        parameters: those of that function, by name.
        clause: the error, and the words about it.
        sampling: who answers, and how.
    """
    said = " ".join(clause.text.split())[:200]
    begin = f"{FENCE}def check_{name}({parameters}):\n    # {said}\n"
    words = _CHECK.format(name=name, parameters=parameters, error=clause.error, clause=said)
    stops = ("```", "\ndef ", "\nclass ", "\n# ", "\nprint(", "\nassert ", _MAIN_STOP)
    return request_of("checker", given, words, sampling, CHECK_TOKENS, begin, stops)


def method_request(asked: ModelRequest, begun: str) -> ModelRequest:
    """Ask once more, with the same words, for the method with whose head `begun` ends."""
    stops = (*CODE_STOPS, "\n    def ", "\n    @", "\nclass ", "\ndef ", _MAIN_STOP)
    return replace(asked, begin=f"{FENCE}{begun}", stop=stops, max_tokens=METHOD_TOKENS)


def _sure(part: Part) -> str:
    return f" Be sure of this: {'; '.join(part.clauses)}." if part.clauses else ""


def _begun(task: Task, part: Part) -> str:
    """Return the file as far as it is there, up to the head of the first function that is missing."""
    head = next((each for each in task.signatures if name_of(each) in part.functions), "")
    kept = f"{part.kept}\n\n\n" if part.kept else ""
    return f"{kept}{_defined(head, part.clauses)}" if head else ""


def _files(task: Task) -> str:
    if len(task.files) == 1:
        words = _MODULE.format(path=task.files[0])
    else:
        listed = ", ".join(task.files)
        words = f"Write the complete files {listed}, each in one fence named ```python path.py. Code only."
    # of a class the goal's own words tell the methods: listed here, they would become functions
    heads = [f"class {name_of(head)}" for head in classes_of(task)] or list(task.signatures)
    words += _PROGRAM if any(map(program_of, task.examples)) else ""
    return f"{words} Define: {'; '.join(heads)}." if heads else words


def _specials(given: Assignment) -> str:
    """Say which special methods the goal asks for; of a task with one class, or it would be unclear of which."""
    if len(classes_of(given.task)) != 1 or not (found := special_methods(given.text)):
        return ""
    return f" The class needs {', '.join(found)}, too."


def _writing(given: Assignment) -> str:
    """Say what a web application answers, and how it takes what it is sent, where its goal sends something."""
    if (made := given.application) is None:
        return ""
    routes = routes_of(given.task.examples)
    words = f" It answers {', '.join(routes)}." if routes else ""
    words += _KEPT if any(map(is_kept, given.task.examples)) else ""
    sends = made.framework.writing and _SENDS.search(given.text)
    return f"{words} {made.framework.writing}" if sends else words


def _defined(head: str, clauses: Sequence[str] = ()) -> str:
    """Return a signature as the line that begins its definition, and below it what must not be forgotten.

    Of a bare name it returns what comes before its parameters.
    """
    line = head.strip().rstrip(":")
    line = line if line.startswith(("def ", "async def ")) else f"def {line}"
    if "(" not in line:
        return f"{line}("
    comments = [f"    # {' '.join(clause.split())[:200]}\n" for clause in clauses]
    return f"{line}:\n{''.join(comments)}"


def wants_command(text: str) -> bool:
    """Tell whether a goal or task speaks of a command, so that a file may do something when it is run."""
    return any(word in text.lower() for word in _COMMANDS)


def shorten(text: str, most: int) -> str:
    """Cut the middle out of a text that has more than `most` bytes of UTF-8."""
    data = text.encode()
    if len(data) <= most:
        return text
    half = (most - 12) // 2
    head, tail = data[:half].decode(errors="ignore"), data[-half:].decode(errors="ignore")
    return f"{head}\n[...]\n{tail}"


def request_of(
    role: Role,
    given: Assignment,
    words: str,
    sampling: Sampling,
    tokens: int,
    begin: str = "",
    stops: Sequence[str] = (),
) -> ModelRequest:
    """Return a request: what is common to the task first, then what this role is to do.

    Args:
        role: who is asked.
        given: the common beginning.
        words: what is to be done.
        sampling: who answers, and how.
        tokens: most tokens of the reply.
        begin: what the reply begins with.
        stops: texts at which it ends.
    """
    messages: list[Json] = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": f"{given.text}\n\n{words}"},
    ]
    return ModelRequest(
        role,
        messages,
        sampling.pool,
        max_tokens=tokens,
        temperature=sampling.temperature,
        seed=sampling.seed,
        begin=begin,
        stop=tuple(stops),
        may_be_cut=role in {"tester", "checker"},
    )
