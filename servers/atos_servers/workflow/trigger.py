"""Calls one webhook: one request, one deadline, no redirect, and a bounded answer that is safe to show.

A redirect is never followed, because it would carry the payload and the secret to a place that the
configuration does not name. A deadline does not undo the work: the same key tells the workflow that
a second call is the same one.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import anyio
import anyio.to_thread
import httpx

from atos_daemon import outbound_http
from atos_protocol.errors import BadRequestError, DeadlineError, UnreachableError
from atos_protocol.server_url import ServerUrl
from atos_servers.workflow.configuration import LONGEST_SECONDS, Workflow

BODY_LIMIT = 16 * 1024
"""Bytes of an answer that are passed on: about 4,000 tokens."""

Begin = Callable[[str, str], Mapping[str, str]]

HIDDEN = "[secret]"

# C0 and C1 controls but tab and newline, the bidirectional overrides that make text read
# differently than it is stored, zero-width characters, and the invisible tag characters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)

PAYLOAD_LIMIT = 256 * 1024
"""Bytes of a payload as JSON."""

READ_LIMIT = 2 * BODY_LIMIT + 4096
"""Bytes of an answer that are read: what is shown, what cleaning takes out, and a secret."""

KEY_LIMIT = 128
"""Longest idempotency key, in characters."""

KEY_HEADER = "Idempotency-Key"
CORRELATION_HEADER = "X-Correlation-Id"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook answered."""

    status: int
    body: str
    truncated: bool
    key: str
    correlation_id: str
    seconds: float


def clean(raw: bytes, secret: str = "") -> tuple[str, bool]:
    """Return the text of an answer that is safe to show, and whether it was cut.

    Invisible characters are removed, the caller's own secret is masked where the workflow echoes it, and
    the text is cut at `BODY_LIMIT` bytes, between characters.
    """
    text = _UNSEEN.sub("", raw.decode("utf-8", errors="replace").replace("\r\n", "\n"))
    if secret:
        text = text.replace(secret, HIDDEN)
    shown = text.encode()
    if len(shown) <= BODY_LIMIT:
        return text, False
    return shown[:BODY_LIMIT].decode(errors="ignore"), True


def _check_key(key: str) -> str:
    if not key:
        return str(uuid4())
    if len(key) <= KEY_LIMIT and key.isascii() and key.isprintable() and key == key.strip():
        return key
    message = f"key has {len(key)} characters or some that a header can't contain"
    raise BadRequestError(message, next_step=f"Use at most {KEY_LIMIT} printable ASCII letters.")


def _query(payload: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    nested = [name for name, value in payload.items() if not isinstance(value, str | int | float)]
    if nested:
        message = (
            f"payload field {nested[0]!r} is neither text nor a number, and a GET has only its URL"
        )
        step = "Send text, numbers and booleans only, or set `method: POST` for the workflow."
        raise BadRequestError(message, next_step=step)
    return dict(payload)


def _request(workflow: Workflow, payload: Mapping[str, Any]) -> httpx.Request:
    try:
        body = json.dumps(payload, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, UnicodeEncodeError) as error:
        message = f"payload can't be written as JSON: {error}"
        raise BadRequestError(message, next_step="Send finite numbers and valid text.") from error
    if len(body) > PAYLOAD_LIMIT:
        message = f"payload has {len(body)} bytes, more than {PAYLOAD_LIMIT}"
        raise BadRequestError(message, next_step="Write it to a file and send its path.")
    # Identity, so that a small answer can't unpack to a huge one.
    headers = {"accept": "application/json, text/*", "accept-encoding": "identity"}
    if workflow.method == "GET":
        url = httpx.URL(workflow.url).copy_merge_params(_query(payload))
        return httpx.Request("GET", url, headers=headers)
    headers["content-type"] = "application/json"
    return httpx.Request(workflow.method, workflow.url, headers=headers, content=body)


async def _read(response: httpx.Response, secret: str) -> tuple[bytes, bool]:
    """Return the beginning of the answer, and whether there is more."""
    raw = bytearray()
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) > READ_LIMIT:
            # The end may contain half of the secret, which would not be masked.
            return bytes(raw[: READ_LIMIT - len(secret)]), True
    return bytes(raw), False


async def _exchange(
    workflow: Workflow, request: httpx.Request, secret: str
) -> tuple[int, str, bool]:
    async with outbound_http.async_client(ServerUrl(workflow.url), None) as client:
        response = await client.send(request, stream=True)
        try:
            raw, more = await _read(response, secret)
        finally:
            await response.aclose()
    body, cut = clean(raw, secret)
    return response.status_code, body, cut or more


async def trigger(
    workflow: Workflow,
    payload: Mapping[str, Any],
    *,
    key: str,
    seconds: float,
    begin: Begin = lambda _handle, _name: {},
) -> Answer:
    """Call the webhook and return what it answered, whatever the status.

    Args:
        workflow: the webhook.
        payload: the JSON object to send.
        key: idempotency key; empty makes a new one.
        seconds: longest wait; the workflow's own limit holds too.
        begin: told handle and name before it is sent; returns further headers.

    Raises:
        BadRequestError: key or payload can't be sent.
        BadConfigError: the secret can't be read.
        DeadlineError: no complete answer in time; the workflow may still be running.
        UnreachableError: nothing answers at the address.
    """
    if not seconds > 0:
        message = f"timeout_s is {seconds}, but must be above 0"
        raise BadRequestError(message, next_step=f"At most {LONGEST_SECONDS:.0f} seconds count.")
    key, correlation_id = _check_key(key), str(uuid4())
    request = _request(workflow, payload)
    secret = workflow.secret.value() if workflow.secret else ""
    told = await anyio.to_thread.run_sync(begin, correlation_id, workflow.name)
    request.headers.update({KEY_HEADER: key, CORRELATION_HEADER: correlation_id, **told})
    if workflow.secret:
        request.headers[workflow.secret.header] = secret
    limit = min(seconds, workflow.timeout)
    started = time.monotonic()
    try:
        with anyio.fail_after(limit):
            status, body, truncated = await _exchange(workflow, request, secret)
    except TimeoutError as error:
        message = f"{workflow.name} did not answer within {limit:g} s; it may still be running"
        step = f"Trigger it again with key {key!r}: a workflow that checks it won't start twice."
        if told:
            step += f" Or, where it calls back: get_execution({correlation_id!r})."
        raise DeadlineError(message, next_step=step) from error
    except httpx.HTTPError as error:
        message = f"{workflow.name} at {workflow.address} gave no answer: {type(error).__name__}"
        step = "Start n8n, or correct the url in workflows.yaml."
        raise UnreachableError(message, next_step=step) from error
    return Answer(status, body, truncated, key, correlation_id, time.monotonic() - started)
