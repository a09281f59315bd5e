"""Ends of goals while nobody was subscribed are nobody's news; afterwards none is missed, and none told twice."""

import errno
from pathlib import Path
from typing import cast

import httpx2
import pytest
from inline_snapshot import snapshot

from atos_orchestrator.execution.goals import Goals
from atos_protocol.goals import GoalView
from atos_servers.orchestrate.callbacks import Callbacks

SECRET = "a secret of sixteen letters"


class Ended:
    """Goals that have ended: number n is goal gN."""

    def __init__(self) -> None:
        self.newest = 0

    async def newest_end(self) -> int:
        return self.newest

    async def ends(self, after: int) -> list[tuple[int, str]]:
        return [(number, f"g{number}") for number in range(after + 1, self.newest + 1)]

    async def get(self, goal: str) -> GoalView:
        ended = int(goal.removeprefix("g")) <= self.newest
        return GoalView(goal, "Do it", "success" if ended else "running")

    async def owner(self, goal: str) -> str:
        return "other" if goal == "g8" else "n8n"


@pytest.fixture
def ended() -> Ended:
    return Ended()


@pytest.fixture
def callbacks(tmp_path: Path, ended: Ended) -> Callbacks:
    async def goals() -> Goals:
        return cast("Goals", ended)

    return Callbacks(tmp_path / "callbacks", goals, lambda: "n8n", ())


async def subscribe(callbacks: Callbacks, **more: str) -> str:
    return (await asked_for(callbacks, **more)).raise_for_status().json()["id"]


async def asked_for(callbacks: Callbacks, **more: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=callbacks.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://atos") as client:
        asked = {"url": "http://127.0.0.1:9/x", "events": ["goal.ended"], "secret": SECRET}
        return await client.post("/callbacks", json={**asked, **more})


async def listed(callbacks: Callbacks) -> list[str]:
    transport = httpx2.ASGITransport(app=callbacks.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://atos") as client:
        return [each["goal_id"] for each in (await client.get("/callbacks")).json()["callbacks"]]


async def unsubscribe(callbacks: Callbacks, identity: str) -> None:
    transport = httpx2.ASGITransport(app=callbacks.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://atos") as client:
        (await client.delete(f"/callbacks/{identity}")).raise_for_status()


def told(tmp_path: Path) -> list[str]:
    folder = tmp_path / "callbacks" / "outbox" / "waiting"
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.json")]
    return sorted(f"g{n}" for n in range(1, 9) if any(f'"g{n}"' in text for text in texts))


async def test_what_ended_before_a_subscription_or_between_two_is_not_told(
    tmp_path: Path, callbacks: Callbacks, ended: Ended
) -> None:
    ended.newest = 2
    first = await subscribe(callbacks)
    ended.newest = 3
    for _ in range(2):
        await callbacks.look()
    await unsubscribe(callbacks, first)
    ended.newest = 6  # while nobody listens, nobody looks either
    await subscribe(callbacks)
    ended.newest = 7
    await callbacks.look()
    assert told(tmp_path) == snapshot(["g3", "g7"])


async def test_a_full_disk_has_nothing_told_that_was_nobodys_news(
    tmp_path: Path, callbacks: Callbacks, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Path, *_: object, **__: object) -> None:
        file.open("w").close()
        raise OSError(errno.ENOSPC, "No space left on device")

    ended.newest = 2
    await subscribe(callbacks)
    ended.newest = 3
    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            await callbacks.look()
    await callbacks.look()

    assert told(tmp_path) == ["g3"]


async def test_a_second_receiver_does_not_make_the_first_miss_anything(
    tmp_path: Path, callbacks: Callbacks, ended: Ended
) -> None:
    await subscribe(callbacks)
    ended.newest = 1  # not looked at yet
    await subscribe(callbacks)
    await callbacks.look()
    assert told(tmp_path) == snapshot(["g1"])


async def test_a_waiting_execution_hears_of_its_goal_once_and_of_no_other(
    tmp_path: Path, callbacks: Callbacks, ended: Ended
) -> None:
    await subscribe(callbacks, goal_id="g2")
    waiting = await listed(callbacks)
    ended.newest = 1
    await callbacks.look()
    before = told(tmp_path)
    ended.newest = 3
    for _ in range(2):
        await callbacks.look()
    left = await listed(callbacks)
    assert (waiting, before, told(tmp_path), left) == (["g2"], [], ["g2"], [])


async def test_a_goal_that_had_ended_when_its_execution_began_to_wait_is_told_at_once(
    tmp_path: Path, callbacks: Callbacks, ended: Ended
) -> None:
    ended.newest = 4
    await subscribe(callbacks, goal_id="g4")
    await callbacks.look()
    left = await listed(callbacks)
    assert (told(tmp_path), left) == (["g4"], [])
    assert len(list((tmp_path / "callbacks" / "outbox" / "waiting").glob("*.json"))) == 1


async def test_a_goal_of_somebody_else_is_not_waited_for(callbacks: Callbacks) -> None:
    refused = await asked_for(callbacks, goal_id="g8")
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        404,
        "there is no goal 'g8'",
    )
    assert await listed(callbacks) == []
