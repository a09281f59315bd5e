"""What the tools answer: the runs' results, cut to what a reply carries, with what they prove."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from atos_protocol.verdicts import (
    CoverageReport,
    Evaluation,
    FileCoverage,
    Isolation,
    Proven,
    ScriptResult,
    ScriptState,
    TestCase,
    Verdict,
)
from atos_servers.code_runner.covered_files import total_percent, worst_first
from atos_servers.code_runner.runs import EvaluationRun, PytestRun, ScriptRun
from atos_servers.code_runner.sandbox.job import IsolationLevel
from atos_servers.code_runner.sandbox_probe import DESCRIPTIONS
from atos_servers.code_runner.verdict import ENDED, LIMITS, Judgement

MOST_TESTS = 300
CASES_CHARACTERS = 16_000
STDOUT_CHARACTERS = 16_000
STDERR_CHARACTERS = 8_000
IN_PROCESS = (
    "Every test of the sources ran to its end and reported over an authenticated channel; canary "
    "tests had their known outcomes; configuration and conftest files were not read. Not proven: what is "
    "marked in-process was decided in the code's own process, so code written to cheat could forge it."
)
SPLIT = (
    "The tests ran in one process and the code in another; only plain values crossed and were compared "
    "where the code can't reach, so it can return wrong values but can't change a verdict. Not proven: "
    "anything the tests don't check."
)
EVALUATED = (
    "Each cell ran in a process of its own, and each candidate apart from the others; the report's "
    "key was in none of them. Not proven: an assertion shares its cell with the candidate, so code "
    "written to cheat could forge its own outcomes, not those of others."
)
NOTHING = "Nothing: the run did not reach a trustworthy end."


def sayable(text: str) -> str:
    """Return a text as JSON can carry it: halves of characters, and bytes of a name that are no UTF-8, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def isolation_of(level: IsolationLevel) -> Isolation:
    """Return a level with what it protects."""
    return Isolation(level=level, description=DESCRIPTIONS[level])


def _proven(judged: Judgement) -> Proven:
    if judged.state not in {"passed", "unconfirmed", "failed"}:
        return "nothing"
    inside = any(test.judged == "in-process" for test in judged.tests)
    return "in-process" if inside else "outside"


EXPLANATIONS: dict[Proven, str] = {"outside": SPLIT, "in-process": IN_PROCESS, "nothing": NOTHING}


def _cases(judged: Judgement) -> list[TestCase]:
    """List tests, those that did not pass first, as many as fit in a reply."""
    left, cases = CASES_CHARACTERS, list[TestCase]()
    for test in sorted(judged.tests, key=lambda test: test.outcome == "passed")[:MOST_TESTS]:
        left -= len(test.id) + len(test.why)
        if left < 0:
            break
        said = (sayable(test.id), test.outcome, sayable(test.why), test.judged)
        cases.append(TestCase(*said, round(test.seconds, 4)))
    return cases


def verdict_of(run: PytestRun) -> Verdict:
    """Return a judged pytest run as its caller gets it."""
    judged = run.judgement
    return Verdict(
        ok=judged.state == "passed",
        state=judged.state,
        proven=_proven(judged),
        passed=judged.passed,
        failed=len(judged.tests) - judged.passed,
        tests=tuple(_cases(judged)),
        digest=sayable(judged.digest),
        reasons=tuple(map(sayable, judged.reasons)),
        isolation=isolation_of(run.level),
        interpreter=sys.executable,
        uid=os.getuid(),
        started_at=run.started_at,
        ended_at=run.ended_at,
        explanation=EXPLANATIONS[_proven(judged)],
        limit=LIMITS.get(run.cause, ""),
        cpu_s=round(run.cpu_seconds, 3),
        coverage=_covered(run),
    )


def _covered(run: PytestRun) -> tuple[FileCoverage, ...]:
    return tuple(replace(file, path=sayable(file.path)) for file in worst_first(run.coverage))


def coverage_of(run: PytestRun) -> CoverageReport:
    """Return a measured run as its caller gets it."""
    judged = run.judgement
    return CoverageReport(
        percent=total_percent(run.coverage),
        files=_covered(run),
        state=judged.state,
        passed=judged.passed,
        failed=len(judged.tests) - judged.passed,
        digest=sayable(judged.digest),
    )


def _script_state(run: ScriptRun) -> ScriptState:
    match run.cause:
        case "":
            return "ok" if run.outcome.code == 0 else "failed"
        case "timeout" | "memory_limit" | "output_limit":
            return run.cause
        case _:
            return "error"


def script_result_of(run: ScriptRun) -> ScriptResult:
    """Return a script that ended as its caller gets it."""
    kept = (run.outcome.stdout, run.outcome.stderr)
    stdout, stderr = (part.text for part in kept)
    cut = len(stdout) > STDOUT_CHARACTERS or len(stderr) > STDERR_CHARACTERS
    started, ended = run.outcome.interval()
    return ScriptResult(
        exit_code=run.outcome.code,
        stdout=stdout[:STDOUT_CHARACTERS],
        stderr=stderr[-STDERR_CHARACTERS:],
        truncated=cut or any(part.total > len(part.data) for part in kept),
        state=_script_state(run),
        reason=ENDED[run.cause][1] if run.cause else "",
        isolation=isolation_of(run.level),
        interpreter=sys.executable,
        uid=os.getuid(),
        started_at=started,
        ended_at=ended,
        limit=LIMITS.get(run.cause, ""),
        cpu_s=round(run.outcome.cpu_seconds, 3),
    )


def evaluation_of(run: EvaluationRun) -> Evaluation:
    """Return an evaluation that ended as its caller gets it."""
    return Evaluation(
        candidates=run.outcomes,
        isolation=isolation_of(run.level),
        interpreter=sys.executable,
        uid=os.getuid(),
        started_at=run.started_at,
        ended_at=run.ended_at,
        proven="in-process",
        explanation=EVALUATED,
    )
