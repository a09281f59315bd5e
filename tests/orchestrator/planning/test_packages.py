"""What code may import, found in its text; and the requirements that a result ends with."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.planning.packages import (
    KNOWN_PACKAGES,
    distribution_of,
    import_fault,
    requirements_text,
    undeclared_imports,
)
from atos_protocol.packages import InstalledPackage, PackagesReport


@pytest.mark.parametrize(
    ("source", "allowed", "own", "undeclared"),
    [
        ("import os, json.decoder\nfrom collections import abc\n", [], [], []),
        ("import flask\nfrom requests import get\n", [], [], ["flask", "requests"]),
        ("import flask\nimport flask.json\n", [], [], ["flask"]),
        ("from flask import Flask\n", ["Flask>=3"], [], []),
        ("import yaml\nfrom bs4 import BeautifulSoup\n", ["PyYAML", "beautifulsoup4"], [], []),
        ("import dateutil.parser\nfrom PIL import Image\n", ["python_dateutil", "Pillow"], [], []),
        ("from werkzeug.security import generate_password_hash\n", ["flask", "werkzeug"], [], []),
        ("import odd_name\n", ["odd.name"], [], []),
        ("import module_of_it\n", ["another-name", "module_of_it"], [], []),
        ("import stack\nfrom shop.cart import Cart\n", [], ["stack", "shop"], []),
        ("from . import part\nfrom .flask import x\n", [], [], []),
        ("import pytest\nfrom __future__ import annotations\n", [], [], []),
        ("def f():\n    import numpy as np\n", [], [], ["numpy"]),
        ("try:\n    import ujson\nexcept ImportError:\n    import json\n", [], [], []),
        ("try:\n    import a\nexcept (KeyError, Exception):\n    import b\n", [], [], ["b"]),
        ("try:\n    import a\nexcept KeyError:\n    pass\n", [], [], ["a"]),
        ("if typing.TYPE_CHECKING:\n    import a\nelse:\n    import b\n", [], [], ["b"]),
        ("import flask\ndef f(:", [], [], []),
    ],
)
def test_imports_that_a_goal_does_not_name(
    source: str, allowed: list[str], own: list[str], undeclared: list[str]
) -> None:
    assert undeclared_imports(source, allowed, own) == undeclared


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["import ", "x", "\n", "from ", ".", " "])).map("".join)
)
def test_any_text_is_judged_and_what_is_found_is_a_name_that_the_text_holds(source: str) -> None:
    for name in undeclared_imports(source, [], []):
        assert name.isidentifier()
        assert undeclared_imports(source, [name], []) != undeclared_imports(source, [], [])
        ast.parse(source)


def test_known_packages_are_named_as_the_index_names_them() -> None:
    wrong = [name for name in KNOWN_PACKAGES.values() if name != name.lower() or "_" in name]
    assert wrong == []
    assert (distribution_of("flask_cors"), distribution_of("sklearn.svm")) == (
        "flask-cors",
        "scikit-learn",
    )


def test_a_fault_is_told_in_the_goals_terms() -> None:
    assert import_fault("app.py", []) == ""
    assert import_fault("app.py", ["flask", "requests"]) == (
        "app.py imports flask, requests, which the goal does not name: use the standard library"
    )


def test_requirements_pin_what_was_installed() -> None:
    flask = InstalledPackage("flask", "3.1.0", "", requested=True)
    jinja = InstalledPackage("jinja2", "3.1.6", "", requested=False)
    report = PackagesReport("ready", (flask, jinja), (), "")
    assert requirements_text(report) == "flask==3.1.0\n\n# needed by these\njinja2==3.1.6\n"
    assert requirements_text(PackagesReport("ready", (), (), "")) == ""
