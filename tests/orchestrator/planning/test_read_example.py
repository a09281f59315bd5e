"""One example, as a person or a host gives it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atos_orchestrator.planning.brief import read_example
from atos_orchestrator.planning.brief.code_names import called_name
from atos_protocol.errors import BadRequestError


@pytest.mark.parametrize(
    ("line", "assertion"),
    [
        ("f(2) == 4", "assert f(2) == 4"),
        ("`f(2)` returns `4`.", "assert f(2) == 4"),
        ("f(2) -> [1, None]", "assert f(2) == [1, None]"),
        ("f('a', n=1) should return 'A'", "assert f('a', n=1) == 'A'"),
        ("f(-1) raises ValueError", "assert raises(ValueError, lambda: f(-1))"),
        (">>> f(2)\n4", "assert f(2) == 4"),
        ("assert f(2) == 4, 'four'", "assert f(2) == 4"),
        ("assert isinstance(f(2), int)", "assert isinstance(f(2), int)"),
        ("assert abs(f(2) - 0.1) < 0.01", "assert abs(f(2) - 0.1) < 0.01"),
        ("s = Stack(); s.push(1); s.pop() == 1", "s = Stack()\ns.push(1)\nassert s.pop() == 1"),
        (
            "with open('a.csv', 'w') as f:\n    f.write('1')\nassert read('a.csv') == [['1']]",
            "with open('a.csv', 'w') as f:\n    f.write('1')\nassert read('a.csv') == [['1']]",
        ),
        (
            "from decimal import Decimal\nassert f('1') == Decimal('1')",
            "from decimal import Decimal\nassert f('1') == Decimal('1')",
        ),
        ("from shop import total\nassert total([]) == 0", "assert total([]) == 0"),
        ("import shop\nassert shop.total([]) == 0", "import shop\nassert shop.total([]) == 0"),
    ],
)
def test_an_example_becomes_an_assertion_and_stays_the_same_from_then_on(
    line: str, assertion: str
) -> None:
    assert read_example(line) == assertion
    assert read_example(assertion) == assertion


@pytest.mark.parametrize(
    "line", ["", "it works", "f(x) == 1", "f(2) is fast", "assert True", "assert f(", "2 + 2 == 4"]
)
def test_what_can_not_be_checked_is_refused_with_what_is_accepted(line: str) -> None:
    with pytest.raises(BadRequestError, match="no example") as refused:
        read_example(line)

    assert refused.value.next_step == (
        "Write a call and its exact value, such as `f(2) == 4`, `f(2) -> 4` or"
        " `f(-1) raises ValueError`; or a full `assert ...`."
    )


def test_an_example_that_is_too_long_is_refused_with_the_numbers() -> None:
    with pytest.raises(BadRequestError, match="has 2510 characters; at most 2000 fit"):
        read_example(f"f('{'a' * 2500}') == 1")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="f(1)=> '[]assert\n;.,\"x-", max_size=40))
def test_any_line_is_refused_or_read_for_good(line: str) -> None:
    try:
        assertion = read_example(line)
    except BadRequestError:
        return
    assert read_example(assertion) == assertion


@pytest.mark.parametrize(
    ("assertion", "name"),
    [
        ("assert f(2) == 4", "f"),
        ("assert len(f(2)) == 4", "f"),
        ("assert raises(ValueError, lambda: f(-1))", "f"),
        ("s = Stack()\nassert s.pop() == 1", "Stack"),
        ("import shop\nassert shop.total([]) == 0", "total"),
        ("assert Color.parse('red') == 1", "Color"),
        ("assert 1 == 1", ""),
        ("no Python", ""),
    ],
)
def test_an_assertion_is_about_what_it_calls(assertion: str, name: str) -> None:
    assert called_name(assertion) == name
