"""What nobody asked for is taken away; what the module needs stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.debugging.unasked_code import without_unasked_code

DEMONSTRATED = '''"""Doc."""
import numpy as np
import os
from pandas import DataFrame, Series


def f(x):
    return os.path.join(x, "a")


def check():
    assert f("a")


check()
assert f("b") == "b/a"
print(
    f("c"),
)
if __name__ == "__main__":
    print(f("d"))
'''


def test_unused_packages_and_demonstrations_go() -> None:
    assert without_unasked_code(DEMONSTRATED, functions_only=True) == (
        '"""Doc."""\nimport os\n\n\ndef f(x):\n    return os.path.join(x, "a")\n\n\n'
        'def check():\n    assert f("a")\n'
    )


def test_a_module_that_may_be_a_script_keeps_what_it_does() -> None:
    kept = without_unasked_code(DEMONSTRATED, functions_only=False)
    assert "print(" in kept
    assert "numpy" not in kept


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\n\n\ndef f(x):\n    return np.sum(x)\n",
        "import numpy; x = 1\n",
        "from stack import Stack\n\n\ndef f():\n    return Stack()\n",
        "from stack import *\n\n\ndef f():\n    return 1\n",
        "import re\n\n\ndef f():\n    return 1\n",
        "print(1)\n",
        "import sys\n\nsys.setrecursionlimit(9999)\nTABLE = {}\nTABLE.update(a=1)\n",
        "def broken(",
        "",
    ],
)
def test_what_is_needed_or_can_not_be_read_stays(source: str) -> None:
    assert without_unasked_code(source, functions_only=True) == source


@given(st.text(max_size=200))
def test_nothing_makes_it_raise(source: str) -> None:
    assert isinstance(without_unasked_code(source, functions_only=True), str)
