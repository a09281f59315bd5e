"""Rows about functions that read a file, which is written first. Pure.

Left alone, testers write `assert count_levels("app.log") == {...}` of a file that no test has written: every
candidate raises the same FileNotFoundError, which tells none of them apart. So their tests are begun with the
writing, with the lines that the goal shows where it shows any; and those lines are calls by themselves.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from itertools import takewhile

from atos_orchestrator.task import name_of, parameters_of

FILE = "input.txt"
"""The file that rows write, in the empty folder in which each of them runs."""
MOST_LINES = 20
MOST_FILE_CALLS = 12
_FILES = frozenset(["file", "filename", "filepath", "fname", "infile", "path"])
_CONTENTS = re.compile(
    r"\breads?\b|FileNotFoundError|\bmissing file|\blines? of (?:a|the|our|each) (?:\w+ )?files?\b"
    r"|\bcontents? of\b|\bcsv\b|\b(?:log|text|json) files?\b",
    re.IGNORECASE,
)
"""What goals say that are about what is in a file; others are about the path itself (`normalize(path)`)."""
_NO_DATA = re.compile(r"\s*([-*#>•]|\d+[.)]\s|```)")


def reads_a_file(signature: str, goal: str) -> bool:
    """Tell whether a function gets, by its parameter's name, the path of a file, and the goal speaks of what is in it."""
    parameters = parameters_of(signature)
    named = bool(parameters) and (
        parameters[0] in _FILES or parameters[0].endswith(("_file", "_path", "_filename"))
    )
    return named and bool(_CONTENTS.search(goal) or sample_lines(goal, [name_of(signature)]))


def sample_lines(goal: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the lines of a file that a goal shows: those below a line that ends in a colon.

    A list of wishes is none, nor is a line that speaks of one of the functions.
    """
    lines = goal.splitlines()

    def is_data(line: str) -> bool:
        named = any(f"{name}(" in line for name in names)
        return bool(line.strip()) and not named and not _NO_DATA.match(line)

    for at, line in enumerate(lines):
        below = lines[at + 2 :] if lines[at + 1 : at + 2] == ["```"] else lines[at + 1 :]
        block = tuple(takewhile(is_data, below))
        if line.rstrip().endswith(":") and block:
            return block[:MOST_LINES]
    return ()


def writing(text: str) -> str:
    """Return the line that writes the file."""
    return f"open({FILE!r}, 'w').write({text!r})"


def begun_writing(text: str) -> str:
    """Return the same line up to the end of the text, for a reply that goes on with further lines."""
    return writing(text)[: -len("')")]


def file_calls(goal: str, signatures: Sequence[str]) -> list[str]:
    """Return calls of the functions that need nothing but a file, on what the goal shows of one.

    The lines as they are, twice, with one of another form among them, and an empty file.
    """
    lines = sample_lines(goal, [name_of(head) for head in signatures])
    if not lines:
        return []
    block = "".join(f"{line}\n" for line in lines)
    texts = (block, block * 2, f"{block}of another form\n{block}", "")
    found: list[str] = []
    for head in signatures:
        parameters = [each for each in head.partition("(")[2].split(",") if "=" not in each]
        if reads_a_file(head, goal) and len(parameters) == 1:
            found += [f"{writing(text)}\n{name_of(head)}({FILE!r})" for text in texts]
    return found[:MOST_FILE_CALLS]


def is_writing(statement: ast.stmt) -> bool:
    """Tell whether a statement writes a file, so that it is a set-up of what comes below it."""
    if isinstance(statement, ast.With):
        return any("open(" in ast.unparse(item) for item in statement.items)
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    called = statement.value.func
    return isinstance(called, ast.Attribute) and called.attr in {"write", "write_text"}


def touches_files(source: str) -> bool:
    """Tell whether an assertion writes a file, so that it needs a folder of its own."""
    return "open(" in source or ".write_text(" in source
