"""Only graphs whose nodes run one at a time may be compiled."""

from typing import Any, TypedDict

import pytest
from langgraph.types import RetryPolicy

from atos_orchestrator.graphs import END, START, GraphShapeError, StateGraph, checked_compile


class Count(TypedDict):
    n: int


async def one(state: Count) -> dict[str, int]:
    return {"n": state["n"] + 1}


def until_six(state: Count) -> str:
    return END if state["n"] >= 6 else "a"


def again(state: Count) -> str:
    return "a"


def to_the_end(state: Count) -> str:
    return END


def builder(*nodes: str) -> Any:
    graph: Any = StateGraph(Count)
    for name in nodes:
        graph.add_node(name, one)
    return graph


async def test_a_loop_over_one_node_at_a_time_runs() -> None:
    graph = builder("a", "b")
    graph.add_edge(START, "a")
    graph.add_edge("a", "b")
    graph.add_conditional_edges("b", until_six)

    assert (await checked_compile(graph)({"n": 0}))["n"] == 6


async def test_a_loop_without_an_end_is_stopped() -> None:
    graph = builder("a")
    graph.add_edge(START, "a")
    graph.add_conditional_edges("a", again)

    with pytest.raises(RecursionError):
        await checked_compile(graph)({"n": 0})


def test_fan_out_is_refused() -> None:
    graph = builder("a", "b", "c")
    graph.add_edge(START, "a")
    graph.add_edge("a", "b")
    graph.add_edge("a", "c")

    with pytest.raises(GraphShapeError, match="a has 2 ways out at the same time"):
        checked_compile(graph)


def test_an_edge_beside_a_branch_is_refused() -> None:
    graph = builder("a", "b")
    graph.add_edge(START, "a")
    graph.add_edge("a", "b")
    graph.add_conditional_edges("a", to_the_end)

    with pytest.raises(GraphShapeError, match="a has 2 ways out"):
        checked_compile(graph)


def test_a_node_that_waits_for_several_is_refused() -> None:
    graph = builder("a", "b", "c")
    graph.add_edge(START, "a")
    graph.add_edge(["a", "b"], "c")

    with pytest.raises(GraphShapeError, match="waits for several nodes"):
        checked_compile(graph)


def test_a_retry_policy_is_refused() -> None:
    graph = builder()
    graph.add_node("a", one, retry_policy=RetryPolicy())
    graph.add_edge(START, "a")

    with pytest.raises(GraphShapeError, match="a has a retry policy"):
        checked_compile(graph)
