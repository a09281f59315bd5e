"""What the tools return. Their schemas contain neither null nor references."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from atos_servers.code_runner.verdict import Outcome, State

Level = Literal["bwrap", "landlock", "seccomp", "none"]


class Isolation(BaseModel):
    """How the code was isolated."""

    level: Annotated[Level, Field(description="Isolation level that was used.")]
    description: Annotated[str, Field(description="What it protects and what it does not.")]


class Case(BaseModel):
    """One test."""

    id: Annotated[str, Field(description="pytest node id, relative to the folder.")]
    outcome: Annotated[Outcome, Field(description="Only 'passed' is a pass.")]
    why: Annotated[str, Field(description="Place and message of a failure; else empty.")]


class RunRecord(BaseModel):
    """Where and when code ran."""

    isolation: Annotated[Isolation, Field(description="The sandbox it ran in.")]
    interpreter: Annotated[str, Field(description="Path of the Python that ran it.")]
    uid: Annotated[int, Field(description="User id of this server; the sandbox may lower it.")]
    started_at: Annotated[
        float,
        Field(description="Epoch seconds when the sandboxed work began; 0 when it never did."),
    ]
    ended_at: Annotated[
        float, Field(description="Epoch seconds when it ended; 0 when it never began.")
    ]


class Verdict(RunRecord):
    """What a pytest run proved."""

    ok: Annotated[bool, Field(description="True only when state is 'passed'.")]
    state: Annotated[State, Field(description="How the run ended.")]
    passed: Annotated[int, Field(description="Tests that passed.")]
    failed: Annotated[int, Field(description="Tests that did not pass, skipped ones included.")]
    tests: Annotated[
        list[Case], Field(description="Each test, failures first, as many as fit in a reply.")
    ]
    digest: Annotated[str, Field(description="At most 40 lines on what failed, for a model.")]
    reasons: Annotated[list[str], Field(description="Why the state is not simply pass or fail.")]
    proven: Annotated[str, Field(description="What this verdict proves and what it can't.")]


ScriptState = Literal["ok", "failed", "timeout", "memory_limit", "output_limit", "error"]


class ScriptResult(RunRecord):
    """What a script did."""

    exit_code: Annotated[int, Field(description="Exit code, or minus the signal's number.")]
    stdout: Annotated[str, Field(description="The first 16,000 characters that it printed.")]
    stderr: Annotated[str, Field(description="The last 8,000 characters of its errors.")]
    truncated: Annotated[bool, Field(description="Whether stdout or stderr was cut.")]
    state: Annotated[ScriptState, Field(description="'ok' means exit code 0.")]
    reason: Annotated[str, Field(description="Why it was ended from outside; else empty.")]


class SyntaxFault(BaseModel):
    """One place that does not compile."""

    path: Annotated[str, Field(description="The file, relative to the given path.")]
    line: Annotated[int, Field(description="Counts from 1; 0 when the error has no location.")]
    column: Annotated[int, Field(description="Counts from 1; 0 when the error has no location.")]
    message: Annotated[str, Field(description="What the compiler says.")]


class SyntaxReport(BaseModel):
    """Whether sources compile."""

    ok: Annotated[bool, Field(description="True when every file compiles.")]
    errors: Annotated[list[SyntaxFault], Field(description="The first error of each file.")]


class SandboxStatus(BaseModel):
    """How this machine isolates code."""

    level: Annotated[Level, Field(description="Strongest isolation level of this machine.")]
    description: Annotated[str, Field(description="What it protects and what it does not.")]
    remedies: Annotated[list[str], Field(description="What would give a stronger level.")]
    interpreter: Annotated[str, Field(description="Path of the Python that runs code.")]
    uid: Annotated[int, Field(description="User id of this server.")]
