"""Modules taken apart and put together: what a function needs comes along, and nothing changes its meaning."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.debugging.module_parts import combined, without_functions

ONE = '''"""Numbers."""

import math


def area(r):
    return math.pi * r * r


def twice(x):
    return x + 1
'''
OTHER = '''from functools import lru_cache
import re

FACTOR = 2


def _times(x):
    return x * FACTOR


def area(r):
    return 3 * r


@lru_cache
def twice(x):
    """Double it."""
    return _times(x)
'''


def run(text: str | None) -> dict[str, Any]:
    assert text is not None
    names: dict[str, Any] = {}
    exec(compile(text, "combined", "exec"), names)  # noqa: S102
    return names


def test_a_function_comes_with_the_helpers_constants_and_imports_that_it_needs() -> None:
    assert combined({"area": ONE, "twice": OTHER}) == (
        '"""Numbers."""\n'
        "from functools import lru_cache\n"
        "\n"
        "import math\n"
        "\n"
        "\n"
        "def area(r):\n"
        "    return math.pi * r * r\n"
        "\n"
        "\n"
        "FACTOR = 2\n"
        "\n"
        "\n"
        "def _times(x):\n"
        "    return x * FACTOR\n"
        "\n"
        "\n"
        "@lru_cache\n"
        "def twice(x):\n"
        '    """Double it."""\n'
        "    return _times(x)\n"
    )


def test_one_module_stays_as_it_is() -> None:
    assert combined({"area": ONE, "twice": ONE}) == ONE


def test_names_that_mean_different_things_do_not_fit_together() -> None:
    theirs = (
        "FACTOR = 3\n\n\ndef area(r):\n    return r * FACTOR\n\n\ndef twice(x):\n    return x\n"
    )
    assert combined({"area": theirs, "twice": OTHER}) is None


def test_the_same_helper_and_the_same_import_are_there_once() -> None:
    ours = OTHER.replace("3 * r", "math.pi * r").replace("import re", "import math")
    whole = combined({"area": ours, "twice": OTHER})
    assert whole is not None
    assert (whole.count("def _times"), whole.count("import lru_cache")) == (1, 1)
    assert run(whole)["twice"](4) == 8


def test_functions_call_the_other_functions_of_the_new_module() -> None:
    calls = "def area(r):\n    return 0\n\n\ndef twice(x):\n    return 2 * area(x)\n"
    assert run(combined({"area": ONE, "twice": calls}))["twice"](1) > 6


def test_what_can_not_be_read_or_lacks_a_function_gives_nothing() -> None:
    assert combined({"area": ONE, "twice": "def twice(x\n"}) is None
    assert combined({"area": ONE, "third": OTHER}) is None
    assert combined({"area": "x = 1\n", "twice": "x = 1\n"}) is None


def test_functions_are_taken_out_with_their_decorators() -> None:
    assert without_functions(OTHER, ["twice", "area"]).endswith("return x * FACTOR")
    assert without_functions("def broken(", ["broken"]) == "def broken("


FUNCTIONS = ("f", "g", "h")


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=4), st.data()
)
def test_each_function_does_in_the_new_module_what_it_did_in_its_own(
    values: list[list[int]], data: st.DataObject
) -> None:
    modules = [
        "import math\n\n"
        + "\n\n".join(
            f"def _{name}{value}():\n    return {value}\n\n\ndef {name}():\n    return _{name}{value}()\n"
            for name, value in zip(FUNCTIONS, row, strict=True)
        )
        for row in values
    ]
    picks = [data.draw(st.integers(0, len(values) - 1)) for _ in FUNCTIONS]
    names = run(combined({name: modules[at] for name, at in zip(FUNCTIONS, picks, strict=True)}))
    assert [names[name]() for name in FUNCTIONS] == [
        values[at][place] for place, at in enumerate(picks)
    ]
