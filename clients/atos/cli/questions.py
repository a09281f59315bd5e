"""Asking a person: for an example before a goal starts, and for an answer when a task has stopped."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from atos.cli.formatting import clean
from atos.cli.goal_report import question_lines, question_text
from atos.cli.host_connection import HostClient
from atos.cli.progress import Progress
from atos_protocol.errors import AtosError, BadRequestError, ConflictError, WorkspaceError

WHY = (
    "An example helps a small model most (84 against 58 % right): f(1) -> 2, for instance. Enter"
    " goes on."
)

PLAN_FORM = (
    'A plan is {"tasks": [{"title": ..., "files": [...], "contract": ..., "examples": [...]}]}.'
)


def evidence(arguments: Namespace, orchestrate: HostClient) -> dict[str, Any]:
    """Return the examples and tests of a goal: those of the command line, or what a person writes now.

    Raises:
        WorkspaceError: the file of tests can't be read.
        BadRequestError: an example of the command line is none.
    """
    if arguments.tests:
        return {"examples": arguments.example, "tests": read_text(Path(arguments.tests))}
    examples: list[str] = list(arguments.example)
    if (
        not examples
        and not arguments.plan
        and not arguments.json
        and sys.stdin.isatty()
        and sys.stdout.isatty()
    ):
        examples = ask_examples(orchestrate, arguments.goal)
    return {"examples": examples} if examples else {}


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        WorkspaceError: it can't be read.
    """
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        message = f"{path} can't be read: {why}"
        raise WorkspaceError(message, next_step="Name a text file.") from error


def read_plan(path: Path) -> dict[str, Any]:
    """Return the plan in a JSON file, or in what `plan --json` prints.

    Raises:
        WorkspaceError: it can't be read, or is no JSON object.
    """
    try:
        plan = json.loads(read_text(path))
    except ValueError as error:
        message = f"{path} is no JSON: {error}"
        raise WorkspaceError(message, next_step=PLAN_FORM) from error
    if not isinstance(plan, dict):
        message = f"{path} holds no JSON object with `tasks`"
        raise WorkspaceError(message, next_step=PLAN_FORM)
    whole = cast("dict[str, Any]", plan)
    inner: Any = whole.get("plan")
    printed = "tasks" not in whole and isinstance(inner, dict)
    return cast("dict[str, Any]", inner) if printed else whole


def ask_examples(orchestrate: HostClient, goal: str) -> list[str]:
    """Ask for examples where they would help, until an empty line; Ctrl-C ends the command: nothing was started."""
    known = orchestrate.call("check_goal", {"goal": goal})
    if not known["wants_example"]:
        return []
    say(WHY)
    found: list[str] = []
    while line := read_line("Another:" if found else "Example:", may_end=True):
        try:
            orchestrate.call("check_goal", {"goal": goal, "examples": [line]})
        except BadRequestError as error:
            say_error(error)
        else:
            found.append(line)
    return found


def answer_on_terminal(orchestrate: HostClient, view: Mapping[str, Any], show: Progress) -> bool:
    """Ask a person what a stopped goal asks; return whether it goes on."""
    task = asking(view)
    if task is None or not show.asks or view["state"] != "needs_help":
        return False
    lines = question_lines(task, terminal_width())
    show.keep(below=len(lines) + 2)
    print("\n" + "\n".join(lines))
    while line := read_line("Answer (a number, a value or an example; Enter leaves it open):"):
        request = {"goal_id": view["id"], "task_id": task["id"], "answer": line}
        try:
            orchestrate.call("answer_question", request, resend=False)
        except BadRequestError as error:
            say_error(error)
        except ConflictError as error:  # somebody else was faster
            say_error(error)
            return True
        else:
            return True
    return False


def asking(view: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the first task that asks something."""
    tasks: Sequence[Mapping[str, Any]] = view.get("tasks") or []
    return next((task for task in tasks if question_text(task)), None)


def read_line(prompt: str, *, may_end: bool = False) -> str:
    """Return one line of the person; empty for Enter, the end of input, or Ctrl-C, unless that may end the command."""
    sys.stdout.write(f"{prompt} ")
    sys.stdout.flush()
    try:
        return sys.stdin.readline().strip()
    except KeyboardInterrupt:
        print()
        if may_end:
            raise
        return ""


def say(text: str) -> None:
    """Print a sentence, wrapped to the terminal."""
    print(textwrap.fill(clean(text, 1000), terminal_width()))


def say_error(error: AtosError) -> None:
    """Print what is wrong with what was typed, and what to type instead."""
    say(error.message)
    if error.next_step:
        say(f"→ {error.next_step}")


def terminal_width() -> int:
    """Return how many columns text may take."""
    return max(20, shutil.get_terminal_size().columns - 1)
