"""What a pytest run proves: judged from the authenticated stream, never from stdout. Pure.

A pass needs all of it: every record authentic, exactly one finish record, an exit code that agrees,
the canary tests with their known outcomes, every test of the sources run, none skipped, and at
least one test. All of that is `passed` only if every test was judged from outside: its values were
compared in a process that the code can't reach. Else it is `unconfirmed`. Evidence is only judged if the run began (see `runner`): a machine on which it can't
begin is an error, and says nothing about the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from atos_protocol.verdicts import Judged, Limit, TestOutcome, VerdictState
from atos_servers.code_runner.evidence import Evidence

STEERING = frozenset(
    {
        "conftest.py", "sitecustomize.py", "usercustomize.py", "pytest.ini", ".pytest.ini",
        "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg",
    }
)  # fmt: skip
"""Files that could configure a run. They are not read; their presence is reported."""

DIGEST_LINES = 40
LINE_CHARACTERS = 200
NAMES_SHOWN = 4
PYTEST_FAILED = 1
WORST = {"passed": 0, "xfailed": 1, "xpassed": 1, "skipped": 2, "failed": 3, "error": 4}


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One test of the caller's."""

    id: str
    outcome: TestOutcome
    why: str
    """Place, message and marked lines; empty for a pass."""
    judged: Judged
    """Whether its outcome rests on nothing that the code decides."""
    touched: bool = False
    """More than plain values took part, so a failure may be the wire's."""
    seconds: float = 0.0
    """How long its body took."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, without where and when."""

    state: VerdictState
    tests: tuple[CaseResult, ...]
    reasons: tuple[str, ...]
    digest: str
    touched: bool = False
    """A file could not be collected for a reason that may be the wire's."""

    @property
    def passed(self) -> int:
        """Tests that passed."""
        return sum(test.outcome == "passed" for test in self.tests)


def _noted(records: Iterable[dict[str, Any]], what: str) -> frozenset[str]:
    """Return the tests of which something became known; an empty name among them means all."""
    return frozenset(r["id"] for r in records if r["event"] == "noted" and r.get(what))


def _tests(records: Sequence[dict[str, Any]], judged: Judged) -> dict[str, CaseResult]:
    by_code, touched = _noted(records, "by_code"), _noted(records, "touched")
    tests: dict[str, CaseResult] = {}
    for record in records:
        if record["event"] != "test":
            continue
        name = record["id"]
        how: Judged = "in-process" if by_code & {name, ""} else judged
        near = bool(touched & {name, ""})
        seconds = record.get("seconds", 0.0) if record.get("when") == "call" else 0.0
        new = CaseResult(name, record["outcome"], record.get("why") or "", how, near, seconds)
        old = tests.get(new.id)
        if old is None or WORST[new.outcome] > WORST[old.outcome]:
            tests[new.id] = new
    return tests


def _named(ids: Sequence[str]) -> str:
    shown = ", ".join(name[:LINE_CHARACTERS] for name in ids[:NAMES_SHOWN])
    return shown if len(ids) <= NAMES_SHOWN else f"{shown} and {len(ids) - NAMES_SHOWN} more"


ENDED: dict[str, tuple[VerdictState, str]] = {
    "timeout": ("timeout", "the run was still going at its time limit and was killed"),
    "memory_limit": ("memory_limit", "its processes together exceeded the memory limit"),
    "output_limit": ("output_limit", "it wrote too much output and was killed"),
    "process_limit": ("error", "it started more processes than the limit and was killed"),
    "disk_limit": (
        "error",
        "it wrote more to the scratch folder than the limit allows and was killed",
    ),
    "cancelled": ("error", "the run was cancelled"),
    "not_parsed": ("error", "the sources could not be read: too large or nested too deeply"),
    "lost": ("error", "the launcher ended before the run did"),
}
"""Cause -> state and reason."""

LIMITS: dict[str, Limit] = {
    "timeout": "time",
    "memory_limit": "memory",
    "output_limit": "output",
    "process_limit": "processes",
    "disk_limit": "disk",
}
"""Cause -> the limit that was hit."""


def _ran_to_the_end(evidence: Evidence, tests: dict[str, CaseResult]) -> bool:
    return all(name in tests for name in evidence.canaries.outcomes)


def _tampering(evidence: Evidence, tests: dict[str, CaseResult]) -> list[str]:
    if not evidence.stream.intact:
        return ["the report stream contains a line that the reporter did not write"]
    planted = evidence.canaries.outcomes
    wrong = sum(name in tests and tests[name].outcome != planted[name] for name in planted)
    if wrong:
        return [f"{wrong} of {len(planted)} canary tests have the wrong outcome"]
    if _ran_to_the_end(evidence, tests) and evidence.code != PYTEST_FAILED:
        return [f"exit code {evidence.code} does not match the report"]
    return []


def _finishes(evidence: Evidence) -> int:
    return sum(record["event"] == "finish" for record in evidence.stream.records)


def _not_collected(evidence: Evidence) -> list[tuple[str, str]]:
    return [
        (record["id"], record.get("why") or "")
        for record in evidence.stream.records
        if record["event"] == "not_collected"
    ]


def _decide(
    evidence: Evidence, tests: dict[str, CaseResult], real: dict[str, CaseResult]
) -> tuple[VerdictState, list[str]]:
    if evidence.refused:
        return "error", list(evidence.refused)
    if evidence.cause:
        state, reason = ENDED[evidence.cause]
        return state, [reason]
    if (count := _finishes(evidence)) != 1:
        if not evidence.stream.intact or count > 1:
            return "tampered", ["the report stream contains a line that the reporter did not write"]
        return "incomplete", [f"pytest did not finish (exit code {evidence.code})"]
    broken = _not_collected(evidence)
    if broken:
        return "error", [f"{_named([name for name, _ in broken])} could not be collected"]
    if tampering := _tampering(evidence, tests):
        return "tampered", tampering
    if not _ran_to_the_end(evidence, tests):
        return "incomplete", ["pytest ended before all tests had run; does a file call exit?"]
    return _outcome_of(real, evidence.expected)


def _outcome_of(
    real: dict[str, CaseResult], expected: Sequence[str]
) -> tuple[VerdictState, list[str]]:
    if not real and not expected:
        return "no_tests", ["no test was found"]
    bad = [test.id for test in real.values() if test.outcome in {"failed", "error", "xpassed"}]
    ran = {name.partition("[")[0] for name in real}
    missing = [name for name in expected if name not in ran]
    unproven = [test.id for test in real.values() if test.outcome in {"skipped", "xfailed"}]
    reasons: list[str] = []
    if missing:
        reasons.append(f"in the sources but not run: {_named(missing)}")
    if unproven:
        reasons.append(f"skipped or expected to fail, which proves nothing: {_named(unproven)}")
    if bad:
        return "failed", reasons
    return ("incomplete", reasons) if reasons else confirmed(list(real.values()))


def confirmed(passed: Sequence[CaseResult]) -> tuple[VerdictState, list[str]]:
    """Return what tests prove that all passed."""
    open_to_cheats = [test.id for test in passed if test.judged == "in-process"]
    if not open_to_cheats:
        return "passed", []
    return "unconfirmed", [f"judged in the code's own process: {_named(open_to_cheats)}"]


def _digest(
    judged: tuple[VerdictState, list[str]], evidence: Evidence, real: list[CaseResult]
) -> str:
    more: list[str] = []
    for name, why in _not_collected(evidence):
        more += [f"{name} could not be collected", *why.splitlines()[-12:]]
    if judged[0] in {"incomplete", "error"} and not any(t.outcome != "passed" for t in real):
        more += evidence.stderr.splitlines()[-10:]
    return digest_of(judged[0], judged[1], real, more)


def digest_of(
    state: VerdictState, reasons: Sequence[str], real: Sequence[CaseResult], more: Sequence[str]
) -> str:
    """Return the lines that tell a model what failed."""
    passed = sum(test.outcome == "passed" for test in real)
    lines = [f"{state}: {passed} of {len(real)} tests passed", *(f"- {r}" for r in reasons)]
    for test in real:
        if test.outcome != "passed":
            lines += [
                f"{test.outcome.upper()} {test.id}",
                *(f"  {x}" for x in test.why.splitlines()),
            ]
    lines += more
    if len(lines) > DIGEST_LINES:
        left = len(lines) - DIGEST_LINES + 1
        lines = [*lines[: DIGEST_LINES - 1], f"... {left} more lines"]
    return "\n".join(line[:LINE_CHARACTERS] for line in lines)


def judge(evidence: Evidence) -> Judgement:
    """Return what the evidence proves."""
    tests = _tests(evidence.stream.records, evidence.judged)
    real = {name: t for name, t in tests.items() if name not in evidence.canaries.outcomes}
    state, reasons = _decide(evidence, tests, real)
    if evidence.steering:
        reasons = [
            *reasons,
            f"not read, because it could configure the run: {_named(evidence.steering)}",
        ]
    listed = list(real.values())
    digest = _digest((state, reasons), evidence, listed)
    touched = "" in _noted(evidence.stream.records, "touched")
    return Judgement(state, tuple(listed), tuple(reasons), digest, touched)
