"""A workflow that answers later: its handle, the callback, once, and whose it is."""

import json
from pathlib import Path

import anyio
import httpx2
import pytest
from inline_snapshot import snapshot

from atos_protocol.errors import DeadlineError, NotFoundError
from atos_servers.workflow.configuration import Workflow
from atos_servers.workflow.executions import CALLBACK_HEADER, MOST, Executions
from atos_servers.workflow.trigger import trigger
from doubles.webhook import webhook_server

BASE = "http://127.0.0.1:8756"


class Caller:
    """Whose call it is."""

    name = "n8n"

    def __call__(self) -> str:
        return self.name


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.fixture
def executions(tmp_path: Path, caller: Caller) -> Executions:
    return Executions(tmp_path / "executions", caller, BASE)


async def post(executions: Executions, url: str, body: object) -> tuple[int, object]:
    transport = httpx2.ASGITransport(app=executions.app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        answer = await client.post(url.removeprefix(BASE), json=body)
        return answer.status_code, answer.json()


async def triggered(executions: Executions) -> tuple[str, str]:
    """Trigger a workflow; return its handle, and where it may answer."""
    with webhook_server() as webhook:
        workflow = Workflow("report", webhook.url, "", "POST", 40.0, None)
        answer = await trigger(workflow, {}, key="k", seconds=20, begin=executions.begin)
        (request,) = webhook.received
    return answer.correlation_id, request.headers[CALLBACK_HEADER.lower()]


async def test_a_workflow_that_takes_longer_posts_its_answer_and_the_first_counts(
    executions: Executions,
) -> None:
    handle, url = await triggered(executions)
    running = await executions.get(handle, 0)
    found: list[str] = []
    posted: list[tuple[int, object]] = []

    async def wait() -> None:
        found.append((await executions.get(handle, 20)).body)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        posted.append(await post(executions, url, {"sent": 3}))
    posted.append(await post(executions, url, {"sent": 4}))
    assert (running.done_at, url) == (0.0, f"{BASE}/executions/{handle}")
    assert posted == [(200, {"taken": True}), (200, {"taken": False})]
    assert [json.loads(body) for body in found] == [{"sent": 3}]


async def test_a_handle_is_its_owners_and_survives_a_restart(
    tmp_path: Path, executions: Executions, caller: Caller
) -> None:
    handle, url = await triggered(executions)
    again = Executions(tmp_path / "executions", caller, BASE)
    assert (await post(again, url, "done"))[0] == 200
    assert (await again.get(handle, 0)).body == '"done"'
    caller.name = ""  # the person sees everything
    assert (await again.get(handle, 0)).workflow == "report"
    caller.name = "other"
    with pytest.raises(NotFoundError, match="there is no execution"):
        await again.get(handle, 0)
    unknown = "0" * 36
    assert await post(again, f"{BASE}/executions/{unknown}", 1) == snapshot(
        (404, {"error": {"code": "not_found", "message": "there is no such execution"}})
    )


@pytest.mark.parametrize("handle", ["../../token", "", "x" * 36])
async def test_a_handle_that_is_none_names_no_file(executions: Executions, handle: str) -> None:
    with pytest.raises(NotFoundError):
        await executions.get(handle, 0)


async def test_a_deadline_says_how_to_look_after_it(executions: Executions) -> None:
    with webhook_server() as webhook:
        released = anyio.Event()
        webhook.respond = lambda handler: handler.send(200, b"{}")
        workflow = Workflow("report", webhook.url, "", "POST", 40.0, None)
        with pytest.raises(DeadlineError) as caught:
            await trigger(workflow, {}, key="k", seconds=1e-6, begin=executions.begin)
        released.set()
    assert "get_execution('" in caught.value.next_step


def test_old_executions_are_forgotten(tmp_path: Path, executions: Executions) -> None:
    for number in range(MOST + 5):
        executions.begin(f"{number:036d}", "report")
    assert len(list((tmp_path / "executions").glob("*.json"))) == MOST
