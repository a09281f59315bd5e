"""HumanEval's problems, read from the file that `--data` names and whose sha256 is known.

Source: github.com/openai/human-eval, MIT. The project holds no copy; what a replay needs of a problem (its
name, signature and text, never its tests or solution) stands beside the recorded replies.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

SHA256 = "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef"
SHUFFLE = 7


@dataclass(frozen=True, slots=True)
class Problem:
    """What a model is told of a problem."""

    id: str
    """`HumanEval/17`."""
    name: str
    """The function that is asked for."""
    head: str
    """The imports that are given, and the signature."""
    text: str
    """The docstring."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What only the score may see."""

    solution: str
    """A whole program that is right."""
    tests: str
    """Code that raises unless the function in its namespace is right."""


def read_problems(path: Path, count: int) -> list[tuple[Problem, Answers]]:
    """Return the first problems of one function each, of a fixed shuffle: fewer are a part of more.

    Raises:
        ValueError: the file is not the one that is known.
    """
    packed = path.read_bytes()
    if (found := hashlib.sha256(packed).hexdigest()) != SHA256:
        message = f"{path.name} is not HumanEval.jsonl.gz: its sha256 is {found[:12]}..."
        raise ValueError(message)
    entries = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    single = [entry for entry in entries if entry["prompt"].count("def ") == 1]
    random.Random(SHUFFLE).shuffle(single)
    return [(problem_of(entry), answers_of(entry)) for entry in single[:count]]


def problem_of(entry: dict[str, str]) -> Problem:
    """Return what a model may see of an entry."""
    prompt, name = entry["prompt"], entry["entry_point"]
    functions = [node for node in ast.parse(prompt).body if isinstance(node, ast.FunctionDef)]
    function = next(node for node in functions if node.name == name)
    head = "\n".join(prompt.splitlines()[: function.body[0].lineno - 1]).strip()
    return Problem(entry["task_id"], name, head, ast.get_docstring(function) or "")


def answers_of(entry: dict[str, str]) -> Answers:
    """Return what a model may not see of an entry."""
    tests = f"{entry['test']}\ncheck({entry['entry_point']})"
    return Answers(entry["prompt"] + entry["canonical_solution"], tests)
