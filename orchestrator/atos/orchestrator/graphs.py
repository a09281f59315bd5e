"""Compiles LangGraph graphs of the one shape that survives a crash inside a durable workflow.

Steps of a workflow are recognised by their order when it is replayed, so a graph must never run two
nodes at a time, and nothing but the workflow may keep state or repeat work: no fan-out, no
checkpointer, no retry policy, no interrupts. `checked_compile` refuses any other graph.
"""

from __future__ import annotations

from typing import Any, cast

from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

RECURSION_LIMIT = 80
"""Most nodes that one run may visit; LangGraph's own default would let a loop run for hours."""


class GraphShapeError(TypeError):
    """A graph has a shape that a replay would mix up."""


def checked_compile(
    builder: StateGraph[Any, Any, Any, Any],
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Compile a graph after checking that its nodes run one at a time and only once per visit.

    Raises:
        GraphShapeError: a node has a retry policy, waits for several others, is deferred, or has more
            than one way out that is taken at the same time.
    """
    faults: list[str] = []
    if builder.waiting_edges:
        faults.append("an edge waits for several nodes")
    for name, node in builder.nodes.items():
        if node.retry_policy is not None:
            faults.append(f"{name} has a retry policy")
        if node.defer:
            faults.append(f"{name} is deferred")
    starts = [*builder.nodes, "__start__"]
    for name in starts:
        plain = sum(1 for start, _ in builder.edges if start == name)
        ways = plain + len(builder.branches.get(name, {}))
        if ways > 1:
            faults.append(f"{name} has {ways} ways out at the same time")
    if faults:
        message = f"the graph could run nodes side by side or twice: {'; '.join(faults)}"
        raise GraphShapeError(message)
    graph = builder.compile(checkpointer=False)
    return cast(
        "CompiledStateGraph[Any, Any, Any, Any]",
        graph.with_config(recursion_limit=RECURSION_LIMIT),
    )
