"""What a web application is called, and how its file begins."""

import ast

import pytest
from inline_snapshot import snapshot

from atos_orchestrator.task import Task, functions_of
from atos_orchestrator.web_application import (
    FASTAPI,
    FLASK,
    FRAMEWORKS,
    VARIABLE,
    WebApplication,
    WebFramework,
    companions_of,
    without_import,
)


def test_an_application_that_is_a_variable_is_no_function_of_its_file() -> None:
    def made(head: str, *packages: str) -> tuple[str, ...]:
        task = Task("T1", "Serve", files=("shop.py",), signatures=(head,), packages=packages)
        return functions_of(task)

    assert made("app", "flask") == ()
    assert made("app") == ("app",)
    assert made("create_app()", "flask") == ("create_app",)


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=[each.package for each in FRAMEWORKS])
def test_the_beginning_of_an_application_is_python_that_goes_on(framework: WebFramework) -> None:
    ast.parse(WebApplication(framework, VARIABLE).opening)
    ast.parse(WebApplication(framework, "make_app()").opening + f"    return {framework.made}\n")


def test_an_application_s_file_begins_with_its_imports() -> None:
    assert WebApplication(FLASK, "make_app()").opening == snapshot("""\
from flask import Flask, jsonify, request


def make_app():
""")
    assert WebApplication(FASTAPI, VARIABLE).opening == snapshot("""\
from fastapi import Body, FastAPI, HTTPException

app = FastAPI()
""")


def test_what_asks_and_serves_an_application_comes_with_its_framework() -> None:
    assert companions_of(("click", "fastapi")) == ("httpx2", "uvicorn")
    assert companions_of(("flask",)) == ()


def test_an_assertion_is_shown_without_the_import_of_its_client() -> None:
    row = WebApplication(FASTAPI, "app").row("assert TestClient(app).get('/').status_code == 200")
    assert without_import(row) == "assert TestClient(app).get('/').status_code == 200"
    assert row.splitlines()[0] == "from fastapi.testclient import TestClient"
