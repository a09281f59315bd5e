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
    asked_of_module,
    asks_application,
    companions_of,
    routes_of,
    sends_something,
    shown_rows,
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
    ast.parse(WebApplication(framework, VARIABLE).opening())
    ast.parse(WebApplication(framework, "make_app()").opening() + f"    return {framework.made}\n")


def test_an_application_s_file_begins_with_its_imports() -> None:
    assert WebApplication(FLASK, "make_app()").opening() == snapshot("""\
from flask import Flask, jsonify, request


def make_app():
""")
    assert WebApplication(FASTAPI, VARIABLE).opening() == snapshot("""\
from fastapi import Body, FastAPI, HTTPException

app = FastAPI()
""")


def test_what_an_application_keeps_by_its_examples_is_begun() -> None:
    def denied(made: WebApplication, path: str, value: str) -> str:
        return made.row(f"assert {made.client}.get({path!r}).{made.framework.json} != {value}")

    factory, variable = WebApplication(FASTAPI, "make_app()"), WebApplication(FLASK, VARIABLE)
    rows = [denied(factory, "/items", "['pen']"), denied(factory, "/carts/7", "{'n': 'pen'}")]
    assert factory.opening(rows) == snapshot("""\
from fastapi import Body, FastAPI, HTTPException


def make_app():
    app = FastAPI()
    items = []
    carts = {}
""")
    assert variable.opening([denied(variable, "/notes", "['milk']")]) == snapshot("""\
from flask import Flask, jsonify, request

app = Flask(__name__)
notes = []
""")
    for path in ("/", "/app", "/class", "/list", "/request"):
        assert factory.opening([denied(factory, path, "['a']")]) == factory.opening()


def test_what_asks_and_serves_an_application_comes_with_its_framework() -> None:
    assert companions_of(("click", "fastapi")) == ("httpx2", "uvicorn")
    assert companions_of(("flask",)) == ()


def test_an_assertion_begins_with_the_import_of_its_client_and_asks_the_application() -> None:
    row = WebApplication(FASTAPI, "app").row("assert TestClient(app).get('/').status_code == 200")
    assert row.splitlines()[0] == "from fastapi.testclient import TestClient"
    assert asks_application(row)
    assert not asks_application("assert get('/') == 200")


def test_the_routes_of_one_part_are_those_that_assertions_ask() -> None:
    rows = [
        "assert app.test_client().get('/add?a=2').status_code == 200",
        "client = app.test_client()\nclient.post('/items', json={'a': '/b'})\nassert client.get('/items').status_code == 200",
        "assert app.test_client().get('/items/3').status_code == 404",
        "assert app.test_client().get('/').status_code == 200",
    ]
    assert routes_of(rows) == ("GET /add", "POST /items", "GET /items", "GET /")


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=[each.package for each in FRAMEWORKS])
@pytest.mark.parametrize("source", [VARIABLE, "create_app()"])
def test_an_application_to_which_something_is_sent_is_asked_through_its_module(
    framework: WebFramework, source: str
) -> None:
    made = WebApplication(framework, source)
    row = made.row(f"assert {made.client}.post('/a').status_code == 201")

    assert sends_something(row)
    assert not sends_something(made.row(f"assert {made.client}.get('/a').status_code == 200"))
    asked = f"assert {framework.client.format(f'pkg.shop.{source}')}.post('/a').status_code == 201"
    assert asked_of_module(row, "pkg.shop") == f"{framework.client_import}{asked}"
    assert asked_of_module(asked, "pkg.shop") == asked


def test_a_person_s_row_that_makes_its_client_in_another_way_is_shown_as_it_is() -> None:
    row = "assert TestClient(create_app('a.db')).get('/').status_code == 200"
    assert shown_rows([row, "assert f(1) == 2"]) == ["assert f(1) == 2", row]
