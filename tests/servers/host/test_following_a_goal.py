"""A goal of three tasks followed through the shim, as an MCP host does it, by `wait_goal` alone."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from doubles.host_process import HostProcess, host_process
from doubles.shim_process import ShimProcess

pytestmark = pytest.mark.timeout(240)

GOAL = "Build a text toolkit: count words, reverse a string, check palindromes"


@pytest.fixture(scope="module")
def host() -> Iterator[HostProcess]:
    with host_process() as host:
        yield host


def called(shim: ShimProcess, tool: str, **arguments: Any) -> tuple[dict[str, Any], float]:
    """Call a tool; return its result and what it costs to read, in tokens."""
    result = shim.ask("tools/call", name=tool, arguments=arguments)["result"]
    assert not result.get("isError"), result
    return result, len(json.dumps(result, ensure_ascii=False).encode()) / 4


def test_a_goal_of_three_tasks_is_followed_for_a_thousand_tokens(
    host: HostProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    with ShimProcess(host.person, "orchestrate") as shim:
        shim.shake_hands()
        started, _ = called(shim, "start_goal", goal=GOAL, key="once")
        goal = started["structuredContent"]["id"]
        again, _ = called(shim, "start_goal", goal=GOAL, key="once")
        assert again["structuredContent"]["id"] == goal
        facts: dict[str, Any] = {"seq": 0, "final": False}
        costs = list[float]()
        while not facts["final"]:
            result, cost = called(shim, "wait_goal", goal_id=goal, after_seq=facts["seq"])
            facts = result["structuredContent"]
            costs.append(cost)
    with capsys.disabled():
        sys.stdout.write(f"\nfollowed in {len(costs)} calls, {sum(costs):.0f} tokens\n")
    assert facts["state"] == "success"
    assert len(costs) <= 8
    assert sum(costs) <= 1000


def test_the_combined_server_answers_in_text_alone_and_runs_a_goal(host: HostProcess) -> None:
    with ShimProcess(host.person, "all") as shim:
        shim.shake_hands()
        listed = [tool["name"] for tool in shim.ask("tools/list")["result"]["tools"]]
        started, cost = called(
            shim, "start_goal", goal="Write a Python function to add two numbers"
        )
        status, _ = called(shim, "vram_status")
        missing = shim.ask("tools/call", name="get_goal", arguments={"goal_id": "x"})["result"]
    assert len(listed) == 12
    assert "structuredContent" not in started
    assert "structuredContent" not in status
    assert cost < 200
    assert missing["isError"]
    assert "there is no tool 'get_goal'" in missing["content"][0]["text"]
