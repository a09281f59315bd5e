"""What a goal says that a program prints becomes rows that run it."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_orchestrator.planning.brief.command_examples import command_examples, program_of
from atos_orchestrator.planning.brief.reading import read_brief

PROGRAM = """\
import sys


def main(argv):
    if len(argv) != 2:
        return "two numbers, please"
    print(int(argv[0]) + int(argv[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


def rows(text: str) -> list[list[str]]:
    """Return of each row what differs from one to another: the arguments, the module, the outcome."""
    found = [example.assertion.splitlines() for example in command_examples(text)]
    return [[lines[1], lines[5].strip(), lines[-1]] for lines in found]


def test_commands_with_what_they_print_or_how_they_exit_are_examples() -> None:
    text = (
        "Write add.py, a command line tool: `python add.py 2 3` prints `5`, `python -m add 1.5 2` prints 3.5"
        ' and `python add.py x` exits with status 2. `python add.py "a b"` should print "no: a b\\n" and exit with code 1.'
    )
    assert rows(text) == snapshot(
        [
            [
                "sys.argv = ['add.py', '2', '3']",
                "runpy.run_module('add', run_name='__main__')",
                "assert printed.getvalue().strip() == '5'",
            ],
            [
                "sys.argv = ['add.py', '1.5', '2']",
                "runpy.run_module('add', run_name='__main__')",
                "assert printed.getvalue().strip() == '3.5'",
            ],
            [
                "sys.argv = ['add.py', 'x']",
                "runpy.run_module('add', run_name='__main__')",
                "assert status == 2",
            ],
            [
                "sys.argv = ['add.py', 'a b']",
                "runpy.run_module('add', run_name='__main__')",
                'assert printed.getvalue().strip() == "no: a b\\n".strip()',
            ],
            [
                "sys.argv = ['add.py', 'a b']",
                "runpy.run_module('add', run_name='__main__')",
                "assert status == 1",
            ],
        ]
    )
    assert {example.name for example in read_brief(text).examples} == {""}


def test_placeholders_files_conditions_and_pipes_give_no_example() -> None:
    for text in (
        "`python wc.py FILE` prints 3.",
        "`python wc.py <path>` prints 3.",
        "`python wc.py notes.txt` prints 3.",
        "`python wc.py a | sort` prints 3.",
        "`python wc.py a` exits with 2 if there is no such file.",
        "`python wc.py a` prints the number of words.",
        "`python wc.py 'a` prints 3.",
    ):
        assert rows(text) == [], text


@pytest.mark.parametrize(
    ("outcome", "right"),
    [("prints `5`", True), ("prints `6`", False), ("exits with 0", True), ("exits with 1", False)],
)
def test_a_row_runs_the_program_with_its_arguments(
    outcome: str, right: bool, tmp_path: Path
) -> None:
    (tmp_path / "add.py").write_text(PROGRAM)
    (row,) = [each.assertion for each in command_examples(f"`python add.py 2 3` {outcome}")]
    ended = subprocess.run(
        [sys.executable, "-c", row], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode == 0) is right, ended.stderr


def test_a_row_tells_of_a_program_that_ends_with_a_message(tmp_path: Path) -> None:
    (tmp_path / "add.py").write_text(PROGRAM)
    (row,) = [each.assertion for each in command_examples("`python add.py 2` exits with status 1")]
    subprocess.run([sys.executable, "-c", row], cwd=tmp_path, check=True)


def test_the_program_of_a_row_is_the_module_that_it_runs() -> None:
    (row,) = [each.assertion for each in command_examples("`python -m shop.till 1` prints 2")]
    assert (program_of(row), program_of("assert add(2, 3) == 5")) == ("shop.till", "")


@given(st.text(alphabet="`python add.py 23\"'xits with printsand|<>\n", max_size=200))
def test_any_text_gives_rows_that_are_python(text: str) -> None:
    for example in command_examples(text):
        compile(example.assertion, "<row>", "exec")
