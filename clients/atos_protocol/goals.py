"""Goals and tasks as every part sees them: their states, their events, and the view of a goal.

    task   pending -> queued -> running -> done | failed
           skipped when a dependency failed, cancelled on request

The states and what may follow them are data (`TASK_TRANSITIONS`); whoever stores, folds, shows or waits
for a goal imports them from here. Plain dataclasses, because the command line reads them too; the
daemons turn them into JSON and back with pydantic, and the attribute docstrings below are the
descriptions in the tools' output schemas. Nothing is null: a client's schema has no unions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

DESCRIBED = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}
"""Pydantic's configuration of these types: an attribute's docstring is its description in a schema,
and what is sent always has every field."""

Complexity = Literal["simple", "medium", "complex"]
COMPLEXITIES: tuple[Complexity, ...] = get_args(Complexity)

TaskState = Literal["pending", "queued", "running", "done", "failed", "skipped", "cancelled"]
TASK_TRANSITIONS: Mapping[TaskState, frozenset[TaskState]] = {
    "pending": frozenset({"queued", "running", "skipped", "cancelled"}),
    "queued": frozenset({"running", "skipped", "cancelled"}),
    "running": frozenset({"done", "failed", "cancelled"}),
    "done": frozenset(),
    "failed": frozenset(),
    "skipped": frozenset(),
    "cancelled": frozenset(),
}
"""State of a task -> states that may follow it."""

FINAL_TASK_STATES: frozenset[TaskState] = frozenset(
    state for state, after in TASK_TRANSITIONS.items() if not after
)
"""States that a task never leaves while its goal runs; a resumed goal takes some back to pending."""

GoalState = Literal[
    "queued",
    "planning",
    "running",
    "verifying",
    "waiting",
    "paused",
    "success",
    "failed",
    "cancelled",
    "needs_help",
    "limit_reached",
]
GOAL_STATES: tuple[GoalState, ...] = get_args(GoalState)
FINAL_GOAL_STATES: frozenset[GoalState] = frozenset(
    {"success", "failed", "cancelled", "needs_help", "limit_reached"}
)
"""States in which nothing works for a goal; whoever follows one stops here."""
RESUMABLE_GOAL_STATES: frozenset[GoalState] = frozenset({"failed", "needs_help", "limit_reached"})
"""Final states that an answer, code handed in or a retry leaves again (event `goal_resumed`)."""

APPROVAL_NEEDED = "approval_needed"
"""Code of the error with which a run ends whose plan a person is to approve; its tasks wait meanwhile."""

Priority = Literal["low", "normal", "high"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)

EventKind = Literal[
    "goal_submitted",
    "goal_started",
    "announcement",
    "plan_ready",
    "plan_review",
    "noted",
    "limits_set",
    "task_queued",
    "task_routed",
    "task_started",
    "model_call",
    "code_written",
    "syntax_checked",
    "evidence_found",
    "evaluated",
    "selected",
    "tests_run",
    "reflected",
    "asked",
    "goal_resumed",
    "goal_paused",
    "goal_unpaused",
    "task_committed",
    "task_done",
    "goal_verified",
    "goal_finished",
    "waiting",
    "warning",
]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)


Proof = Literal["", "examples", "tests", "agreed", "unproven"]
"""What accepted code rests on: examples of the goal or of a person, tests that were handed in, agreement
of independent candidates and assertions, or nothing (a page of documentation). Empty before anything is
accepted."""


@dataclass(frozen=True, slots=True)
class Question:
    """The one input on which the best candidates differ: whoever answers decides between them."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    text: str
    """What to ask a person: `median([1, 2]) gives 1 or 1.5?`; empty where nothing is asked."""
    call: str = ""
    """The call: `median([1, 2])`."""
    options: tuple[str, ...] = ()
    """What the candidates give, most backed first: a value, or `raises ValueError`."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a goal."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    seq: int
    """Grows with every event of a goal; no two events share one."""
    goal: str
    task: str
    """Empty when the event concerns the whole goal."""
    kind: str
    """One of `EVENT_KINDS`; a newer version may add some."""
    at: float
    """Epoch seconds."""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    """What belongs to the kind; see `atos_orchestrator.events`."""


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task of a goal."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    id: str
    """T1, T2, ..."""
    title: str
    complexity: str
    """simple, medium or complex; picks the pool."""
    state: TaskState = "pending"
    rounds: int = 0
    """Attempts after the first."""
    proof: Proof = ""
    """What the accepted code rests on."""
    evidence: str = ""
    """The same in words: `3 of 3 examples`, `7 assertions that 4 of 5 candidates pass`."""
    question: Question = field(default_factory=lambda: Question(""))
    """What answer_question would decide; its text is empty where nothing is asked."""
    branches: tuple[str, ...] = ()
    """Branches of the repository with the best candidates, where none was accepted."""
    waiting: str = ""
    """What it waits for: a sandbox, a daemon, space on the disk; empty while it works."""
    why: str = ""
    """Why it was not done, in at most three lines; get_task has more. Empty where it was."""


@dataclass(frozen=True, slots=True)
class TestCounts:
    """Tests of the goal: of the final verification, or of its tasks while it runs."""

    __test__ = False  # pytest looks for classes of such a name

    passed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Spent:
    """Where the seconds of a goal went: the sum of all tasks' work, so it may exceed the time that passed."""

    prompt_s: float = 0.0
    """Models read prompts."""
    writing_s: float = 0.0
    """Models wrote."""
    waiting_s: float = 0.0
    """Requests waited for a model, loading included."""
    sandbox_s: float = 0.0
    """Code ran."""
    rest_s: float = 0.0
    """What is left of the time that passed; 0 where the work of parallel tasks adds up to more."""


@dataclass(frozen=True, slots=True)
class GoalView:
    """A goal as it stands: a pure fold of its events."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    id: str = ""
    goal: str = ""
    """What was asked for."""
    state: GoalState = "queued"
    """Final: success, failed, cancelled, needs_help, limit_reached."""
    repository: str = ""
    """Folder of the git repository; empty at first."""
    deployment_url: str = ""
    """Empty where nothing was deployed."""
    engine: str = ""
    """What ran the models."""
    models: tuple[str, ...] = ()
    """Models that worked on it."""
    tasks: tuple[TaskView, ...] = ()
    tests: TestCounts = field(default_factory=TestCounts)
    seconds: float = 0.0
    """From submission to the newest event, without the time in which it waited for a person or was paused."""
    spent: Spent = field(default_factory=Spent)
    seq: int = 0
    """Newest event; pass it to wait_goal as after_seq."""
    summary: str = ""
    announcement: str = ""
    """What the person should be told; may be empty."""
    isolation: str = ""
    """How the sandbox that ran the tests isolates; empty before any did."""
    uid: int = -1
    """User id that ran the tests; -1 before any did."""
    interpreter: str = ""
    """Python that ran the tests."""
    error: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    """code, message and next of what ended it; else empty."""
    waiting: str = ""
    """What the goal itself waits for, as in its tasks; empty while it works."""
    priority: Priority = "normal"
    ahead: int = 0
    """Goals that begin before this one, while it is queued."""
    typical_s: float = 0.0
    """Seconds that the last goals took, while it is queued; 0: not known."""
    starts_in_s: float = 0.0
    """Seconds until it probably begins, judged by that; 0: not known."""


@dataclass(frozen=True, slots=True)
class GoalNews:
    """What happened to a goal since the caller last looked."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    events: tuple[Event, ...]
    seq: int
    """Pass it as after_seq next time."""
    goal: GoalView


@dataclass(frozen=True, slots=True)
class TaskReport:
    """Everything about one task."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    goal: str
    """Id of its goal."""
    id: str
    title: str
    complexity: str
    state: TaskState
    rounds: int
    """Attempts after the first."""
    digest: str
    """Its last failure, at most 40 lines; empty where it has none."""
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class GoalCheck:
    """What is known of a goal before it is started."""

    __pydantic_config__: ClassVar[dict[str, Any]] = DESCRIBED

    modules: tuple[str, ...] = ()
    """Python files that it names."""
    signatures: tuple[str, ...] = ()
    """Functions and classes that it names, as it writes them."""
    examples: tuple[str, ...] = ()
    """Examples found in it, as assertions."""
    errors: tuple[str, ...] = ()
    """Clauses about errors that it asks for."""
    constraints: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    """Distributions from the package index that it asks for."""
    language: str = "python"
    """What it wants to have written."""
    models: tuple[str, ...] = ()
    """Models that would work on it; empty where none can."""
    announcement: str = ""
    """What start_goal would announce."""
    refusal: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    """code, message and next of why it can't be started; else empty."""
    warning: str = ""
    """What can't be proven about it; else empty."""
    wants_example: bool = False
    """Whether an example would help: it has none, and the models that would work on it use examples."""


def may_follow(now: TaskState, then: TaskState) -> bool:
    """Tell whether a task in state `now` may enter state `then`."""
    return then in TASK_TRANSITIONS[now]
