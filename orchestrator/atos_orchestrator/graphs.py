"""Builds LangGraph graphs from a transition table, in the one shape that survives a crash.

A replayed workflow recognises its steps by their order, so a graph must never run two nodes at a time,
and nothing but the workflow may keep state or repeat work: no fan-out, no checkpointer, no retry policy,
no interrupts. `checked_compile` refuses any other graph.

LangGraph ships no types that a strict checker accepts; this is the only module that imports it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from langgraph.graph import END, START, StateGraph  # pyright: ignore[reportMissingTypeStubs]

from atos_orchestrator.ports import Json

__all__ = ["END", "START", "GraphShapeError", "Run", "StateGraph", "build", "checked_compile"]

RECURSION_LIMIT = 240
"""Most nodes that one run may visit; LangGraph's own default would let a loop run for hours."""

Run = Callable[[Json], Awaitable[Json]]
"""Runs a compiled graph: first state -> last state."""

Transitions = Mapping[str, tuple[str, ...]]
"""Node -> nodes that may follow; none: the graph ends there. The first entry is the start."""


class GraphShapeError(TypeError):
    """A graph has a shape that a replay would mix up."""


def build(
    state: type[Any],
    transitions: Transitions,
    nodes: Sequence[Callable[[Any], Awaitable[Json]]],
    routes: Mapping[str, Callable[[Any], str]],
) -> Run:
    """Return the graph that a transition table describes.

    Args:
        state: what the nodes pass on, a TypedDict.
        transitions: the table.
        nodes: one coroutine function for each entry of the table but the first, by name.
        routes: for each entry with several successors, what chooses one.
    """
    builder: Any = StateGraph(state)
    for node in nodes:
        builder.add_node(node.__name__, node)
    for name, successors in transitions.items():
        place = START if name == next(iter(transitions)) else name
        if len(successors) > 1:
            builder.add_conditional_edges(place, routes[name], list(successors))
        else:
            builder.add_edge(place, successors[0] if successors else END)
    return checked_compile(builder)


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
