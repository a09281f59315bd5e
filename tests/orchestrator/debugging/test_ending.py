"""What is told of candidates that can't be used."""

import pytest

from atos_orchestrator.debugging.ending import faults_told, row_told
from atos_orchestrator.debugging.judging import quoted_line
from atos_orchestrator.planning.brief.command_examples import assertion_of_run
from atos_orchestrator.web_application import FASTAPI, WebApplication

SHOP = WebApplication(FASTAPI, "create_app()")


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


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("s = Stack()\nassert s.pop() == 1", "assert s.pop() == 1"),
        (
            assertion_of_run("add", ["2", "a b"], "printed.getvalue().strip()", "'5'"),
            "`python add.py 2 'a b'`",
        ),
        (
            SHOP.row(f"c = {SHOP.client}\nassert c.get('/').text == 'a'"),
            "c = client; assert c.get('/').text == 'a'",
        ),
        (
            SHOP.row(f"client = {SHOP.client}\nclient.post('/a')\nassert client.get('/a').text == 'a'"),
            "client.post('/a'); assert client.get('/a').text == 'a'",
        ),
    ],
)  # fmt: skip
def test_a_failed_row_is_told_in_one_line_as_a_person_thinks_of_it(row: str, told: str) -> None:
    assert row_told(row) == told
