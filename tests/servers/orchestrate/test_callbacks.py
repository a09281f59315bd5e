"""Callbacks: signed, once, in order, also after the receiver was down; and who may ask for one."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_protocol.errors import BadRequestError, NotFoundError
from atos_protocol.goals import GoalView, Question, TaskView
from atos_servers.orchestrate.callbacks import events_of, message_of
from atos_servers.outbox import outbox as outbox_module
from atos_servers.outbox.breaker import LONGEST_PAUSE_S, Breaker
from atos_servers.outbox.messages import Message, Messages
from atos_servers.outbox.outbox import Outbox
from atos_servers.outbox.signature import HEADER, signature
from atos_servers.outbox.subscriptions import Subscription, Subscriptions, check_subscription
from doubles.eventually import eventually
from doubles.webhook import Handler, Webhook, webhook_server

CONTRACT: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "n8n" / "test" / "contract.json").read_text(encoding="utf-8")
)
SECRET = "a secret of sixteen letters"
ASKING = TaskView("T1", "Median", "simple", question=Question("1 or 1.5?", options=("1", "1.5")))


class Clock:
    """A clock that stands until it is moved."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def answering(status: Callable[[int], int]) -> Callable[[Handler], None]:
    """Answer the n-th request, counted from 1, with `status(n)`."""
    return lambda handler: handler.send(status(len(handler.webhook.received)), b"{}")


def bodies(webhook: Webhook) -> list[str]:
    return [request.json()["id"] for request in webhook.received]


def test_the_signature_is_the_one_that_the_nodes_check() -> None:
    told = CONTRACT["callback"]
    assert signature(told["secret"], told["seconds"], told["body"].encode()) == told["signature"]


async def test_a_message_is_delivered_once_signed_however_often_it_is_put(tmp_path: Path) -> None:
    clock, outbox = Clock(), Outbox(tmp_path, Clock())
    with webhook_server() as webhook:
        message = Message("m1", webhook.url, {"event": "goal.ended"}, SECRET)
        put = [await outbox.put(message) for _ in range(3)]
        await outbox.deliver()
        put.append(await outbox.put(message))
        await outbox.deliver()
    (request,) = webhook.received
    assert put == [True, False, False, False]
    assert request.json() == {"event": "goal.ended", "id": "m1"}
    assert request.headers[HEADER] == signature(SECRET, int(clock()), request.body)
    assert request.headers["idempotency-key"] == "m1"


async def test_what_a_receiver_missed_comes_in_order_when_it_is_back(tmp_path: Path) -> None:
    clock = Clock()
    with webhook_server() as webhook:
        webhook.respond = answering(lambda n: 404 if n <= 2 else 200)
        outbox = Outbox(tmp_path, clock)
        for number in range(3):
            clock.now += 1
            await outbox.put(Message(f"m{number}", webhook.url, {}))
        for _ in range(2):
            await outbox.deliver()
        again = Outbox(tmp_path, clock)  # the host was killed and is back
        assert again.report()["waiting"] == 3
        await again.deliver()
        assert again.report() == {"waiting": 0, "away": [], "given_up": 0}
    assert bodies(webhook) == ["m0", "m0", "m0", "m1", "m2"]


async def test_a_receiver_that_is_down_is_left_alone_and_keeps_nobody_waiting(
    tmp_path: Path,
) -> None:
    clock, outbox = Clock(), Outbox(tmp_path, Clock())
    outbox = Outbox(tmp_path, clock)
    with webhook_server() as down, webhook_server() as well:
        down.respond = answering(lambda _n: 500)
        await outbox.put(Message("d", down.url, {}))
        for _ in range(10):
            await outbox.deliver()
        await outbox.put(Message("w", well.url, {}))
        await outbox.deliver()
        assert (len(down.received), len(well.received)) == (3, 1)
        assert outbox.report()["away"] == [down.url.removesuffix("/webhook/report")]
        clock.now += 6
        await outbox.deliver()
        assert len(down.received) == 4


async def test_an_address_that_refuses_keeps_no_other_address_of_its_receiver_waiting(
    tmp_path: Path,
) -> None:
    clock = Clock()
    outbox = Outbox(tmp_path, clock)
    with webhook_server() as n8n:
        gone = n8n.url.replace("/webhook/", "/webhook-waiting/")  # an execution that was stopped

        def answer(handler: Handler) -> None:
            handler.send(409 if "waiting" in handler.path else 200, b"{}")

        n8n.respond = answer
        await outbox.put(Message("gone", gone, {}))
        for _ in range(10):
            await outbox.deliver()
        await outbox.put(Message("well", n8n.url, {}))
        await outbox.deliver()
        origin = n8n.url.removesuffix("/webhook/report")
    assert bodies(n8n) == ["gone", "gone", "gone", "well"]
    assert outbox.report() == {"waiting": 1, "away": [origin], "given_up": 0}


async def test_after_a_day_a_message_is_given_up(tmp_path: Path) -> None:
    clock = Clock()
    outbox = Outbox(tmp_path, clock)
    with webhook_server() as webhook:
        webhook.respond = answering(lambda _n: 500)
        await outbox.put(Message("m", webhook.url, {}))
        clock.now += 25 * 3600
        await outbox.deliver()
    assert outbox.report() == {"waiting": 0, "away": [], "given_up": 1}


async def test_a_full_disk_ends_neither_the_delivery_nor_the_host_that_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals, keep = [OSError(errno.ENOSPC, "No space left on device")], Messages.keep

    def on_a_full_disk(messages: Messages, message: Message) -> None:
        if refusals:
            raise refusals.pop()
        keep(messages, message)

    monkeypatch.setattr(outbox_module, "LOOK_SECONDS", 0.05)
    outbox = Outbox(tmp_path, Clock())
    with webhook_server() as webhook:
        webhook.respond = answering(lambda n: 500 if n == 1 else 200)
        await outbox.put(Message("m", webhook.url, {}))
        monkeypatch.setattr(Messages, "keep", on_a_full_disk)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outbox.run)
            await eventually(lambda: outbox.report()["waiting"] == 0)
            tasks.cancel_scope.cancel()
    assert (refusals, bodies(webhook)) == ([], ["m", "m"])


async def test_messages_are_looked_at_only_while_one_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, waiting = list[int](), Messages.waiting

    def looked_at(messages: Messages) -> list[Message]:
        found = waiting(messages)
        looks.append(len(found))
        return found

    monkeypatch.setattr(outbox_module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(Messages, "waiting", looked_at)
    outbox = Outbox(tmp_path)
    with webhook_server() as webhook:
        webhook.respond = answering(lambda n: 500 if n < 3 else 200)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outbox.run)
            await eventually(lambda: looks == [0])
            await anyio.sleep(0.2)
            assert looks == [0]
            await outbox.put(Message("m", webhook.url, {}))
            await eventually(lambda: looks == [0, 1, 1, 1])
            await anyio.sleep(0.2)
            tasks.cancel_scope.cancel()

    assert (looks, bodies(webhook)) == ([0, 1, 1, 1], ["m"] * 3)


@given(outcomes=st.lists(st.booleans(), max_size=60))
def test_a_breaker_never_shuts_longer_than_five_minutes_and_opens_with_an_answer(
    outcomes: list[bool],
) -> None:
    breaker, now = Breaker(), 0.0
    for delivered in outcomes:
        breaker = breaker.after(delivered=delivered, now=now)
        assert breaker.open_until <= now + LONGEST_PAUSE_S
        assert not delivered or breaker.lets_through(now)
        now = max(now, breaker.open_until)


def test_a_clock_that_is_set_back_does_not_shut_a_breaker_for_a_day() -> None:
    breaker, now = Breaker(), 1_700_000_000.0
    for _ in range(20):
        breaker = breaker.after(delivered=False, now=now)

    assert not breaker.lets_through(now + LONGEST_PAUSE_S - 1)
    assert breaker.lets_through(now - 86_400)


def test_a_callback_tells_what_a_workflow_needs_and_has_the_same_id_when_told_again() -> None:
    wanted = Subscription("c1", "n8n", "http://127.0.0.1/x", ("goal.asked",), SECRET)
    view = GoalView("g1", "Median of numbers", "needs_help", tasks=(ASKING,))
    message = message_of(wanted, 7, "goal.asked", view)
    assert list(events_of(view)) == ["goal.asked"]
    assert list(events_of(GoalView("g1", state="success", deployment_url="http://x"))) == [
        "goal.ended",
        "deployment.verified",
    ]
    assert message == message_of(wanted, 7, "goal.asked", view)
    assert message.id != message_of(wanted, 9, "goal.asked", view).id
    assert message.body == snapshot(
        {
            "event": "goal.asked",
            "goal_id": "g1",
            "goal": "Median of numbers",
            "state": "needs_help",
            "ok": False,
            "summary": "",
            "tests": {"passed": 0, "failed": 0},
            "deployment_url": "",
            "question": "1 or 1.5?",
            "options": ["1", "1.5"],
            "task_id": "T1",
            "error": {},
        }
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": "ftp://127.0.0.1/x"}, "url is not an http address"),
        ({"url": "http://169.254.169.254/x"}, "callbacks do not go to 169.254.169.254"),
        ({"url": "http://127.0.0.1.example.org/x"}, "callbacks do not go to 127.0.0.1.example.org"),
        ({"events": []}, "events must name"),
        ({"events": ["goal.started"]}, "events must name"),
        ({"secret": "short"}, "the secret has 5 characters"),
    ],
)
def test_a_callback_that_can_not_be_made_says_why(change: dict[str, Any], said: str) -> None:
    asked = {"url": "http://127.0.0.1:5678/webhook/x", "events": ["goal.ended"], "secret": SECRET}
    with pytest.raises(BadRequestError, match=said):
        check_subscription({**asked, **change}, "n8n", ())
    named = {**asked, "url": "http://n8n:5678/webhook/x"}
    assert check_subscription(named, "n8n", ("n8n",)).url == named["url"]


def test_a_subscription_is_its_owners_and_private(tmp_path: Path) -> None:
    kept = Subscriptions(tmp_path / "callbacks")
    mine = Subscription("c1", "n8n", "http://127.0.0.1/x", ("goal.ended",), SECRET)
    kept.add(mine)
    kept.add(Subscription("c2", "n8n", mine.url, ("goal.asked",), SECRET))
    assert [each.id for each in kept.all()] == ["c2"], "the same address is called once"
    with pytest.raises(NotFoundError):
        kept.remove("c2", "other")
    assert (tmp_path / "callbacks" / "c2.json").stat().st_mode & 0o077 == 0
    assert SECRET not in repr(kept.all()) + str(kept.all()[0].shown())
    kept.remove("c2", "n8n")
    assert kept.all() == []
