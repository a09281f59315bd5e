"""How assertions compare, how values look, and how reports of several runs become one; all pure."""

import math
import sys
from collections import OrderedDict, deque
from types import ModuleType
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_protocol.verdicts import CandidateOutcome
from atos_servers.code_runner.evaluation_report import Report, fitted
from atos_servers.code_runner.sandbox.assertion import (
    names_of,
    prepared_assertion,
    prepared_call,
    space_of,
)
from atos_servers.code_runner.sandbox.canonical import canonical, cut, described, printable
from atos_servers.code_runner.sandbox.comparison import close


class Pair(NamedTuple):
    a: float
    b: float


OUTCOMES = {
    "assert 0.1 + 0.2 == 0.3": "pass",
    "assert 0.1 + 0.2 != 0.3": "fail: 0.3 == 0.3",
    "assert [1, (0.1 + 0.2,), {'a': 0.3}] == [1, (0.3,), {'a': 0.1 + 0.2}]": "pass",
    "assert all(x == y for x, y in [(0.1 + 0.2, 0.3)])": "pass",
    "assert 1.0 == True": "pass",
    "assert 1.0000000001 == True": "fail: 1 != True",
    "assert 10**400 == 1.0": f"fail: {cut('1' + '0' * 400, 50)} != 1",
    "assert [1.5] == (1.5,)": "fail: [1.5] != (1.5,)",
    "assert 'a' == 'b'": "fail: 'a' != 'b'",
    "assert 3 < 2": "fail",
    "assert 1 == 2 or 2 > 3, 'said'": "fail: 1 != 2",
    "assert False, 'said\\nso'": "fail: said so",
    "x = 1 == 2\nassert not x\nassert x": "fail",
    "assert 1 == 2 or True\nassert False": "fail",
    "assert raises(ValueError, lambda: int('x'))": "pass",
    "assert raises((KeyError, ValueError), int, 'x')": "pass",
    "assert raises(ValueError, int, 'x', match='invalid')": "pass",
    "assert raises(Exception, lambda: int('x'))": "pass",
    "assert raises(ValueError, lambda: 1)": "fail: ValueError was not raised",
    "assert not raises(ValueError, lambda: 1)": "pass",
    "assert raises(KeyError, lambda: int('x'))": (
        "fail: raised ValueError: invalid literal for int() with base 10: 'x'"
    ),
    "raises(KeyError, lambda: int('x'))": (
        "fail: raised ValueError: invalid literal for int() with base 10: 'x'"
    ),
    "with raises(ValueError): int('x')": "pass",
    "with raises(ValueError): pass": "fail: ValueError was not raised",
    "with raises(ValueError, match='none'): int('x')": (
        "fail: the message does not match: ValueError: invalid literal for int() with base 10: 'x'"
    ),
    "with pytest.raises(ValueError) as info:\n    int('x')\nassert 'int' in str(info.value)": "pass",
    "assert 2.0000001 == pytest.approx(2.0)": "pass",
    "assert nothing": "error: NameError: name 'nothing' is not defined",
    "assert (": "error: SyntaxError: '(' was never closed (<unknown>, line 1)",
    "raise SystemExit": "error: SystemExit",
    "assert float('nan') != float('nan')": "pass",
}


@pytest.mark.parametrize("text", OUTCOMES)
def test_an_assertion_has_one_of_the_known_outcomes(text: str) -> None:
    assert prepared_assertion(text)(space_of({})) == OUTCOMES[text]


VALUES = {
    "1 + 1": "= 2",
    "x = [3]\nx.append(1)\nx": "= [3, 1]",
    "x = 3": "= None",
    "": "= None",
    "1 / 0": "error: ZeroDivisionError: division by zero",
    "return 1": "error: SyntaxError: 'return' outside function (<call>, line 1)",
    "'a\\n\\x1b[0m\\ud800'": "= 'a\\n\\x1b[0m\\ud800'",
}


@pytest.mark.parametrize("text", VALUES)
def test_a_call_shows_its_value_or_its_error(text: str) -> None:
    assert prepared_call(text)(space_of({})) == VALUES[text]


def test_a_call_of_a_broken_object_is_an_error() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise LookupError("no")

    assert prepared_call("it")(space_of({"it": Broken()})) == "error: LookupError: no"


EQUALS: list[tuple[object, object]] = [
    (0.1 + 0.2, 0.3),
    (-0.0, 0.0),
    (2.0, 2),
    (1.9999999999999998, 2),
    ({"mean": [-3.0, 0.0]}, {"mean": [-3, 0]}),
    ({"b": 1, "a": 2}, OrderedDict[str, int](a=2, b=1)),
    ({3, 1, 2}, frozenset([2, 3, 1])),
    ((1.0, 2.0), Pair(1.0, 2.0)),
    ([{1.1 + 2.2}], [{3.3}]),
]


@pytest.mark.parametrize(("one", "other"), EQUALS, ids=str)
def test_what_is_equal_looks_equal(one: object, other: object) -> None:
    assert canonical(one) == canonical(other)


def test_values_look_as_they_do_in_python_and_objects_as_their_type() -> None:
    looks: list[object] = [
        list[int](),
        (1,),
        set[int](),
        {"a": (1, "x")},
        object(),
        deque([object()]),
        len,
        1e300,
        2.5,
        1e15,
        math.inf,
        True,
    ]
    assert [canonical(value) for value in looks] == [
        "[]", "(1,)", "set()", "{'a': (1, 'x')}", "<object>", "<deque>",
        "<built-in function len>", "1e+300", "2.5", "1000000000000000.0", "inf", "True",
    ]  # fmt: skip
    nested: list[Any] = []
    nested.append(nested)
    assert canonical(nested) == "[" * 61 + "<nested too deeply>" + "]" * 61


def test_a_text_that_is_cut_still_tells_from_another() -> None:
    assert len(cut("x" * 400, 300)) == 300
    assert cut("x" * 400, 300) != cut("x" * 399 + "y", 300)
    assert cut("x" * 300, 300) == "x" * 300


def test_errors_are_one_short_printable_line() -> None:
    error = type("X" * 500, (Exception,), {})("\x1b[31m\n" * 500)
    text = described(error)
    assert text.isprintable()
    assert len(text) == 120


@given(st.text())
def test_printable_text_is_printable_and_as_long(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9)


@given(st.recursive(NUMBERS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_rounding_is_forgiven_at_any_depth(value: Any) -> None:
    def rounded(each: Any) -> Any:
        if isinstance(each, float):
            return math.nextafter(each, math.inf)
        if isinstance(each, dict):
            pairs = cast("dict[str, Any]", each)
            return {key: rounded(item) for key, item in pairs.items()}
        return [rounded(item) for item in each]

    assert value == rounded(value) or close(value, rounded(value))


def test_the_names_of_modules_are_their_public_ones_and_their_own() -> None:
    one, two = ModuleType("one"), ModuleType("two")
    vars(one).update(a=1, two="hides the module", _b=2)
    vars(two).update(a=3, c=4)
    found = names_of({"one": one, "two": two})
    assert found == {"one": one, "two": "hides the module", "a": 3, "c": 4}
    assert names_of({"os.path": sys.modules["os.path"]})["os"] is sys.modules["os"]


def test_a_run_that_ends_early_is_charged_to_the_candidate_that_was_evaluated() -> None:
    report = Report(candidates=4, assertions=1, calls=1)
    report.add(
        [
            {"event": "started"},
            {"event": "load", "candidate": 0, "why": "NameError: x"},
            {"event": "load", "candidate": 1, "why": ""},
            {"event": "cell", "candidate": 1, "why": "pass"},
        ]
    )
    assert report.left == [1, 2, 3]
    report.blame("too much memory")
    assert report.left == [2, 3]
    report.blame("killed")
    assert report.left == [3]
    assert report.outcomes() == (
        CandidateOutcome("NameError: x", ("error: not loaded",), ("error: not loaded",)),
        CandidateOutcome("", ("pass",), ("error: the run ended: too much memory",)),
        CandidateOutcome("the run ended: killed", ("error: not loaded",), ("error: not loaded",)),
        CandidateOutcome("timeout", ("error: not loaded",), ("error: not loaded",)),
    )


def test_what_did_not_run_in_time_is_a_timeout() -> None:
    report = Report(candidates=1, assertions=2, calls=1)
    report.add([{"event": "load", "candidate": 0, "why": ""}])
    report.add([{"event": "cell", "candidate": 0, "why": "fail"}])
    assert report.outcomes() == (CandidateOutcome("", ("fail", "timeout"), ("timeout",)),)


def test_messages_are_shortened_before_values() -> None:
    short = CandidateOutcome("", ("fail: 1 != 2", "pass"), ("= 1", "error: KeyError: 'a'"))
    assert fitted([short]) == (short,)
    long = CandidateOutcome("", ("fail: " + "é" * 100,) * 80, ("= " + "v" * 298,) * 60)
    (once,) = fitted([long])
    assert once.values == long.values
    assert once.rows == ("fail: " + cut("é" * 100, 60),) * 80
    (many, *_rest) = fitted([long] * 12)
    assert many.rows == ("fail",) * 80
    assert many.values == (cut(long.values[0], 24),) * 60
