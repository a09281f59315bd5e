"""Prompts for testers: who sees no code, and whose replies are begun so that they hold single assertions."""

from __future__ import annotations

from atos_orchestrator.agents.model_request import ModelRequest
from atos_orchestrator.agents.prompts import FENCE, Assignment, Sampling, request_of
from atos_orchestrator.task import ErrorClause
from atos_orchestrator.web_application import WebApplication

ASSERTION_TOKENS = 220
FILE_ASSERTION_TOKENS = 400
ERROR_ROW_TOKENS = 90

_TESTS = (
    "Don't write the code. Write 5 tests of it, each one line `assert {name}(...) == ...`, with other values"
    " than the examples: usual cases, edge cases, and cases that a careless author gets wrong."
)
_CLASS_TESTS = (
    "Don't write the code. Write 5 tests of it, each a function of at most 6 lines that ends in an `assert`:"
    " usual cases, edge cases, and cases that a careless author gets wrong."
)
_FILE_TESTS = (
    "Don't write the code. Write 3 tests of {name}, each a function that writes a small file and ends in an `assert`"
    " of what {name} gives for it: a usual file, an empty one, and one that a careless author gets wrong."
)
_WEB_TESTS = (
    "Don't write the code. Write 5 tests of it, each one line `assert {client}.get(...)...`, of single"
    " requests: what they answer with `.{json} == ...`, what is refused with `.status_code == ...`."
)
_ERROR = "Don't write the code. Write 3 different tests of this requirement: {clause}"
_TEST_STOPS = ("```", "\nclass ")


def assertions_request(
    given: Assignment, name: str, sampling: Sampling, opening: str = ""
) -> ModelRequest:
    """Ask a tester for single assertions, before it sees any code.

    Args:
        given: the common beginning.
        name: the function under test; empty where a class or several steps need a set-up.
        sampling: who answers, and how.
        opening: begins the first argument, where its type is known: a quote, a bracket.
    """
    if name:
        begin, words = f"{FENCE}assert {name}({opening}", _TESTS.format(name=name)
        stops = (*_TEST_STOPS, "\ndef ", "\n#", "\n\n\n")
    else:
        module = given.task.files[0].removesuffix(".py").replace("/", ".")
        begin, words = f"{FENCE}from {module} import *\n\n\ndef test_", _CLASS_TESTS
        stops = _TEST_STOPS
    return request_of("tester", given, words, sampling, ASSERTION_TOKENS, begin, stops)


def file_assertions_request(
    given: Assignment, name: str, sampling: Sampling, opening: str
) -> ModelRequest:
    """Ask a tester for assertions about a function that reads a file; `opening` begins to write one."""
    module = given.task.files[0].removesuffix(".py").replace("/", ".")
    begin = f"{FENCE}from {module} import *\n\n\ndef test_{name}():\n    {opening}"
    words = _FILE_TESTS.format(name=name)
    return request_of("tester", given, words, sampling, FILE_ASSERTION_TOKENS, begin, _TEST_STOPS)


def web_assertions_request(
    given: Assignment, application: WebApplication, sampling: Sampling
) -> ModelRequest:
    """Ask a tester for assertions about single requests to an application."""
    begin = f'{FENCE}assert {application.client}.get("/'
    words = _WEB_TESTS.format(client=application.client, json=application.framework.json)
    stops = (*_TEST_STOPS, "\ndef ", "\n#", "\n\n\n")
    return request_of("tester", given, words, sampling, ASSERTION_TOKENS, begin, stops)


def error_request(
    given: Assignment, clause: ErrorClause, sampling: Sampling, opening: str = ""
) -> ModelRequest:
    """Ask for assertions that a stated error is raised: a rule begins them, or they would not be written.

    `opening` begins the first argument as well, where its type is known: a quote, a bracket.
    """
    comment = f"# {' '.join(clause.text.split())[:200]}"
    if clause.name and clause.name[0].islower():
        row = f"assert raises({clause.error}, lambda: {clause.name}("
        begin, stops = f"{FENCE}{comment}\n{row}{opening}", ("```", "\n\n", "\n#", "\ndef ")
    else:
        begin = f"{FENCE}{comment}\ndef test_{clause.error.lower()}():\n    "
        stops = ("```", "\n\n", "\ndef ", "\nclass ")
    words = _ERROR.format(clause=clause.text)
    return request_of("tester", given, words, sampling, ERROR_ROW_TOKENS, begin, stops)
