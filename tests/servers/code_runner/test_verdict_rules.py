"""What evidence is judged to prove; no process is started here."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_protocol.verdicts import VerdictState
from atos_servers.code_runner.evidence import Canaries, Evidence, Stream
from atos_servers.code_runner.execution import BoundedOutput, Outcome
from atos_servers.code_runner.verdict import DIGEST_LINES, judge

CANARIES = Canaries("test_c.py", "", {"test_c.py::p": "passed", "test_c.py::f": "failed"})


def case(name: str, outcome: str = "passed", why: str = "") -> dict[str, Any]:
    return {"event": "test", "id": name, "outcome": outcome, "why": why}


def evidence(*cases: dict[str, Any], expected: tuple[str, ...] = ()) -> Evidence:
    planted = [case(name, outcome) for name, outcome in CANARIES.outcomes.items()]
    records = (*cases, *planted, {"event": "finish", "code": 1})
    return Evidence(Stream(records, intact=True), CANARIES, expected, (), "", 1, judged="outside")


def without_finish(given_evidence: Evidence) -> Evidence:
    return replace(given_evidence, stream=Stream(given_evidence.stream.records[:-1], intact=True))


GOOD = evidence(case("t.py::a"), case("t.py::b[1]"), expected=("t.py::a", "t.py::b"))


def test_a_whole_honest_run_passes() -> None:
    verdict = judge(GOOD)
    assert (verdict.state, verdict.passed, verdict.reasons) == ("passed", 2, ())


def test_a_launcher_that_ends_while_it_reads_the_sources_says_so_of_them() -> None:
    kept = (BoundedOutput(1),) * 3
    statuses: list[dict[str, Any]] = [{}, {"reading": True}, {"reading": True, "expected": []}]
    causes = [Outcome(b"", *kept, status=status).cause for status in statuses]
    assert causes == ["lost", "not_parsed", "lost"]


def test_a_launcher_that_is_still_silent_when_the_time_is_over_has_not_ended() -> None:
    """A fork bomb may leave it no time to say what it saw."""
    kept = (BoundedOutput(1),) * 3
    statuses: list[dict[str, Any]] = [{}, {"reading": True}, {"end": {"cause": "process_limit"}}]
    causes = [Outcome(b"", *kept, status=status, late=True).cause for status in statuses]
    assert causes == ["timeout", "not_parsed", "process_limit"]


JUDGED: dict[str, tuple[Evidence, VerdictState]] = {
    "a failure": (evidence(case("t.py::a", "failed")), "failed"),
    "a failing set-up": (evidence(case("t.py::a", "error")), "failed"),
    "an expected failure that passed": (evidence(case("t.py::a", "xpassed")), "failed"),
    "only skips": (evidence(case("t.py::a", "skipped")), "incomplete"),
    "a skip beside a pass": (
        evidence(case("t.py::a"), case("t.py::b", "skipped")),
        "incomplete",
    ),
    "a test of the sources that never ran": (
        evidence(case("t.py::a"), expected=("t.py::a", "t.py::gone")),
        "incomplete",
    ),
    "no test at all": (evidence(), "no_tests"),
    "no finish record": (without_finish(GOOD), "incomplete"),
    "two finish records": (
        replace(GOOD, stream=Stream((*GOOD.stream.records, {"event": "finish"}), intact=True)),
        "tampered",
    ),
    "a broken chain": (replace(GOOD, stream=replace(GOOD.stream, intact=False)), "tampered"),
    "an exit code that says all is well": (replace(GOOD, code=0), "tampered"),
    "a failing canary that passed": (
        replace(GOOD, canaries=replace(CANARIES, outcomes={"test_c.py::p": "failed"})),
        "tampered",
    ),
    "canaries that never ran": (
        replace(GOOD, canaries=replace(CANARIES, outcomes={"test_d.py::f": "failed"})),
        "incomplete",
    ),
    "a file that can't be collected": (
        replace(
            GOOD,
            stream=Stream(
                ({"event": "not_collected", "id": "t.py", "why": "boom"}, *GOOD.stream.records),
                intact=True,
            ),
        ),
        "error",
    ),
    "the time limit": (replace(GOOD, cause="timeout", code=-9), "timeout"),
    "the memory limit": (replace(GOOD, cause="memory_limit", code=-9), "memory_limit"),
    "too much output": (replace(GOOD, cause="output_limit", code=-9), "output_limit"),
    "too many processes": (replace(GOOD, cause="process_limit", code=-9), "error"),
    "a lost launcher": (replace(GOOD, cause="lost", code=-9), "error"),
    "refused code": (replace(GOOD, refused=("impl.py:1: a class is not allowed",)), "error"),
}


@pytest.mark.parametrize("name", JUDGED)
def test_evidence_is_judged(name: str) -> None:
    given_evidence, state = JUDGED[name]
    verdict = judge(given_evidence)
    assert verdict.state == state
    assert verdict.state == "passed" or verdict.reasons or verdict.state == "failed"


def test_the_worst_report_about_a_test_stands() -> None:
    verdict = judge(evidence(case("t.py::a", "failed"), case("t.py::a", "passed")))
    assert [test.outcome for test in verdict.tests] == ["failed"]


def test_a_steering_file_is_named_and_does_not_change_the_state() -> None:
    verdict = judge(replace(GOOD, steering=("conftest.py",)))
    assert (verdict.state, verdict.reasons) == (
        "passed",
        ("not read, because it could configure the run: conftest.py",),
    )


def test_the_digest_names_what_failed_and_why() -> None:
    why = "t.py:3: assert 4 == 5\nE   assert 4 == 5"
    verdict = judge(evidence(case("t.py::a"), case("t.py::b", "failed", why)))
    assert verdict.digest == snapshot("""\
failed: 1 of 2 tests passed
FAILED t.py::b
  t.py:3: assert 4 == 5
  E   assert 4 == 5\
""")


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=2000)), max_size=60))
def test_a_digest_is_never_longer_than_a_model_is_meant_to_read(
    failures: list[tuple[str, str]],
) -> None:
    cases = [case(f"t.py::{number}", "failed", why) for number, (_, why) in enumerate(failures)]
    digest = judge(evidence(*cases)).digest
    assert len(digest.splitlines()) <= DIGEST_LINES
