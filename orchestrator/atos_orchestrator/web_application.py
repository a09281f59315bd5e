"""What a web application is called that a task is to make, how its file begins, and how it is asked. Pure.

Of Flask and FastAPI: both have a test client that needs neither network nor port.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

FACTORY = r"(?:create|make|build|get)_(?:\w+_)?app(?:lication)?"
"""What a function that gives an application is called."""
VARIABLE = "app"
"""What an application is called that no function gives."""


_KEPT = re.compile(r"\.get\('/([a-z_]+)(?:/[^']*)?'\)\.[\w().]+ != ([\[{])")
_TAKEN = frozenset({VARIABLE, "request", "jsonify", *keyword.kwlist, *dir(builtins)})
_CLIENT = re.compile(r"\.test_client\(\)|\bTestClient\(")
_CLIENT_OF = re.compile(r"\w+(?:\(\))?\.test_client\(\)|\bTestClient\(\w+(?:\(\))?\)")
_ASKED = re.compile(r"\.(get|post|put|patch|delete)\('(/[^'/?]*)['?]")


@dataclass(frozen=True, slots=True)
class WebFramework:
    """A framework, as its applications are written and asked."""

    package: str
    made: str
    """Source that makes one."""
    imports: str
    """The first lines of a module that makes one."""
    client: str
    """Source of a test client, with `{}` for the application."""
    client_import: str
    """What an assertion that uses it begins with; empty where nothing is needed."""
    json: str
    """What gives an answer's JSON value."""
    text: str
    """What gives its text."""
    writing: str = ""
    """How an application takes a body and answers a status, in one sentence: what small models don't know of it."""
    companions: tuple[str, ...] = ()
    """Distributions that its test client and its server need beside it."""


FLASK = WebFramework(
    package="flask",
    made="Flask(__name__)",
    imports="from flask import Flask, jsonify, request\n\n",
    client="{}.test_client()",
    client_import="",
    json="get_json()",
    text="get_data(as_text=True)",
)
FASTAPI = WebFramework(
    package="fastapi",
    made="FastAPI()",
    imports="from fastapi import Body, FastAPI, HTTPException\n\n",
    client="TestClient({})",
    client_import="from fastapi.testclient import TestClient\n",
    json="json()",
    text="text.strip('\"')",  # FastAPI answers a returned text as JSON, unless it is told not to
    writing="Parameters of a query are plain arguments (`a: int`); a JSON body is `item: dict = Body()`;"
    " another status than 200 stands in the decorator: `status_code=201`.",
    companions=("httpx2", "uvicorn"),
)
FRAMEWORKS = (FLASK, FASTAPI)


@dataclass(frozen=True, slots=True)
class WebApplication:
    """An application that a task makes."""

    framework: WebFramework
    source: str
    """What gives it: `create_app()`, `app`."""

    @property
    def name(self) -> str:
        """The function or variable."""
        return self.source.removesuffix("()")

    @property
    def client(self) -> str:
        """Source of its test client."""
        return self.framework.client.format(self.source)

    def opening(self, rows: Sequence[str] = ()) -> str:
        """Return how its file begins: imports, the line that makes it or begins its factory, and what it keeps.

        What it keeps, by its examples, has to be begun for a small model, which else answers an example's value always.
        """
        kept, made = stores_of(rows), f"{VARIABLE} = {self.framework.made}"
        if self.source == VARIABLE:
            return "\n".join([f"{self.framework.imports}{made}", *kept, ""])
        head = f"{self.framework.imports}\ndef {self.source}:\n"
        return head + "".join(f"    {line}\n" for line in ([made, *kept] if kept else ()))

    def row(self, assertion: str) -> str:
        """Return an assertion about its test client, with the import that it needs."""
        return f"{self.framework.client_import}{assertion}"


def application_of(signature: str, packages: Collection[str]) -> WebApplication | None:
    """Return the web application of this signature; None where it is none, or making it needs arguments."""
    framework = next((each for each in FRAMEWORKS if each.package in packages), None)
    if framework is None:
        return None
    if signature == VARIABLE:
        return WebApplication(framework, VARIABLE)
    name = signature.removesuffix("()")
    return WebApplication(framework, f"{name}()") if re.fullmatch(FACTORY, name) else None


def companions_of(packages: Collection[str]) -> tuple[str, ...]:
    """Return the distributions that the frameworks among these need to be asked and served."""
    found = (each.companions for each in FRAMEWORKS if each.package in packages)
    return tuple(name for names in found for name in names)


def routes_of(rows: Iterable[str]) -> tuple[str, ...]:
    """Return the routes that assertions ask: `GET /items`. Only those of one part: `/items/3` may stand for `/items/{n}`."""
    asked = (found for row in rows for found in _ASKED.finditer(row))
    return tuple(dict.fromkeys(f"{found[1].upper()} {found[2]}" for found in asked))


def shown_rows(rows: Sequence[str]) -> list[str]:
    """Return assertions as a prompt shows them: what asks an application in few words, one line each."""
    plain = [row for row in rows if not asks_application(row)]
    asking = [shown_row(row) for row in rows if asks_application(row)]
    if not asking:
        return plain
    clients = (found[0] for row in rows if (found := _CLIENT_OF.search(row)))
    begun = [f"client = {client}  # a new one for each line" for client in islice(clients, 1)]
    return [*plain, *begun, *asking]


def shown_row(row: str) -> str:
    """Return an assertion that asks an application in one line, with `client` for its test client."""
    lines = [line for line in row.splitlines() if not line.startswith(("from ", "client = "))]
    before = "  # before anything is sent" if is_kept(row) else ""
    return _CLIENT_OF.sub("client", "; ".join(lines)) + before


def stores_of(rows: Iterable[str]) -> tuple[str, ...]:
    """Return the lines that begin what an application keeps, by assertions of how it answers before anything is sent."""
    found = (_KEPT.search(row) for row in rows if is_kept(row))
    lines = (
        f"{each[1]} = {'[]' if each[2] == '[' else '{}'}"
        for each in found
        if each and each[1] not in _TAKEN
    )
    return tuple(dict.fromkeys(lines))


def is_kept(row: str) -> bool:
    """Tell whether an assertion says that what is sent has to be kept: without it, the answer is another one."""
    return asks_application(row) and " != " in row


def asks_application(row: str) -> bool:
    """Tell whether an assertion sends a request to an application."""
    return bool(_CLIENT.search(row))


def sends_something(row: str) -> bool:
    """Tell whether an assertion may change what an application keeps."""
    return asks_application(row) and any(found[1] != "get" for found in _ASKED.finditer(row))


def asked_of_module(source: str, module: str) -> str:
    """Return a test that asks the application of a module, as it is when it is asked: `shop.app`, `shop.create_app()`."""
    for each in FRAMEWORKS:
        own = re.escape(each.client).replace(r"\{\}", rf"({VARIABLE}|{FACTORY}\(\))")
        source = re.sub(rf"(?<![\w.]){own}", each.client.replace("{}", rf"{module}.\1"), source)
    return source
