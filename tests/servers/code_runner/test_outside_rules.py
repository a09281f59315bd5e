"""Which test files can be judged from outside of the code's process."""

import pytest

from atos_servers.code_runner.sandbox.outside_rules import why_not

MODULES = frozenset({"impl", "pkg", "pkg.part", "calendar"})

CAN = {
    "values": "from impl import f\ndef test_f():\n    assert f(1) == [2, {'a': (3.5, None)}]\n",
    "star, raises and approx": "import pytest\nfrom impl import *\ndef test_f():\n"
    "    assert f(1) == pytest.approx(2.5)\n    with pytest.raises(ValueError, match='x'):\n"
    "        f(-1)\n",
    "parametrize and a fixture of its own": "import pytest\nfrom pkg.part import Stack\n"
    "@pytest.fixture\ndef stack():\n    return Stack()\n"
    "@pytest.mark.parametrize('n, m', [(1, 2)])\ndef test_s(stack, n, m):\n"
    "    stack.push(n)\n    assert stack._items == [n]\n",
    "a test class": "import pkg\nclass TestIt:\n    def setup_method(self):\n        self.x = pkg.make()\n"
    "    def test_it(self):\n        assert self.x.y == 1\n",
    "unittest": "import unittest\nfrom impl import f\nclass It(unittest.TestCase):\n"
    "    def test_it(self):\n        self.assertEqual(f(1), 2)\n"
    "if __name__ == '__main__':\n    unittest.main()\n",
    "files of its own": "from impl import f\ndef test_f(tmp_path, monkeypatch, capsys):\n"
    "    monkeypatch.chdir(tmp_path)\n    open('a.txt', 'w').write('x')\n    f('a.txt')\n"
    "    assert capsys.readouterr().out == 'x'\n    assert (tmp_path / 'b').read_text() == 'y'\n",
    "type and None": "from impl import f\ndef test_f():\n    assert type(f(1)) is int\n    assert f(0) is None\n",
}
CAN_NOT = {
    "another import": ("import subprocess\n", "line 1: it imports subprocess"),
    "mock": ("from unittest import mock\n", "line 1: it imports more than TestCase of unittest"),
    "a module that shadows": ("import calendar\nfrom calendar import month\n", ""),
    "a helper that is not there": ("import helpers\n", "line 1: it imports helpers"),
    "patching": (
        "import impl\ndef test_f(monkeypatch):\n    monkeypatch.setattr(impl, 'x', 1)\n",
        "line 3: monkeypatch.setattr",
    ),
    "a changed module": ("import math\nmath.isclose = None\n", "line 2: it changes math"),
    "a changed pytest": ("import pytest\npytest.approx = 1\n", "line 2: it changes pytest"),
    "pytest's inside": ("import pytest\npytest.Item\n", "line 2: pytest.Item"),
    "identity": ("from impl import f\nassert f(1) is f(1)\n", "line 2: a comparison with `is`"),
    "types of objects": (
        "from impl import f\nassert type(f(1)) == type(f(2))\n",
        "line 2: type, but in a comparison with a built-in one",
    ),
    "a class of its own": ("class Fake:\n    pass\n", "line 1: the class Fake"),
    "async": ("async def test_f():\n    pass\n", "line 1: an async function"),
    "getattr": ("getattr(1, 'x')\n", "line 1: the name getattr"),
    "dunders": ("''.__class__\n", "line 1: the attribute __class__"),
    "another fixture": ("def test_f(request):\n    pass\n", "line 1: the fixture request"),
    "another decorator": (
        "from impl import d\n@d\ndef test_f():\n    pass\n",
        "line 3: the decorator d",
    ),
    "a file elsewhere": (
        "open('/proc/self/mem')\n",
        "line 1: open of another file than one of its own",
    ),
    "hooks of the code": (
        "from impl import setup_module\n",
        "line 1: it imports what pytest would run",
    ),
    "no Python": ("def", "it can't be parsed"),
}


@pytest.mark.parametrize("name", CAN)
def test_tests_that_need_nothing_but_values_are_judged_from_outside(name: str) -> None:
    assert why_not(CAN[name], MODULES) == ""


@pytest.mark.parametrize("name", CAN_NOT)
def test_tests_that_need_the_code_in_their_process_are_not(name: str) -> None:
    text, why = CAN_NOT[name]
    if name == "a module that shadows":  # the standard library's is imported, and it is trusted
        assert why_not("import calendar\n", MODULES) == ""
        return
    assert why_not(text, MODULES) == why
