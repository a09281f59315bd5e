"""Mutants: small faults, each a module that compiles and differs; any source at all is survived."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_orchestrator.debugging.mutants import mutants

MODULE = '''\
"""Doc."""
LIMIT = 3

def median(values: list[float]) -> float:
    """Return the middle of -3 values."""
    if not values:
        raise ValueError('empty')
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2 == 1 and ordered:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2

class Stack:

    def push(self, item: int) -> bool:
        self.items.append(item)
        return True
'''


def changed(mutant: str) -> tuple[str, ...]:
    """Return the lines of a mutant that the module has not."""
    before = ast.unparse(ast.parse(MODULE)).splitlines()
    return tuple(line.strip() for line in mutant.splitlines() if line not in before)


def test_functions_take_turns_and_so_do_the_kinds_of_change() -> None:
    assert [changed(mutant) for mutant in mutants(MODULE, 8)] == [
        ("if len(ordered) % 2 != 1 and ordered:",),
        ("return False",),
        ("pass",),
        ("middle = len(ordered) // 3",),
        ("middle = 2 // len(ordered)",),
        ("if len(ordered) % 2 == 1 or ordered:",),
        ("return None",),
        ("pass",),
    ]


def test_a_guard_is_dropped_as_a_whole() -> None:
    guarded = "def f(n):\n    if n < 0:\n        raise ValueError(n)\n    return n\n"
    assert "def f(n):\n    pass\n    return n\n" in mutants(guarded)


@pytest.mark.parametrize(
    ("source", "mutant"),
    [
        ("def f(a, b): return a - b", "def f(a, b):\n    return b - a\n"),
        ("def f(a, b): return a / b", "def f(a, b):\n    return b / a\n"),
        ("def f(a): return a in 'x'", "def f(a):\n    return a not in 'x'\n"),
        ("def f(): return None", "def f():\n    return 0\n"),
        ("async def f(): return 1", "async def f():\n    return 2\n"),
        ("def f(a):\n    raise a", "def f(a):\n    pass\n"),
    ],
)
def test_each_kind_of_change_is_made(source: str, mutant: str) -> None:
    assert mutant in mutants(source)


def test_there_are_at_most_as_many_as_asked_for_and_always_the_same() -> None:
    assert len(mutants(MODULE)) == 6
    assert mutants(MODULE, 3) == mutants(MODULE)[:3]
    assert mutants(MODULE, 0) == ()


@pytest.mark.parametrize(
    "source",
    [
        "def f(:",
        "x = 1",
        "return 1",
        "def f(): pass",
        "def f(): return " + "(" * 150 + "1" + ")" * 150 + "\0",
        "def f(): return " + "-" * 5000 + "1",
        "def f(): return " + "+".join(["1"] * 5000),
        "def f(): return x" + ".a" * 5000,
        "#" * 70_000 + "\ndef f(): return 1",
    ],
    ids=range(9),
)
def test_what_has_no_mutants_has_none(source: str) -> None:
    assert mutants(source) == ()


LINES = st.sampled_from(
    [
        "def f(a):", "class C:", "    def g(self): return 1", "    return a - 1", "    if a > 1:",
        "        raise ValueError", "    x = [a < b for a in c if a and b]", "    return", "x = 1",
        "    for i in a:", "        yield i / 2", "    while True: break", "async def h():",
        "    with a as b: raise b", "    match a:", "        case [1, -2] | {'k': 3}: return True",
        "    return f'{a - 1!r:>{2}}'", "    lambda: a == 1", "    nonlocal a", "    try: raise",
        "    except* E: pass", "@d(1 - 2)", "    del a, b", "    global x", "    assert a != b, 'c'",
    ]
)  # fmt: skip


@given(st.lists(LINES, max_size=12).map("\n".join) | st.text(max_size=200))
def test_any_source_is_survived_and_mutants_compile_and_differ(source: str) -> None:
    found = mutants(source)
    assert len(found) == len(set(found)) <= 6
    for mutant in found:
        compile(mutant, "<mutant>", "exec")
        assert ast.dump(ast.parse(mutant)) != ast.dump(ast.parse(source))
