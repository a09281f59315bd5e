"""The tools' arguments: their types, limits and descriptions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from atos_protocol.goals import Priority
from atos_servers.orchestrate.plan_schema import PLAN_SCHEMA

GoalText = Annotated[str, Field(description="What to build, in one or a few sentences.")]
GoalId = Annotated[str, Field(description="Id of a goal, as start_goal or list_goals returns it.")]
TaskId = Annotated[str, Field(description="T1, T2, ...")]
Into = Annotated[
    str,
    Field(
        description="Absolute path of a new or empty folder, or of a git repository, in which the"
        " work is committed to a separate branch. It must be inside the directories that the user has"
        " allowed. Default: a new folder below ~/atos."
    ),
]
GivenPlan = Annotated[
    dict[str, Any],
    Field(
        default_factory=dict,
        description="Your own plan, which small local models then execute; an empty one is made here."
        " Worth writing for anything larger than one file.",
        json_schema_extra=PLAN_SCHEMA,
    ),
]
PlanToRun = Annotated[
    dict[str, Any],
    Field(
        description="The whole plan, as get_plan shows it.", json_schema_extra={"type": "object"}
    ),
]
Review = Annotated[
    bool, Field(description="Stop with the plan, before anything works, until it is approved.")
]
Examples = Annotated[
    list[str],
    Field(
        default_factory=list,
        description="3 to 5 examples that you write from what the user wants, one each: `f(1) -> 2`,"
        " `f([]) == []`, `f(-1) raises ValueError`, or an `assert`. They decide whether code is right.",
    ),
]
Tests = Annotated[
    str,
    Field(
        description="Text of a pytest file (at most 64 KB) that decides whether the code is right,"
        " instead of examples. The goal is one task then, which writes the module that it imports."
    ),
]
Urgency = Annotated[
    Priority,
    Field(
        description="Which queued goals begin first: high counts as an hour older, low as an hour younger."
    ),
]
Deploy = Annotated[
    Literal["", "local"],
    Field(
        description="`local` serves the finished result on this machine; the goal has its URL then."
    ),
]
Router = Annotated[
    Literal["builtin", "n8n"],
    Field(description="n8n: the user's workflow `router` chooses each task's pool."),
]
TaskPool = Literal["auto", "simple", "medium", "complex"]
Pool = Annotated[
    TaskPool, Field(description="Pool of models to start with; auto classifies the task.")
]
Key = Annotated[
    str,
    Field(
        description="Idempotency key: a call with a known key returns its goal and starts nothing."
    ),
]
RouteTicket = Annotated[
    str, Field(description="Of a goal's task that waits for its route: it begins with `pool`.")
]
Answer = Annotated[
    str,
    Field(
        description="Number of an option (1 is the first), a value as Python writes it, `raises"
        " ValueError`, or a whole example; without a question, a whole example.",
        max_length=4000,
    ),
]
Files = Annotated[
    dict[str, str],
    Field(description="Path -> text of the task's own files, relative to the repository."),
]
