"""From replies to the outcome matrix, in the real sandbox."""

import pytest

from atos_protocol.verdicts import CandidateOutcome
from atos_servers.code_runner.runner import Runner
from bench.evaluate_program import LOST, evaluate_program, outcome_of
from bench.humaneval import answers_of, problem_of
from bench.outcomes import Facts, Score, Spent, Unit, unit
from bench.recorded import RecordedProblem, RecordedReply
from bench.row_rules import assertions_of, examples_in, tolerant

ENTRY = {
    "task_id": "HumanEval/x",
    "entry_point": "half",
    "prompt": 'def half(x):\n    """ Return half of x.\n    >>> half(4)\n    2.0\n    """\n',
    "canonical_solution": "    return x / 2\n",
    "test": "def check(candidate):\n    assert candidate(3) == 1.5\n    assert candidate(0.6) < 0.31\n",
}
PROGRAM = """\
from pathlib import Path
import os, sys
def loops():
    while True: pass
def note(text):
    Path("note").write_text(text)
    return 0.1 + 0.2
def read():
    return Path("note").read_text()
def leave():
    os._exit(0)
"""


@pytest.mark.timeout(120)
async def test_every_cell_is_judged_on_its_own() -> None:
    rows = [
        "assert same_(note('x'), 0.3)", "assert note('x') == 0.3", "read()", "assert 1 ==", "assert nobody()",
        "assert raises(FileNotFoundError, read)", "loops()", "sys.exit()", "leave()", "assert True",
    ]  # fmt: skip
    found = await evaluate_program(Runner(), PROGRAM, "loops", [(row, 1.0) for row in rows], [])
    kinds = [":".join(text.split(":")[:2]) for text in found.rows]
    assert (found.load, kinds) == (
        "",
        [
            "pass", "fail", "error: FileNotFoundError", "error: SyntaxError", "error: NameError",
            "pass", "timeout", "error: SystemExit", LOST.rpartition(":")[0], LOST.rpartition(":")[0],
        ],
    )  # fmt: skip


@pytest.mark.timeout(120)
async def test_calls_give_values_and_a_program_must_define_what_was_asked_for() -> None:
    runner = Runner()
    found = await evaluate_program(runner, PROGRAM, "note", [], ["note('x')", "read()", "[]"])
    assert found.values[0] == "= 0.3"
    assert found.values[1].startswith("error: FileNotFoundError")
    assert found.values[2] == "= []"
    assert (await evaluate_program(runner, PROGRAM, "other", [], [])).load == "other is not defined"
    broken = await evaluate_program(runner, "def f(:", "f", [("assert f()", 1.0)], [])
    assert broken.load.startswith("error: SyntaxError")


def test_cells_that_a_dead_process_left_out_are_errors() -> None:
    assert outcome_of('""\n"pass"\n"fai', 3, 1) == CandidateOutcome(
        "", ("pass", LOST, LOST), (LOST,)
    )
    assert outcome_of("", 1, 0) == CandidateOutcome(LOST, (LOST,), ())


@pytest.mark.timeout(120)
async def test_a_problem_becomes_facts_and_a_score() -> None:
    replies = (
        RecordedReply("coder", 0, "```python\ndef half(x):\n    return x // 2\n", False, 9, 0, 30, 3.0),
        RecordedReply("coder", 1, "```python\ndef half(x):\n    return x / 2\n", False, 9, 0, 20, 2.0),
        RecordedReply("tester", 100, "```python\nassert half(3) == 2\nassert half(4) == 2.0\n", False, 9, 0, 40, 4.0),
    )  # fmt: skip
    recorded = RecordedProblem("m", problem_of(ENTRY), "", replies)
    found = await unit(Runner(), recorded, answers_of(ENTRY))
    assert found == Unit(
        "m",
        Facts(
            id="HumanEval/x",
            rows=("assert half(4) == 2.0", "assert half(3) == 2"),
            examples=(0,),
            suites=((1, 0),),
            calls=("half(4)", "half(3)"),
            candidates=(
                CandidateOutcome("", ("pass", "fail"), ("= 2", "= 1")),
                CandidateOutcome("", ("pass", "fail"), ("= 2.0", "= 1.5")),
            ),
            programs=(Spent(30, 3.0), Spent(20, 2.0)),
            testers=(Spent(40, 4.0),),
        ),
        Score(right=(False, True), valid=(True, False)),
    )


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (">>> f(1)\n2", ["assert f(1) == 2"]),
        ("f(1) -> 2\nf('a') returns 'b'.", ["assert f(1) == 2", "assert f('a') == 'b'"]),
        ("f(x) == y, and f() is called", []),
    ],
)
def test_examples_are_found_in_the_usual_notations(text: str, rows: list[str]) -> None:
    assert examples_in(text, "f") == rows


def test_a_line_that_is_broken_costs_only_itself() -> None:
    reply = "```python\nassert f(1) == 2, 'two'\nassert f(\nassert g(1)\nassert f(1) == 2\n```"
    assert assertions_of(reply, "f") == ["assert f(1) == 2"]
    assert tolerant("assert f(1) == 2") == "assert same_(f(1), 2)"
