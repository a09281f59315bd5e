"""A function that counts in a name from around it gets the declaration that it lacks."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.debugging.missing_declarations import with_missing_declarations


@pytest.mark.parametrize(
    ("source", "declared"),
    [
        ("n = 1\ndef f():\n    n += 1\n    return n\n", "    global n\n"),
        ("n = 1\ndef f():\n    n = n + 1\n    return n\n", "    global n\n"),
        ('n = 1\ndef f():\n    """Doc."""\n    n += 1\n', "    global n\n"),
        ("n = m = 1\nasync def f():\n    m += 1\n    n += 1\n", "    global m, n\n"),
        ("def f():\n    n = 0\n    def g():\n        n += 1\n        return n\n    return g\n", "        nonlocal n\n"),
        ("n = 1\ndef f():\n    def g():\n        n += 1\n    return g\n", "        global n\n"),
        ("n = 1\ndef f():\n    global n\n    n = 2\n    def g():\n        n += 1\n    g()\n", "        global n\n"),
        ("n = 1\nclass C:\n    def f(self):\n        if self:\n            n += 1\n", "        global n\n"),
        ("n = 1\ndef f():\n    @str\n    def g(): pass\n    n += 1\n", "    global n\n"),
    ],
)  # fmt: skip
def test_what_a_function_counts_in_is_declared(source: str, declared: str) -> None:
    whole = with_missing_declarations(source)

    assert whole.replace(declared, "", 1) == source
    compile(whole, "<module>", "exec")
    assert with_missing_declarations(whole) == whole


@pytest.mark.parametrize(
    "source",
    [
        "n = 1\ndef f(n):\n    n += 1\n    return n\n",
        "n = 1\ndef f():\n    n = 0\n    n += 1\n    return n\n",
        "n = 1\ndef f():\n    global n\n    n += 1\n",
        "n = 1\ndef f():\n    for n in range(3):\n        n += 1\n",
        "def f():\n    n += 1\n",  # nobody binds it: an error that a declaration does not mend
        "n = 1\ndef f():\n    return [n + 1 for n in range(3)]\n",
        "n = 1\ndef f(): n += 1\n",
        "n = [1]\ndef f():\n    n[0] += 1\n",
        "class C:\n    n = 1\n    def f(self):\n        n += 1\n",
        "n = 1\ndef f(",
    ],
)
def test_a_function_that_lacks_none_stays_as_it_is(source: str) -> None:
    assert with_missing_declarations(source) == source


def test_a_counter_of_an_application_counts() -> None:
    source = "number = 0\n\n\ndef count():\n    number += 1\n    return number\n"
    space: dict[str, object] = {}
    exec(with_missing_declarations(source), space)  # noqa: S102 - the test's own source
    assert eval("(count(), count())", space) == (1, 2)


@given(st.text(alphabet="def nm():=+1 \n", max_size=120))
def test_whatever_parses_parses_afterwards(text: str) -> None:
    whole = with_missing_declarations(text)
    try:
        compile(text, "<module>", "exec")
    except (SyntaxError, ValueError):
        return
    ast.parse(whole)
