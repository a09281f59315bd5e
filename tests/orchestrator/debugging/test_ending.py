"""What is told of candidates that can't be used."""

from atos_orchestrator.debugging.ending import faults_told
from atos_orchestrator.debugging.judging import quoted_line


def test_candidates_with_the_same_fault_share_a_line() -> None:
    told = faults_told(["no code", "", "no code", "f is missing", "empty", "empty", "empty"])
    assert told == [
        "candidates 1 and 3: no code",
        "candidate 4: f is missing",
        "candidates 5 to 7: empty",
    ]


def test_numbers_with_a_gap_are_listed() -> None:
    assert faults_told(["a", "a", "", "a"]) == ["candidates 1, 2 and 4: a"]


def test_the_line_that_is_no_python_is_quoted_in_short() -> None:
    assert quoted_line("x = 1\n  function f() {\n", 2) == ": 'function f() {'"
    assert quoted_line("y" * 100, 1) == f": '{'y' * 60}'"


def test_a_blank_line_or_one_beyond_the_end_is_not_quoted() -> None:
    assert [quoted_line("x\n\n", at) for at in (2, 3, 9, 0)] == ["", "", "", ""]
