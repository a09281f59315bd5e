"""When tests need a second run, in the code's own process, and what both runs prove together. Pure.

The first run judges from outside whatever can be judged so. Left for a second one are the files that can't, and tests
that failed where more than plain values took part: honest code may need what the wire lacks. What passes only there is
`unconfirmed`.
"""

from __future__ import annotations

from collections.abc import Sequence

from atos_protocol.verdicts import VerdictState
from atos_servers.code_runner.verdict import CaseResult, Judgement, confirmed, digest_of

MOST_NAMED = 500
"""Of more tests the files are run again as a whole: each name is a target of the second run."""
ENDED_BY_ITSELF = frozenset({"passed", "unconfirmed", "failed", "incomplete", "no_tests"})


def _base(test: str) -> str:
    return test.partition("[")[0]


def doubtful(first: Judgement) -> set[str]:
    """Return the tests whose failure may be the wire's, without their parameters."""
    return {_base(test.id) for test in first.tests if test.outcome != "passed" and test.touched}


def left_over(first: Judgement, outside: Sequence[str], inside: Sequence[str]) -> tuple[str, ...]:
    """Return the targets of a second run; none where the first says it all.

    Args:
        first: what was judged from outside.
        outside: the targets that it had.
        inside: the targets that can't be judged from outside.
    """
    if not outside:
        return ()
    if first.state == "error" and first.touched:
        return (*outside, *inside)
    if first.state not in ENDED_BY_ITSELF:
        return ()
    again = doubtful(first)
    if len(again) > MOST_NAMED:
        again = {test.partition("::")[0] for test in again}
    return (*sorted(again), *inside)


def combined(first: Judgement, second: Judgement) -> Judgement:
    """Return what both runs prove together; where both ran a test, the second one's outcome counts."""
    again = {_base(test.id) for test in second.tests} | doubtful(first)
    kept = [test for test in first.tests if _base(test.id) not in again]
    tests = (*kept, *second.tests)
    state, reasons = _state(first, second, tests)
    only_inside = sorted(
        {_base(t.id) for t in second.tests if t.outcome == "passed"} & doubtful(first)
    )
    if only_inside:
        reasons.append(
            f"fails when its values are compared from outside: {', '.join(only_inside[:4])}"
        )
    more = () if second.state in ENDED_BY_ITSELF else second.digest.splitlines()[1:]
    return Judgement(state, tests, tuple(reasons), digest_of(state, reasons, tests, more))


def _state(
    first: Judgement, second: Judgement, tests: Sequence[CaseResult]
) -> tuple[VerdictState, list[str]]:
    told = first.reasons if first.state in ENDED_BY_ITSELF else ()
    reasons = list(dict.fromkeys((*told, *second.reasons)))
    if second.state not in ENDED_BY_ITSELF:
        return second.state, reasons
    if not tests:
        return "no_tests", reasons
    if any(test.outcome in {"failed", "error", "xpassed"} for test in tests):
        return "failed", reasons
    if "incomplete" in {first.state, second.state}:
        return "incomplete", reasons
    state, _ = confirmed(tests)
    return state, reasons
