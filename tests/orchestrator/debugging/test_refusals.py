"""A check in front of a function: what is taken of a model's reply, and where it is put."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_orchestrator.debugging.assertions import Assertion
from atos_orchestrator.debugging.facts import Facts
from atos_orchestrator.debugging.moves import Move, with_untested
from atos_orchestrator.debugging.refusals import parameters, unconfirmed, with_check
from atos_orchestrator.debugging.selection import Column
from atos_orchestrator.debugging.sources import parse_source
from atos_orchestrator.debugging.state import Candidate

MODULE = '''"""Money."""


LIMIT = 9


@cached
def pay(cents, *, tip=0):
    """Return what is paid."""
    return cents + tip
'''
CLAUSE = "negative cents raise ValueError"


def test_the_check_stands_above_the_function_and_is_called_first() -> None:
    reply = "def check_pay(cents, tip):\n    if cents < 0:\n        raise ValueError(cents)\n    return None\n"

    assert with_check(MODULE, "pay", reply, "ValueError", CLAUSE) == snapshot('''\
"""Money."""


LIMIT = 9


def _check_pay(cents, tip):
    # negative cents raise ValueError
    if cents < 0:
        raise ValueError(cents)


@cached
def pay(cents, *, tip=0):
    """Return what is paid."""
    _check_pay(cents, tip)
    return cents + tip
''')


def test_what_a_check_returns_is_not_looked_at() -> None:
    reply = "def check_pay(cents, tip):\n    if cents > 0:\n        return cents / 100\n    raise ValueError\n"

    made = with_check(MODULE, "pay", reply, "ValueError", CLAUSE)

    assert made is not None
    assert "        return\n    raise ValueError\n" in made


def test_a_second_check_gets_a_name_of_its_own() -> None:
    reply = "def check_pay(cents, tip):\n    if cents < 0:\n        raise ValueError\n"
    once = with_check(MODULE, "pay", reply, "ValueError", CLAUSE) or ""

    twice = with_check(
        once, "pay", reply, "ValueError", "cents that are no number raise ValueError"
    )

    assert twice is not None
    assert twice.index("_check_pay_2(cents, tip)\n    _check_pay(cents, tip)") > 0


def test_the_lines_of_a_reply_that_was_cut_off_are_left_out() -> None:
    reply = "def check_pay(cents, tip):\n    if cents < 0:\n        raise ValueError\n    if cents == 'a' and"

    made = with_check(MODULE, "pay", reply, "ValueError", CLAUSE)

    assert made is not None
    assert "'a'" not in made


@pytest.mark.parametrize(
    "reply",
    [
        "I can't.",
        "def check_pay(cents, tip):\n    pass\n",
        "def check_pay(cents, tip):\n    raise KeyError\n",
        "def check_pay(cents, tip):\n    pay(cents)\n    raise ValueError\n",
    ],
    ids=["no code", "refuses nothing", "another error", "calls what it checks"],
)
def test_a_reply_that_can_not_refuse_is_no_check(reply: str) -> None:
    assert with_check(MODULE, "pay", reply, "ValueError", CLAUSE) is None


@pytest.mark.parametrize(
    "text",
    [
        "def f(*a):\n    return a\n",
        "def f(**a):\n    return a\n",
        "def f():\n    return 1\n",
        "def f(a): return a\n",
        "def f(a):\n    yield a\n",
        "def g(a):\n    return a\n",
        "def f(a:\n",
    ],
)
def test_a_function_that_a_check_does_not_fit_gets_none(text: str) -> None:
    assert parameters(text, "f") is None


SOURCES = st.sampled_from(
    [
        MODULE,
        "def f(a):\n    '''x\n    y'''\n    return a\n",
        "def f(a, b=1):\n\n    return a\n",
        "",
        "def f(a",
    ]
) | st.text(max_size=60)
REPLIES = st.sampled_from(
    [
        "def check(a):\n    raise ValueError\n",
        "def check(a):\n    if a:\n        raise ValueError('\\n')\n",
    ]
) | st.text(max_size=60)


@given(SOURCES, REPLIES)
def test_whatever_is_written_the_result_is_python_or_nothing(text: str, reply: str) -> None:
    for name in ("f", "pay"):
        made = with_check(text, name, reply, "ValueError", CLAUSE)
        assert made is None or parse_source(made) is not None


LONE = "a letter without a number raises ValueError"
EXAMPLE = Assertion('assert decode("x2y10") == "xxyyyyyyyyyy"', "example")


def error_row(call: str) -> Assertion:
    return Assertion(f"assert raises(ValueError, lambda: {call})", "error", LONE, "decode")


@pytest.mark.parametrize(
    ("call", "others", "held_up"),
    [
        ("decode('ab')", "--", True),
        ("decode('x2y100')", "--", False),
        ("decode('x2y100')", "-+", False),
        ("decode('x2y100')", "++", True),
    ],
    ids=["nobody sees it", "it looks valid", "one that refuses everything", "somebody sees it"],
)
def test_a_row_that_looks_like_an_example_counts_only_where_good_code_meets_it(
    call: str, others: str, held_up: bool
) -> None:
    """What the other candidate does with the example and with the row about the error: `+` passes."""
    rows, required = (EXAMPLE, error_row(call)), frozenset(((LONE, "decode"),))
    outcomes = tuple("pass" if mark == "+" else "fail" for mark in others)
    columns = Column(("pass", "fail")), Column(outcomes)
    facts = Facts((Candidate({"a.py": "1"}),) * 2, rows, columns, weak=False)

    assert unconfirmed(facts, 0, required) == ([1] if held_up else [])


BOTH = "in both, a pair whose end is before its start raises ValueError"


@pytest.mark.parametrize(
    ("errors", "required", "tested", "said"),
    [
        (
            [(BOTH, "merge"), (BOTH, "covered")],
            [(BOTH, "merge"), (BOTH, "covered")],
            "covered",
            "1",
        ),
        ([(BOTH, "merge"), (BOTH, "covered")], [(BOTH, "covered")], "covered", ""),
        ([(BOTH, "merge"), (BOTH, "covered")], [(BOTH, "merge")], "", "1"),
        ([(BOTH, ""), (LONE, "decode")], [(BOTH, ""), (LONE, "decode")], "merge", "1"),
        ([(BOTH, ""), (LONE, "decode")], [], "", "2"),
    ],
    ids=["of two", "perhaps of two", "no row", "of whatever it is", "two clauses"],
)
def test_evidence_says_of_how_many_errors_there_is_no_row(
    errors: list[tuple[str, str]], required: list[tuple[str, str]], tested: str, said: str
) -> None:
    rows = (Assertion("assert raises(ValueError, lambda: f())", "error", BOTH, tested),)
    facts = Facts((), rows if tested else (), (), weak=False)
    move = with_untested(
        Move("test", 0, "examples", "3 of 3 examples"),
        facts,
        frozenset(errors),
        frozenset(required),
    )

    errors_said = "1 stated error" if said == "1" else f"{said} stated errors"
    assert move.evidence == "3 of 3 examples" + (f", {errors_said} untested" if said else "")


@pytest.mark.parametrize("comes_back", [True, False])
def test_what_no_longer_comes_back_is_no_error_that_is_only_added(*, comes_back: bool) -> None:
    """Written anew for its clause, `decode` refuses one text more; that may be what `encode` gives."""
    trip = Assertion("assert decode(encode('')) == ''", "round_trip", about="decode")
    before = Column(("pass", "fail", "pass"), ("= ''", "= 'aa'"))
    after = Column(
        ("pass", "pass", "pass" if comes_back else "error: ValueError"),
        ("raised: ValueError", "= 'aa'"),
    )
    facts = Facts(
        (Candidate({"a.py": "1"}),) * 2,
        (EXAMPLE, error_row("decode('ab')"), trip),
        (before, after),
        weak=False,
        calls=("decode('')", "decode('a2')"),
    )

    assert facts.only_adds(1, 0) is comes_back
    assert not facts.only_adds(0, 1)
