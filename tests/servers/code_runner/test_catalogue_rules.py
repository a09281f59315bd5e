"""The rules for catalogue code, as text in and faults out."""

import pytest

from atos_servers.code_runner.sandbox import catalogue_rules

MODULES = frozenset({"impl", "words"})

ALLOWED = {
    "a function": "def add(a, b):\n    return a + b\n",
    "a constant and a docstring": '"""Text."""\nLIMIT = 3\n',
    "loops and comprehensions": "def f(x):\n    return [y for y in x if y] or {1: 2}\n",
    "exceptions": "def f(x):\n    try:\n        return 1 / x\n    except ZeroDivisionError:\n        raise ValueError('no')\n",
    "a sibling": "from words import count\n\ndef f(x):\n    return count(x)\n",
    "asking for a type": "def f(x):\n    return type(x) is int\n",
    "format on a literal": "def f(x):\n    return '{:.2f}'.format(x)\n",
    "a lambda": "def f(x):\n    return sorted(x, key=lambda y: -y)\n",
}
REFUSED = {
    "import": "import os\n",
    "import from": "from os import path\n",
    "import inside": "def f():\n    import os\n",
    "relative import": "from . import words\n",
    "star": "from words import *\n",
    "open": "def f():\n    return open('/etc/passwd')\n",
    "exec": "def f():\n    exec('1')\n",
    "alias of eval": "e = eval\n",
    "getattr": "def f(x):\n    return getattr(x, 'y')\n",
    "dunder attribute": "def f(x):\n    return x.__class__\n",
    "private attribute": "def f(x):\n    return x._hidden\n",
    "dunder name": "def f():\n    return __builtins__\n",
    "dunder in a text": "X = '__class__'\n",
    "dunder in an f-string": "def f(x):\n    return f'{x.__class__}'\n",
    "format on a name": "def f(x):\n    return x.format(x)\n",
    "format_map": "def f(x):\n    return '{a.b}'.format_map(x)\n",
    "frames of a generator": "def f(x):\n    return (y for y in x).gi_frame\n",
    "a traceback": "def f(e):\n    return e.tb_frame\n",
    "pattern on a dunder": "def f(x):\n    match x:\n        case int(__class__=c):\n            return c\n",
    "keyword with dunder": "def f(x):\n    return x(__class__=1)\n",
    "a class": "class A:\n    pass\n",
    "a class made by type": "A = type('A', (), {})\n",
    "a decorator": "@print\ndef f():\n    pass\n",
    "async": "async def f():\n    pass\n",
    "yield": "def f():\n    yield 1\n",
    "global": "def f():\n    global x\n    x = 1\n",
    "code at the top": "for i in range(3):\n    pass\n",
    "a call at the top": "print('hi')\n",
    "not Python": "def f(:\n",
    "a NUL": "x = 1\0",
    "too deep": "x = " + "(" * 5000 + ")" * 5000,
}


@pytest.mark.parametrize("name", ALLOWED)
def test_plain_code_is_allowed(name: str) -> None:
    assert catalogue_rules.code_violations(ALLOWED[name], "impl.py", MODULES) == []


@pytest.mark.parametrize("name", REFUSED)
def test_code_that_reaches_further_is_refused(name: str) -> None:
    assert catalogue_rules.code_violations(REFUSED[name], "impl.py", MODULES)


def test_a_violation_names_its_line() -> None:
    text = "def f():\n    return open('x')\n"
    assert catalogue_rules.code_violations(text, "impl.py", MODULES) == [
        "impl.py:2: the name open is not allowed"
    ]


TESTS_ALLOWED = {
    "plain": "from impl import f\n\ndef test_f():\n    assert f(1) == 2\n",
    "raises": "import pytest\nfrom impl import f\n\ndef test_f():\n    with pytest.raises(ValueError):\n        f(1)\n",
    "approx": "from pytest import approx\n\ndef test_f():\n    assert 0.1 + 0.2 == approx(0.3)\n",
    "cases": "import pytest\n\n@pytest.mark.parametrize('a, b', [(1, 2)])\ndef test_f(a, b):\n    assert a < b\n",
}
TESTS_REFUSED = {
    "a fixture": "def test_f(tmp_path):\n    pass\n",
    "another mark": "import pytest\n\n@pytest.mark.skip\ndef test_f():\n    pass\n",
    "exit": "import pytest\n\ndef test_f():\n    pytest.exit('done')\n",
    "an alias": "import pytest as p\n\ndef test_f():\n    p.exit('done')\n",
    "a copy": "import pytest\np = pytest\n",
    "another part": "from pytest import main\n",
    "a fixture definition": "import pytest\n\n@pytest.fixture\ndef f():\n    pass\n",
    "sys": "import sys\n",
    "reaching the reporter": "import pytest\n\ndef test_f():\n    pytest.raises.__globals__\n",
}


@pytest.mark.parametrize("name", TESTS_ALLOWED)
def test_plain_tests_are_allowed(name: str) -> None:
    assert catalogue_rules.test_violations(TESTS_ALLOWED[name], "test_impl.py", MODULES) == []


@pytest.mark.parametrize("name", TESTS_REFUSED)
def test_tests_that_could_touch_the_report_are_refused(name: str) -> None:
    assert catalogue_rules.test_violations(TESTS_REFUSED[name], "test_impl.py", MODULES)
