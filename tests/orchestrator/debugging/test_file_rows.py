"""Rows about functions that read a file: which those are, and what is written first."""

import pytest

from atos_orchestrator.debugging.assertions import Assertion, read_assertions
from atos_orchestrator.debugging.delivered_tests import render_tests
from atos_orchestrator.debugging.file_rows import file_calls, reads_a_file, sample_lines


@pytest.mark.parametrize(
    ("signature", "reads"),
    [
        ("count_levels(path)", True),
        ("load(log_file, limit=3)", True),
        ("def read(file_path: str) -> list", True),
        ("save(rows, path)", False),
        ("shorten(text)", False),
        ("today()", False),
        ("class Store(path)", True),
    ],
)
def test_a_first_parameter_says_by_its_name_that_it_is_a_file(signature: str, reads: bool) -> None:
    assert reads_a_file(signature, "It reads a file.") is reads


@pytest.mark.parametrize(
    ("goal", "reads"),
    [
        ("Write load(path), which reads the names.", True),
        ("load(path) counts the lines of a log file", True),
        ("load(path): a missing file raises FileNotFoundError", True),
        ("A line is like this:\nx 1\nload(path) sums them.", True),
        ("load(path) returns the path without its last part", False),
        ("load(path) says whether it is the name of a Python file", False),
    ],
)
def test_a_goal_about_the_path_itself_reads_no_file(goal: str, reads: bool) -> None:
    assert reads_a_file("load(path)", goal) is reads


def test_the_lines_below_a_colon_are_a_sample_of_the_file() -> None:
    goal = "Read our logs:\n12:00 ERROR disk: full\n12:01 INFO web: up\nlevels(path) counts them."
    fenced = "A file is like this:\n```\nname,age\nBo,3\n```\nWrite ages.py."

    assert sample_lines(goal, ["levels"]) == ("12:00 ERROR disk: full", "12:01 INFO web: up")
    assert sample_lines(fenced, ["ages"]) == ("name,age", "Bo,3")


@pytest.mark.parametrize(
    "goal",
    [
        "Write a program that:\n- reads a file\n- prints it",
        "It has two functions:\nlevels(path) counts.",
        "Steps:\n1. read\n2. count",
        "Write levels(path).",
        "",
    ],
)
def test_a_list_of_wishes_is_no_sample(goal: str) -> None:
    assert sample_lines(goal, ["levels"]) == ()


def test_what_a_goal_shows_is_a_call_that_needs_no_tester() -> None:
    goal = "Lines are like:\na 1\n"

    assert file_calls(goal, ["total(path)", "save(path, rows)", "add(a)"]) == [
        "open('input.txt', 'w').write('a 1\\n')\ntotal('input.txt')",
        "open('input.txt', 'w').write('a 1\\na 1\\n')\ntotal('input.txt')",
        "open('input.txt', 'w').write('a 1\\nof another form\\na 1\\n')\ntotal('input.txt')",
        "open('input.txt', 'w').write('')\ntotal('input.txt')",
    ]


def test_what_writes_a_file_stays_with_the_assertions_below_it() -> None:
    reply = "open('a.txt', 'w').write('x')\nassert total('a.txt') == 1\n"
    block = "with open('a.txt', 'w') as file:\n    file.write('x')\nassert total('a.txt') == 1\n"

    assert read_assertions(reply, ["total"]) == [reply.strip()]
    assert read_assertions(block, ["total"]) == [block.strip()]


def test_a_delivered_test_that_writes_a_file_does_so_in_a_folder_of_its_own() -> None:
    row = Assertion("open('a.txt', 'w').write('x')\nassert total('a.txt') == 1", "tester")

    text, _ = render_tests(["m.py"], [row, Assertion("assert total('b.txt') == 1", "tester")])

    assert text.count("monkeypatch.chdir(tmp_path)") == 1
    assert "(tmp_path, monkeypatch):\n    monkeypatch.chdir(tmp_path)\n    open('a.txt'" in text
