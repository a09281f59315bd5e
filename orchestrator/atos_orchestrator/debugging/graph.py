"""The debug loop of one task.

    tests -> code -> syntax -> test -+-> accept -> END
      ^       ^        |        |    |
      |       |        v        v    |
      |       +------ reflect <------+    (refused, does not compile, fails)
      +---------------- | (tests that prove nothing, or are wrong)
                        +-> give_up -> END

`tests` is the tester's: it writes before any code exists, and its file is frozen by hash; tests that pass
on a stub are written once more, then a person has to help. With atos-mini the judge is the gate that the
catalogue renders; the model's own tests come along with its code, and stay only if they pass on the
accepted code and fail on its stub. `reflect` decides what is tried next (`ladder`): the attempts are
finite, so the loop is. Every node that touches the world is exactly one step, named after the
attempt. The outcome is written by `accept` and `give_up`, and by nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atos_orchestrator.agents.roles import Profile
from atos_orchestrator.debugging.attempts import ladder
from atos_orchestrator.debugging.judging import Judge
from atos_orchestrator.debugging.result import TaskResult, result_from_json
from atos_orchestrator.debugging.routes import Routes
from atos_orchestrator.debugging.state import DebugState, first_state
from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.debugging.writing import Author
from atos_orchestrator.graphs import END, START, Run, StateGraph, checked_compile
from atos_orchestrator.ports import Chat, Emit, Steps, Tools
from atos_orchestrator.task import Task

STEPS = ("tests", "code", "syntax", "test", "reflect", "finish")
"""What the steps are called, each with a dot and the number of the attempt behind."""


async def debug_task(
    task: Task,
    workspace: Path,
    profile: Profile,
    steps: Steps,
    chat: Chat,
    tools: Tools,
    emit: Emit,
) -> TaskResult:
    """Write a task's files in its worktree until its tests pass, or say what help is needed.

    Args:
        task: what to do.
        workspace: the task's worktree; only the filesystem server writes there.
        profile: how the models are spoken to, and who judges.
        steps: runs durable steps.
        chat: the models.
        tools: the MCP servers.
        emit: appends events of the task.

    Raises:
        AtosError: no model, no sandbox, or a server is out of reach; a task that merely fails its
            tests is a result, not an error.
    """
    run = debug_graph(task, TaskWorkspace(workspace, tools), profile, steps, chat, emit)
    state = await run(dict(first_state()))
    return result_from_json(state["outcome"])


def debug_graph(
    task: Task,
    desk: TaskWorkspace,
    profile: Profile,
    steps: Steps,
    chat: Chat,
    emit: Emit,
) -> Run:
    """Wire the loop of one task."""
    attempts = ladder(profile, task.complexity)
    routes = Routes(task, profile, attempts)
    author = Author(task, desk, routes, attempts, steps, chat, emit)
    judge = Judge(task, desk, profile, attempts, steps, emit)
    builder: Any = StateGraph(DebugState)
    nodes = (author.tests, author.code, judge.syntax, judge.test, author.reflect)
    for node in (*nodes, judge.accept, judge.give_up):
        builder.add_node(node.__name__, node)
    builder.add_conditional_edges(START, routes.first)
    builder.add_conditional_edges("tests", routes.after_tests)
    builder.add_conditional_edges("code", routes.after_code)
    builder.add_conditional_edges("syntax", routes.after_syntax)
    builder.add_conditional_edges("test", routes.after_test)
    builder.add_conditional_edges("reflect", routes.after_reflect)
    builder.add_edge("accept", END)
    builder.add_edge("give_up", END)
    return checked_compile(builder)
