"""What the runs of the sandbox come to."""

from __future__ import annotations

from dataclasses import dataclass

from atos_protocol.verdicts import CandidateOutcome, FileCoverage
from atos_servers.code_runner.execution import Outcome
from atos_servers.code_runner.sandbox.job import IsolationLevel
from atos_servers.code_runner.verdict import Judgement


@dataclass(frozen=True, slots=True)
class PytestRun:
    """A judged pytest run."""

    judgement: Judgement
    level: IsolationLevel
    split: bool
    """The tests ran in another process than the code."""
    outside: tuple[str, ...]
    """The targets that were judged from outside, where that was asked for."""
    inside: tuple[str, ...]
    """Those that can't be."""
    started_at: float
    ended_at: float
    cause: str = ""
    """Why it was ended from outside; empty when it ended by itself."""
    cpu_seconds: float = 0.0
    coverage: tuple[FileCoverage, ...] = ()
    """Which lines ran, file by file; empty where that was not asked for."""


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """An evaluation that ended."""

    outcomes: tuple[CandidateOutcome, ...]
    level: IsolationLevel
    started_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """A script that ended."""

    outcome: Outcome
    level: IsolationLevel

    @property
    def cause(self) -> str:
        """Why it was ended from outside; empty when it ended by itself."""
        return self.outcome.cause
