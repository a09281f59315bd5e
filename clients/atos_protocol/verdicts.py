"""What code_runner reports about code: verdicts, script results and syntax reports.

The server returns these types, the orchestrator decides by them, the command line shows them. Plain
dataclasses, for the same reasons as in `goals`; an attribute's docstring is its schema's description.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from atos_protocol.goals import DESCRIBED

IsolationLevel = Literal["bwrap", "landlock", "seccomp", "none"]
"""How code is isolated, strongest first; `none` means that no code is run."""

VerdictState = Literal[
    "passed",
    "unconfirmed",
    "failed",
    "error",
    "timeout",
    "memory_limit",
    "output_limit",
    "tampered",
    "incomplete",
    "no_tests",
]
TestOutcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]
Judged = Literal["outside", "in-process"]
"""Where values were compared: in a process that the code can't reach, or in its own."""
Proven = Literal["outside", "in-process", "nothing"]
"""What an outcome rests on. Code that was written to cheat can forge what is `in-process`."""
Limit = Literal["", "time", "memory", "output", "processes", "disk"]
"""The limit at which a run was ended from outside; empty where it ended by itself."""
ScriptState = Literal["ok", "failed", "timeout", "memory_limit", "output_limit", "error"]


@dataclass(frozen=True, slots=True)
class Isolation:
    """How the code was isolated."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    level: IsolationLevel
    """Isolation level that was used."""
    description: str
    """What it protects and what it does not."""


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test."""

    __test__ = False  # pytest looks for classes of such a name
    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    id: str
    """pytest node id, relative to the folder."""
    outcome: TestOutcome
    """Only 'passed' is a pass."""
    why: str = ""
    """Place and message of a failure; else empty."""
    judged: Judged = "in-process"
    """Whether its values were compared outside of the code's process."""
    seconds: float = 0.0
    """Wall-clock seconds that it took, set-up and tear-down excluded."""


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """How much of one file ran."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    path: str
    """Relative to the folder."""
    statements: int
    missed: int
    """Statements that did not run."""
    percent: float
    lines: str
    """Lines that did not run, such as `3-5, 9`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pytest run proved."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    ok: bool
    """True only when every test passed and was judged from outside: state is 'passed'."""
    state: VerdictState
    """How the run ended. 'unconfirmed': all passed, some in the code's own process, which can forge it."""
    proven: Proven
    """'in-process' where code written to cheat could have forged the outcome."""
    passed: int
    """Tests that passed."""
    failed: int
    """Tests that did not pass, skipped ones included."""
    tests: tuple[TestCase, ...]
    """Each test, failures first, as many as fit in a reply."""
    digest: str
    """At most 40 lines on what failed, for a model."""
    reasons: tuple[str, ...]
    """Why the state is not simply pass or fail."""
    isolation: Isolation
    """The sandbox it ran in."""
    interpreter: str
    """Path of the Python that ran it."""
    uid: int
    """User id of this server; the sandbox may lower it."""
    started_at: float
    """Epoch seconds when the sandboxed work began; 0 when it never did."""
    ended_at: float
    """Epoch seconds when it ended; 0 when it never began."""
    explanation: str
    """What this verdict proves and what it can't."""
    limit: Limit = ""
    """The limit at which it was ended; empty where it ended by itself."""
    cpu_s: float = 0.0
    """Seconds of CPU time of everything that ran."""
    coverage: tuple[FileCoverage, ...] = ()
    """Per file, where asked for: measured in the code's own process."""

    @property
    def all_passed(self) -> bool:
        """Whether every test passed; how far that can be relied on, `proven` says."""
        return self.state in {"passed", "unconfirmed"}


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """Which lines of the code the tests ran."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    percent: float
    """Statements of all files that ran; tests themselves do not count."""
    files: tuple[FileCoverage, ...]
    """Those with the most missed statements first."""
    state: VerdictState
    """How the tests went: measured in the code's own process, so 'unconfirmed' at best."""
    passed: int
    failed: int
    digest: str
    """What failed, for a model."""


@dataclass(frozen=True, slots=True)
class CandidateOutcome:
    """What one candidate did with every assertion and every call."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    load: str
    """Empty where its modules could be imported; else the error, such as `NameError: ...`."""
    rows: tuple[str, ...]
    """For each assertion: `pass`, `fail`, `timeout`, or `error: ValueError: ...`."""
    values: tuple[str, ...]
    """For each call: `= ` and the value's repr, `timeout`, or `error: ValueError: ...`."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All candidates against all assertions, each cell on its own."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    candidates: tuple[CandidateOutcome, ...]
    """In the order in which they were given."""
    isolation: Isolation
    """The sandbox it ran in."""
    interpreter: str
    """Path of the Python that ran it."""
    uid: int
    """User id of this server; the sandbox may lower it."""
    started_at: float
    """Epoch seconds when the sandboxed work began; 0 when it never did."""
    ended_at: float
    """Epoch seconds when it ended; 0 when it never began."""
    proven: Proven
    """What each outcome rests on."""
    explanation: str
    """What this proves and what it can't."""


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """What a script did."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    exit_code: int
    """Exit code, or minus the signal's number."""
    stdout: str
    """The first 16,000 characters that it printed."""
    stderr: str
    """The last 8,000 characters of its errors."""
    truncated: bool
    """Whether stdout or stderr was cut."""
    state: ScriptState
    """'ok' means exit code 0."""
    reason: str
    """Why it was ended from outside; else empty."""
    isolation: Isolation
    """The sandbox it ran in."""
    interpreter: str
    """Path of the Python that ran it."""
    uid: int
    """User id of this server; the sandbox may lower it."""
    started_at: float
    """Epoch seconds when the sandboxed work began; 0 when it never did."""
    ended_at: float
    """Epoch seconds when it ended; 0 when it never began."""
    limit: Limit = ""
    """The limit at which it was ended; empty where it ended by itself."""
    cpu_s: float = 0.0
    """Seconds of CPU time of everything that ran."""


@dataclass(frozen=True, slots=True)
class SyntaxFault:
    """One place that does not compile."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    path: str
    """The file, relative to the given path."""
    line: int
    """Counts from 1; 0 when the error has no location."""
    column: int
    """Counts from 1; 0 when the error has no location."""
    message: str
    """What the compiler says."""


@dataclass(frozen=True, slots=True)
class SyntaxReport:
    """Whether sources compile."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    ok: bool
    """True when every file compiles."""
    errors: tuple[SyntaxFault, ...]
    """The first error of each file."""
