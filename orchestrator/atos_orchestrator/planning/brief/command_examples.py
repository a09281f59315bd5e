"""Finds examples of a program: `python add.py 2 3` prints `5`; `python add.py x` exits with status 2. Pure.

They become assertions that run the module as a program in the process that judges them, with these arguments, and
look at what it prints or how it exits. A process of its own is not to be had there: the sandbox starts none.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from atos_orchestrator.planning.brief.findings import Example, Place
from atos_orchestrator.planning.brief.spans import parse, string_end

_COMMAND = re.compile(
    r"`[ \t]*(?:\$[ \t]*)?python3?[ \t]+(?:-m[ \t]+([a-z_][\w.]*)|([a-z_]\w*)\.py)((?:[ \t]+[^`\n]*)?)`"
)
_DOES = re.compile(r"[ \t\n]*,?[ \t\n]*(?:(?:should|must|shall|will|then|which|it)[ \t\n]+)*")
_PRINTS = re.compile(
    r"(?:prints?|outputs?|writes?|shows?|displays?|printing)\b:?[ \t\n]+(?:out[ \t]+)?(?:the[ \t]+(?:text|line|number)[ \t]+)?"
)
_EXITS = re.compile(
    r"(?:exits?|ends?|exiting|returns?)\b[ \t\n]+(?:(?:with|in)[ \t\n]+)?(?:an?[ \t]+)?(?:the[ \t]+)?(?:exit[ \t]+)?"
    r"(?:status|code)?(?:[ \t]+code)?(?:[ \t]+of)?[ \t]*`?(\d{1,3})\b`?"
)
_ALSO = re.compile(r",?[ \t\n]+and[ \t\n]+")
_CONDITION = re.compile(r",?[ \t\n]+(?:if|when|unless|where|without|while|for)\b")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?=[\s.,;:)]|\Z)(?![.,]\d)")
_SPAN = re.compile(r"`([^`\n]+)`")
_PLACEHOLDER = re.compile(r"[A-Z][A-Z_0-9]*\Z|.*[<>\[\]|&]|\.\.\.")
_RUNS = re.compile(r"\brunpy\.run_module\('([\w.]+)'")
_ARGV = re.compile(r"^sys\.argv = (\[.*\])$", re.MULTILINE)
_FILE = re.compile(r".*\.[A-Za-z]\w{0,4}\Z|.*/")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is seen of a run: the name that holds it in an assertion, and the value, as Python source."""

    looked_at: str
    value: str


def command_examples(text: str) -> Iterator[Example]:
    """Yield what the text says that runs of a program print, and how they exit, as assertions."""
    for found in _COMMAND.finditer(text):
        module, arguments = found[1] or found[2], _arguments(found[3])
        if arguments is None:
            continue
        seen, end = _outcome(text, found.end())
        for each in seen:
            row = assertion_of_run(module, arguments, each.looked_at, each.value)
            yield Example(row, "", Place(found.start(), end))


def assertion_of_run(module: str, arguments: list[str], looked_at: str, value: str) -> str:
    """Return the assertion that a program, run with these arguments, prints or exits with a value."""
    program = f"{module.replace('.', '/')}.py"
    return "\n".join(
        [
            "import contextlib, io, runpy, sys",
            f"sys.argv = {[program, *arguments]!r}",
            "printed, status = io.StringIO(), 0",
            "with contextlib.redirect_stdout(printed):",
            "    try:",
            f"        runpy.run_module({module!r}, run_name='__main__')",
            "    except SystemExit as ended:",
            "        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)",
            f"assert {looked_at} == {value}",
        ]
    )


def program_of(assertion: str) -> str:
    """Return the module that an assertion runs as a program; empty for any other assertion."""
    found = _RUNS.search(assertion)
    return found[1] if found else ""


def command_of(assertion: str) -> str:
    """Return the command that an assertion runs, as a person types it; empty for any other assertion."""
    found = _ARGV.search(assertion) if program_of(assertion) else None
    return f"python {shlex.join(ast.literal_eval(found[1]))}" if found else ""


def _arguments(written: str) -> list[str] | None:
    """Return the arguments of a command; None where they are placeholders, or files that nobody has written."""
    try:
        arguments = shlex.split(written)
    except ValueError:
        return None
    strange = any(_PLACEHOLDER.match(each) or _FILE.match(each) for each in arguments)
    return None if strange else arguments


def _outcome(text: str, start: int) -> tuple[list[_Seen], int]:
    """Return what is said of a run behind its command, and where that ends; nothing where it is said with a condition."""
    found: list[_Seen] = []
    lead = _DOES.match(text, start)
    at = lead.end() if lead else start
    end = start
    while len(found) < 2 and (part := _part(text, at)):
        found.append(part[0])
        end = part[1]
        if not (more := _ALSO.match(text, end)):
            break
        at = more.end()
    return ([], end) if _CONDITION.match(text, end) else (found, end)


def _part(text: str, at: int) -> tuple[_Seen, int] | None:
    if exits := _EXITS.match(text, at):
        return _Seen("status", str(int(exits[1]))), exits.end()
    if not (prints := _PRINTS.match(text, at)):
        return None
    value, end = _printed(text, prints.end())
    return (_Seen("printed.getvalue().strip()", value), end) if value else None


def _printed(text: str, at: int) -> tuple[str, int]:
    """Return what is printed, as Python source without the space around it, and its end; "" where that is not exact."""
    if span := _SPAN.match(text, at):
        return repr(span[1].strip()), span.end()
    if number := _NUMBER.match(text, at):
        return repr(number[0]), number.end()
    end = string_end(text, at, len(text)) if text[at : at + 1] == '"' else -1
    if end < 0 or not (tree := parse(text[at:end])) or not tree.body:
        return "", at
    return f"{text[at:end]}.strip()", end
