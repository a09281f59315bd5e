"""Runs inside the sandbox: calls one function with what was typed into a form, and prints what came of it.

Staged as a script beside the release, so it uses the standard library only. Standard input holds the call as
JSON; the last line of standard output is the reply.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import sys
import traceback
from typing import Any

MOST_CHARACTERS = 100_000


def _value(typed: str, *, is_text: bool) -> Any:
    """Return the Python literal that was typed, or the text itself where it is none."""
    if is_text:
        return typed
    try:
        return ast.literal_eval(typed.strip())
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return typed


def _shown(value: Any) -> str:
    text = repr(value)
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]}... ({len(text)} characters)"


def main() -> None:
    """Read the call, carry it out, and print the reply."""
    call = json.loads(sys.stdin.read())
    sys.path[:0] = [os.getcwd(), os.path.join(os.getcwd(), "src")]  # noqa: PTH109, PTH118
    try:
        function = getattr(importlib.import_module(call["module"]), call["function"])
        given = {
            each["name"]: _value(each["typed"], is_text=each["is_text"]) for each in call["given"]
        }
        reply = {"value": _shown(function(**given))}
    except BaseException as error:  # noqa: BLE001 - whatever it raises is its answer
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(last.filename)}, line {last.lineno}"  # noqa: PTH119
        reply = {"raised": f"{type(error).__name__}: {error}"[:2000], "place": place}
    sys.stdout.write(f"\n{json.dumps(reply)}\n")


if __name__ == "__main__":
    main()
