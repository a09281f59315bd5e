"""Calls that show whether a function leaves its arguments alone."""

import pytest
from inline_snapshot import snapshot

from atos_orchestrator.debugging.argument_probes import argument_probes, is_probe, is_spared


def test_each_function_is_called_once_with_its_longest_collection() -> None:
    calls = [
        "f([3, 1])",
        "f([3, 1, 2], reverse=True)",
        "g(1, {'a': 1})",
        "h('text')",
        "s = [1]\nf(s)",
    ]

    probes = argument_probes(calls)

    assert probes == snapshot(
        [
            "argument = [3, 1, 2]\nf(argument, reverse=True)\nargument",
            "argument = {'a': 1}\ng(1, argument)\nargument",
        ]
    )
    assert all(map(is_probe, probes))
    assert not any(map(is_probe, calls))


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        ("f([1, 2, 3])", "[3, 2, 1]"),
        ("f([2, 1, 3])", "[2, 1, 3]"),
        ("f([1, 'a'])", "[1, 'a']"),
        ("f([1, x])", "[1, x]"),
    ],
)
def test_a_list_that_is_in_order_is_turned_round(call: str, asked: str) -> None:
    assert argument_probes([call]) == [f"argument = {asked}\nf(argument)\nargument"]


@pytest.mark.parametrize(
    ("value", "spared"),
    [
        ("= [3, 1.0]", True),
        ("= [1, 3]", False),
        ("error: ValueError: empty", True),
        ("timeout", True),
        ("= <cut", True),
    ],
)
def test_an_argument_is_spared_if_it_is_what_it_was(value: str, spared: bool) -> None:
    assert is_spared("argument = [3, 1]\nf(argument)\nargument", value) is spared
