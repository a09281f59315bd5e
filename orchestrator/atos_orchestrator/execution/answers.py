"""An answer to a task's question becomes an assertion. Pure.

1, #1            the first option
1.5              an option as it is written, or any other Python literal
raises KeyError  an error
f(2) == 3        a whole example, about whatever it calls
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from atos_orchestrator.execution.evidence_given import parsed, read_example
from atos_protocol.errors import BadRequestError
from atos_protocol.goals import Question

RAISES = re.compile(r"raises\s+([A-Za-z_][\w.]*)", re.ASCII)
NUMBER = re.compile(r"(#?)([1-9][0-9]?)", re.ASCII)


def assertion_of(answer: str, question: Question | None) -> str:
    """Return what an answer asserts.

    Raises:
        BadRequestError: it is empty, ambiguous, or no answer; the next step says what is.
    """
    text = answer.strip()
    if question is None or not question.call:
        return _example(text, question)
    value = _option(text, question.options) or text
    if error := RAISES.fullmatch(value):
        return _asserted(question.call, lambda call: f"raises({error[1]}, lambda: {call})")
    if _is_literal(value):
        return _asserted(question.call, lambda call: f"{call} == {value}")
    return _example(text, question)


def _option(text: str, options: tuple[str, ...]) -> str:
    """Return the option that a number stands for; empty where it stands for none.

    Raises:
        BadRequestError: the number is the text of another option.
    """
    found = NUMBER.fullmatch(text)
    if not found or int(found[2]) > len(options):
        return ""
    option = options[int(found[2]) - 1]
    if not found[1] and text in options and option != text:
        other = options.index(text) + 1
        message = f"{text} is the number of option {text} ({option}) and the text of option {other}"
        step = f"Answer #{text} for {option}, or #{other} for {text}."
        raise BadRequestError(message, next_step=step)
    return option


def _is_literal(text: str) -> bool:
    """Tell whether a text is one plain value: an option comes from a program, which may print anything."""
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False
    return True


def _asserted(source: str, claim: Callable[[str], str]) -> str:
    """Return a call, perhaps with statements before it, as an assertion about its value."""
    *before, call = parsed(source, "the question").body
    lines = [ast.unparse(each) for each in before]
    assertion = "\n".join([*lines, f"assert {claim(ast.unparse(call))}"])
    parsed(assertion, "it")
    return assertion


def _example(text: str, question: Question | None) -> str:
    try:
        return read_example(text)
    except BadRequestError as error:
        if question is None or not question.call:
            message = (
                f"{text[:120]!r} is no answer: this task asks nothing, so it must be an example"
            )
            raise BadRequestError(message, next_step=error.next_step) from error
        listed = ", ".join(f"{n} ({each})" for n, each in enumerate(question.options, start=1))
        message = f"{text[:120]!r} is no answer to: {question.text}"
        step = f"Answer {listed}, another value, `raises ValueError`, or a whole example."
        raise BadRequestError(message, next_step=step) from error
