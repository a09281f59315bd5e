"""Triggering against a real loopback server: what is sent, and what becomes of every answer."""

from __future__ import annotations

import gzip
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from atos_protocol.errors import (
    BadConfigError,
    BadRequestError,
    DeadlineError,
    UnreachableError,
)
from atos_servers.workflow.configuration import Secret, Workflow
from atos_servers.workflow.trigger import BODY_LIMIT, READ_LIMIT, Answer, trigger
from doubles.webhook import Handler, Webhook, webhook_server


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with webhook_server() as running:
        yield running


def workflow_at(url: str, **more: Any) -> Workflow:
    plain = Workflow("report", url, "", method="POST", timeout=40.0, secret=None)
    return replace(plain, **more)


async def send(
    webhook: Webhook, payload: dict[str, Any] | None = None, key: str = "", **more: Any
) -> Answer:
    workflow = workflow_at(webhook.url, **more)
    return await trigger(workflow, payload or {}, key=key, seconds=10)


async def test_the_payload_travels_as_json_with_key_and_correlation_id(webhook: Webhook) -> None:
    answer = await send(webhook, {"town": "Zürich"}, key="order-7")
    (got,) = webhook.received
    assert (got.method, got.path, got.json()) == ("POST", "/webhook/report", {"town": "Zürich"})
    assert got.headers["idempotency-key"] == answer.key == "order-7"
    assert got.headers["x-correlation-id"] == answer.correlation_id
    assert (answer.status, answer.body, answer.truncated) == (200, '{"done":true}', False)


async def test_without_a_key_every_call_gets_its_own(webhook: Webhook) -> None:
    first, second = await send(webhook), await send(webhook)
    assert len({first.key, second.key, first.correlation_id, second.correlation_id}) == 4


async def test_a_get_carries_its_payload_in_the_query_beside_the_configured_one(
    webhook: Webhook,
) -> None:
    webhook.url += "?a=1"
    await send(webhook, {"b": "x&y", "c": 2}, method="GET")
    (got,) = webhook.received
    assert (got.path, got.body) == ("/webhook/report?a=1&b=x%26y&c=2", b"")


async def test_a_get_can_not_carry_a_nested_payload(webhook: Webhook) -> None:
    with pytest.raises(BadRequestError, match="field 'b' is neither text nor a number"):
        await send(webhook, {"a": 1, "b": {}}, method="GET")
    assert webhook.received == []


async def test_the_secret_is_sent_and_hidden_where_the_workflow_echoes_it(
    webhook: Webhook, tmp_path: Path
) -> None:
    def echo(handler: Handler) -> None:
        handler.send(200, str(handler.headers).encode())

    (tmp_path / "key").write_text("s3cret-value\n")
    (tmp_path / "key").chmod(0o600)
    webhook.respond = echo
    secret = Secret("x-webhook-key", "", tmp_path / "key", "")
    answer = await send(webhook, secret=secret)
    assert webhook.received[0].headers["x-webhook-key"] == "s3cret-value"
    assert "s3cret" not in answer.body
    assert "[secret]" in answer.body


async def test_a_missing_secret_sends_nothing(webhook: Webhook, tmp_path: Path) -> None:
    with pytest.raises(BadConfigError):
        await send(webhook, secret=Secret("x-key", "", tmp_path / "gone", "FILE, line 1"))
    assert webhook.received == []


@pytest.mark.parametrize("status", [201, 400, 404, 500, 503])
async def test_every_status_is_an_answer_with_its_body(webhook: Webhook, status: int) -> None:
    webhook.respond = lambda handler: handler.send(status, b"why")
    answer = await send(webhook)
    assert (answer.status, answer.body) == (status, "why")


async def test_a_redirect_is_reported_and_never_followed(webhook: Webhook) -> None:
    with webhook_server() as elsewhere:
        webhook.respond = lambda handler: handler.send(307, b"", location=elsewhere.url)
        answer = await send(webhook, {"private": 1})
        assert (answer.status, elsewhere.received) == (307, [])


async def test_a_huge_answer_is_cut_without_being_read_to_its_end(webhook: Webhook) -> None:
    sent = 0

    def pour(handler: Handler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        for _ in range(20_000):
            sent += handler.wfile.write(b"x" * 10_000)

    webhook.respond = pour
    answer = await send(webhook)
    assert (len(answer.body), answer.truncated) == (BODY_LIMIT, True)
    assert sent < 200_000_000


async def test_an_answer_that_is_mostly_invisible_still_counts_as_cut(
    webhook: Webhook, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("s3cret-value")
    (tmp_path / "key").chmod(0o600)
    hidden = b"\x00" * (READ_LIMIT - 4) + b"s3cret-value" + b"x" * 90_000
    webhook.respond = lambda handler: handler.send(200, hidden)
    answer = await send(webhook, secret=Secret("x-key", "", tmp_path / "key", ""))
    assert (answer.body, answer.truncated) == ("", True)


async def test_a_compressed_answer_is_not_unpacked(webhook: Webhook) -> None:
    bomb = gzip.compress(b"0" * 20_000_000)
    webhook.respond = lambda handler: handler.send(200, bomb, content_encoding="gzip")
    answer = await send(webhook)
    assert "0000" not in answer.body
    assert webhook.received[0].headers["accept-encoding"] == "identity"


async def test_a_slow_workflow_ends_at_the_deadline_with_its_key_for_the_retry(
    webhook: Webhook,
) -> None:
    webhook.respond = Handler.hang
    started = time.monotonic()
    with pytest.raises(DeadlineError) as caught:
        await send(webhook, key="order-7", timeout=0.3)
    assert time.monotonic() - started < 5
    assert "did not answer within 0.3 s; it may still be running" in caught.value.message
    assert "order-7" in caught.value.next_step


async def test_an_answer_that_trickles_in_does_not_outlast_the_deadline(webhook: Webhook) -> None:
    def trickle(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not handler.webhook.closing.wait(0.05):
            handler.wfile.write(b".")
            handler.wfile.flush()

    webhook.respond = trickle
    with pytest.raises(DeadlineError):
        await send(webhook, timeout=0.5)


async def test_cancelling_the_call_lets_the_connection_go(webhook: Webhook) -> None:
    webhook.respond = Handler.hang
    with anyio.move_on_after(0.3) as scope:
        await send(webhook)
    assert scope.cancelled_caught


async def test_an_unreachable_host_is_reported_with_the_address_but_not_the_path() -> None:
    with webhook_server() as gone:
        url = gone.url
    with pytest.raises(UnreachableError) as caught:
        await trigger(workflow_at(url), {}, key="", seconds=5)
    assert "http://127.0.0.1:" in caught.value.message
    assert "/webhook/report" not in str(caught.value)


async def test_a_connection_that_breaks_off_is_no_answer(webhook: Webhook) -> None:
    def break_off(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "1000")
        handler.end_headers()
        handler.wfile.write(b"{")

    webhook.respond = break_off
    with pytest.raises(UnreachableError, match="RemoteProtocolError"):
        await send(webhook)


@pytest.mark.parametrize("key", ["x" * 129, "a\r\nHost: b", "naïve", " padded "])
async def test_a_key_that_no_header_may_carry_is_refused(webhook: Webhook, key: str) -> None:
    with pytest.raises(BadRequestError, match="key has"):
        await send(webhook, key=key)
    assert webhook.received == []


@pytest.mark.parametrize("payload", [{"x": "y" * 300_000}, {"x": math.inf}, {"x": "\ud800"}])
async def test_a_payload_that_can_not_be_sent_is_refused(
    webhook: Webhook, payload: dict[str, Any]
) -> None:
    with pytest.raises(BadRequestError, match="payload"):
        await send(webhook, payload)
    assert webhook.received == []


async def test_a_deadline_of_nothing_is_refused(webhook: Webhook) -> None:
    with pytest.raises(BadRequestError, match="must be above 0"):
        await trigger(workflow_at(webhook.url), {}, key="", seconds=0)
