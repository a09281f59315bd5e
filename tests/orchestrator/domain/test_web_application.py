"""What a web application is called, and how its file begins."""

import ast

from inline_snapshot import snapshot

from atos_orchestrator.task import Task, functions_of
from atos_orchestrator.web_application import VARIABLE, application_opening


def test_an_application_that_is_a_variable_is_no_function_of_its_file() -> None:
    def made(head: str, *packages: str) -> tuple[str, ...]:
        task = Task("T1", "Serve", files=("shop.py",), signatures=(head,), packages=packages)
        return functions_of(task)

    assert made("app", "flask") == ()
    assert made("app") == ("app",)
    assert made("create_app()", "flask") == ("create_app",)


def test_the_beginning_of_an_application_is_python_that_goes_on() -> None:
    assert application_opening("make_app()") == snapshot("""\
from flask import Flask, jsonify, request


def make_app():
""")
    ast.parse(application_opening(VARIABLE))
    ast.parse(application_opening("make_app()") + "    return Flask(__name__)\n")
