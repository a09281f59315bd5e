"""Compiles LangGraph graphs of the one shape that survives a crash inside a durable workflow.

Steps of a workflow are recognised by their order when it is replayed, so a graph must never run two
nodes at a time, and nothing but the workflow may keep state or repeat work: no fan-out, no
checkpointer, no retry policy, no interrupts. `checked_compile` refuses any other graph.

LangGraph ships no types that a strict checker accepts; this module is the only one that meets them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from langgraph.graph import END, START, StateGraph  # pyright: ignore[reportMissingTypeStubs]

from atos_orchestrator.ports import Json

__all__ = ["END", "START", "GraphShapeError", "Run", "StateGraph", "checked_compile"]

RECURSION_LIMIT = 80
"""Most nodes that one run may visit; LangGraph's own default would let a loop run for hours."""

Run = Callable[[Json], Awaitable[Json]]
"""Runs a compiled graph: first state -> last state."""


class GraphShapeError(TypeError):
    """A graph has a shape that a replay would mix up."""


def checked_compile(builder: StateGraph[Any, Any, Any, Any]) -> Run:
    """Compile a graph after checking that its nodes run one at a time and only once per visit.

    Raises:
        GraphShapeError: a node has a retry policy, waits for several others, is deferred, or has more
            than one way out that is taken at the same time.
    """
    faults = _faults(cast("Any", builder))
    if faults:
        message = f"the graph could run nodes side by side or twice: {'; '.join(faults)}"
        raise GraphShapeError(message)
    graph = cast("Any", builder).compile(checkpointer=False)

    async def run(first: Json) -> Json:
        return await graph.ainvoke(first, {"recursion_limit": RECURSION_LIMIT})

    return run


def _faults(builder: Any) -> list[str]:
    faults: list[str] = []
    if builder.waiting_edges:
        faults.append("an edge waits for several nodes")
    for name, node in builder.nodes.items():
        if node.retry_policy is not None:
            faults.append(f"{name} has a retry policy")
        if node.defer:
            faults.append(f"{name} is deferred")
    for name in [*builder.nodes, START]:
        plain = sum(1 for start, _ in builder.edges if start == name)
        ways = plain + len(builder.branches.get(name, {}))
        if ways > 1:
            faults.append(f"{name} has {ways} ways out at the same time")
    return faults
