"""The Tasks extension over the shim: a goal is a task, whose id is the goal's and outlives the host."""

from collections.abc import Iterator
from typing import Any

import pytest

from doubles.host_process import HostProcess, host_process
from doubles.shim_process import META, ShimProcess

pytestmark = pytest.mark.timeout(240)

GOAL = "Write a Python function to add two numbers"
EXTENSION = "io.modelcontextprotocol/tasks"
CAPABLE: dict[str, Any] = {
    **META,
    "io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}},
}


@pytest.fixture(scope="module")
def host() -> Iterator[HostProcess]:
    with host_process() as host:
        yield host


def asked(
    shim: ShimProcess, method: str, meta: dict[str, Any] = CAPABLE, **params: Any
) -> dict[str, Any]:
    return shim.ask(method, **params, _meta=meta)


def started(shim: ShimProcess, meta: dict[str, Any] = CAPABLE) -> dict[str, Any]:
    return asked(shim, "tools/call", meta, name="start_goal", arguments={"goal": GOAL})["result"]


@pytest.mark.parametrize("server", ["orchestrate", "all"])
def test_a_goal_is_a_task_for_a_client_that_knows_tasks(host: HostProcess, server: str) -> None:
    with ShimProcess(host.person, server) as shim:
        found = asked(shim, "server/discover")["result"]
        task = started(shim)
        host.kill()
        while True:
            answer = asked(shim, "tasks/get", taskId=task["taskId"])
            if "error" in answer:  # the host was killed: the next request starts another one
                assert answer["error"]["data"]["code"] == "unreachable"
            elif answer["result"]["status"] != "working":
                break
    assert EXTENSION in found["capabilities"]["extensions"]
    assert (task["resultType"], task["status"], task["ttlMs"]) == ("task", "working", None)
    done = answer["result"]
    assert (done["resultType"], done["status"]) == ("complete", "completed")
    assert done["result"]["isError"] is False
    assert done["result"]["structuredContent"]["state"] == "success"
    assert done["createdAt"] <= done["lastUpdatedAt"]


def test_who_does_not_know_tasks_gets_a_plain_answer_and_no_tasks(host: HostProcess) -> None:
    with ShimProcess(host.person, "orchestrate") as shim:
        plain = started(shim, META)
        goal = plain["structuredContent"]["id"]
        refused = asked(shim, "tasks/get", META, taskId=goal)["error"]
        asked(shim, "tasks/cancel", taskId=goal)
    assert plain["resultType"] == "complete"
    assert refused["code"] == -32021
    assert EXTENSION in str(refused["data"])


def test_a_task_is_cancelled_and_one_that_is_not_there_is_a_wrong_parameter(
    host: HostProcess,
) -> None:
    with ShimProcess(host.person, "orchestrate") as shim:
        task = started(shim)["taskId"]
        acknowledged = asked(shim, "tasks/cancel", taskId=task)["result"]
        again = asked(shim, "tasks/cancel", taskId=task)["result"]
        status = asked(shim, "tasks/get", taskId=task)["result"]["status"]
        missing = asked(shim, "tasks/get", taskId="g0000000000")["error"]
    assert acknowledged["resultType"] == "complete"
    assert "taskId" not in acknowledged
    assert again["resultType"] == "complete"
    assert status in {"cancelled", "completed"}
    assert missing["code"] == -32602
