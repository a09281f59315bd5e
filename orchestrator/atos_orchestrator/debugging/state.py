"""What the debug graph needs, what it carries from node to node, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from atos_orchestrator.agents.model_request import Chat
from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.ports import Emit, Json, Steps
from atos_orchestrator.strategies.strategy import SamplingPlan, Strategy
from atos_orchestrator.task import Task
from atos_protocol.goals import Proof, Question
from atos_protocol.scheduler_api import Pool


@dataclass(frozen=True, slots=True)
class DebugContext:
    """What the graph needs from outside."""

    task: Task
    workspace: TaskWorkspace
    strategy: Strategy
    steps: Steps
    chat: Chat
    emit: Emit
    goal: str = ""
    """The goal's own words."""
    seeds: tuple[Mapping[str, str], ...] = ()
    """Candidates from outside, as path -> text: handed in by a person or host, or kept from before an
    answer. They are judged before anything is sampled."""
    pools: tuple[Pool, ...] = ()
    """The pools as they were when the goal was accepted."""
    modules: tuple[str, ...] = ()
    """Top-level modules of the packages that are installed for it."""

    @property
    def plans(self) -> tuple[SamplingPlan, ...]:
        """What may be spent on this task, pool by pool."""
        return self.strategy.sampling(self.task, self.pools)


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How a debug graph ended."""

    outcome: Literal["done", "needs_help"]
    rounds: int
    """Candidates after the first."""
    files: tuple[str, ...] = ()
    """What to commit, relative to the worktree."""
    passed: int = 0
    failed: int = 0
    """Tests of the last run."""
    pool: str = ""
    model: str = ""
    engine: str = ""
    isolation: str = ""
    uid: int | None = None
    interpreter: str = ""
    digest: str = ""
    """With `needs_help`: what failed, in at most 40 lines."""
    proof: Proof = ""
    evidence: str = ""
    """What the accepted code rests on, in words."""
    question: Question | None = None
    """With `needs_help`: the input on which the best candidates differ, if that is what is missing."""
    kept: tuple[Mapping[str, str], ...] = ()
    """With `needs_help`: the best candidates, as path -> text; they are the seeds of what goes on."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One program for a task. Its text is a draft in the worktree; here are the drafts' hashes."""

    draft: Mapping[str, str] = field(default_factory=dict[str, str])
    """Path -> hash; empty where the reply could not be used."""
    model_tests: Mapping[str, str] = field(default_factory=dict[str, str])
    """The same for tests that the model wrote along with its code."""
    fault: str = ""
    """Why it can't be judged, or was refused; empty where it can."""
    mechanical: bool = False
    """Whether the fault is one of syntax or names, which a model can mend when it is told."""
    passed: int = -1
    """Tests that it passed, where whole test files decide."""
    parts: tuple[int, ...] = ()
    """For a combination: for each function of the task the candidate that it is taken from."""
    translated: int = -1
    """For one that raises stated errors where another raised others: which one that is."""
    guarded: int = -1
    """For one that got a check in front of a function: which one it was made of."""
    refused: tuple[str, str] = ("", "")
    """With `guarded`: the clause of the stated error that is checked, and the function."""
    functions: tuple[str, ...] = ()
    """The functions that it wrote anew, where it kept the others; none: it wrote all."""
    pool: str = ""
    model: str = ""
    engine: str = ""

    @property
    def usable(self) -> bool:
        """Whether it may still be chosen."""
        return bool(self.draft) and not self.fault

    @property
    def derived(self) -> bool:
        """Whether it was made of others, so that it has no vote of its own."""
        return bool(self.parts) or self.origin >= 0

    @property
    def origin(self) -> int:
        """The one candidate that this one is, but for stated errors; -1 for all others."""
        return max(self.translated, self.guarded)

    def wrote(self, function: str) -> bool:
        """Tell whether a sample wrote this function anew; of no function in particular it is true."""
        return not self.functions or not function or function in self.functions


class DebugState(TypedDict):
    """The graph's state: small, JSON, no code."""

    stage: int
    """Index into the plans of the pools."""
    sampled: int
    """Candidates drawn in this stage."""
    asked: int
    """Testers asked in this stage."""
    repaired: bool
    """Whether this stage's repair is spent."""
    candidates: list[Json]
    """Of `Candidate`."""
    checked: int
    """How many of them have been checked."""
    assertions: list[Json]
    """Of `Assertion`."""
    calls: list[str]
    """Calls on which the candidates' values are compared."""
    outcomes: Json
    """Candidate's number -> its `Column` so far, as JSON."""
    weak: bool
    """Whether the examples also pass on a stub, and so decide nothing by themselves."""
    move: Json
    """What `select` decided, a `Move`."""
    verdict: Json
    """Of the last run of the tests that decide."""
    tests: dict[str, str]
    """Path -> hash of the tests that decided, and stay in the repository."""
    mutants: str
    """How the tests did on wrong code: `a stub and 4 of 6 mutants`."""
    keep_model_tests: bool
    outcome: Json
    """A `TaskResult`; only the last node writes it."""


def first_state() -> DebugState:
    """Return the state in which a graph starts."""
    return DebugState(
        stage=0,
        sampled=0,
        asked=0,
        repaired=False,
        candidates=[],
        checked=0,
        assertions=[],
        calls=[],
        outcomes={},
        weak=False,
        move={},
        verdict={},
        tests={},
        mutants="",
        keep_model_tests=False,
        outcome={},
    )
