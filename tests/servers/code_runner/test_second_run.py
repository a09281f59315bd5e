"""When tests run again in the code's own process, and what both runs prove together."""

from dataclasses import replace

from atos_protocol.verdicts import Judged, TestOutcome, VerdictState
from atos_servers.code_runner.second_run import combined, left_over
from atos_servers.code_runner.verdict import CaseResult, Judgement

FILE, OTHER = "test_a.py", "test_b.py"


def case(
    name: str, outcome: TestOutcome = "passed", judged: Judged = "outside", *, touched: bool = False
) -> CaseResult:
    return CaseResult(name, outcome, "", judged, touched)


def judgement(state: VerdictState, *tests: CaseResult) -> Judgement:
    return Judgement(state, tests, (), "")


def test_what_passed_from_outside_does_not_run_again() -> None:
    assert left_over(judgement("passed", case("test_a.py::a")), (FILE,), ()) == ()


def test_a_failure_on_plain_values_is_final() -> None:
    assert left_over(judgement("failed", case("test_a.py::a", "failed")), (FILE,), ()) == ()


def test_a_failure_in_which_objects_took_part_and_files_that_can_not_be_judged_run_again() -> None:
    first = judgement(
        "failed", case("test_a.py::a[1]", "failed", touched=True), case("test_a.py::b")
    )
    assert left_over(first, (FILE,), (OTHER,)) == ("test_a.py::a", OTHER)


def test_of_more_tests_than_can_be_named_the_files_run_again() -> None:
    many = [case(f"test_a.py::test_{n}", "failed", touched=True) for n in range(501)]
    first = judgement("failed", *many)
    assert left_over(first, (FILE,), (OTHER,)) == (FILE, OTHER)
    assert len(left_over(judgement("failed", *many[:500]), (FILE,), ())) == 500


def test_a_file_that_the_wire_could_not_import_runs_again() -> None:
    first = judgement("error")
    assert left_over(first, (FILE,), ()) == ()
    assert left_over(replace(first, touched=True), (FILE,), ()) == (FILE,)


def test_a_run_that_was_ended_is_not_repeated() -> None:
    assert left_over(judgement("timeout"), (FILE,), (OTHER,)) == ()


def test_what_only_passes_in_the_codes_process_is_unconfirmed_and_named() -> None:
    first = judgement("failed", case("test_a.py::a", "failed", touched=True), case("test_a.py::b"))
    second = judgement("unconfirmed", case("test_a.py::a", judged="in-process"))

    both = combined(first, second)

    assert (both.state, both.passed) == ("unconfirmed", 2)
    assert both.reasons == ("fails when its values are compared from outside: test_a.py::a",)


def test_a_failure_of_either_run_is_one_of_both() -> None:
    first = judgement("failed", case("test_a.py::a", "failed"))
    second = judgement("unconfirmed", case("test_b.py::b", judged="in-process"))
    assert combined(first, second).state == "failed"
    first = judgement("passed", case("test_a.py::a"))
    second = judgement("failed", case("test_b.py::b", "failed", "in-process"))
    assert combined(first, second).state == "failed"


def test_a_second_run_that_ended_badly_says_so() -> None:
    first = judgement("passed", case("test_a.py::a"))
    assert combined(first, judgement("tampered")).state == "tampered"
