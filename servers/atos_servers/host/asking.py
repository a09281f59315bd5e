"""Asking the person behind an MCP host: for an approval or an answer. Anything but a clear answer is none.

    the person's own program -> nobody is asked: who calls decides
    2025-11-25 and older     -> the server asks (`elicitation/create`) while the call waits
    2026-07-28               -> the call ends with the question, and comes again with the answer
    a host that can't ask    -> refused, with the command that does the same in a terminal

A model reads what a tool returns and may call it again, so nothing that it says counts as a person's answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio
from fastmcp import Context
from mcp.types import (
    ClientCapabilities,
    ElicitationCapability,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from atos_protocol.errors import ConflictError, UnauthorizedError
from atos_servers.host.connection import MODEL_CLIENTS, client

ASK_SECONDS = 40.0
"""How long a person is waited for: no call lasts longer than 45 s."""
KEY, FIELD = "answer", "value"


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a person is asked."""

    text: str
    kind: type[bool | str]
    """bool: an approval; str: an answer in words."""
    command: str
    """What the person types in a terminal instead."""

    @property
    def schema(self) -> dict[str, Any]:
        """The form that a host shows: one field."""
        kind = "boolean" if self.kind is bool else "string"
        return {"type": "object", "properties": {FIELD: {"type": kind}}, "required": [FIELD]}


def asks_person() -> bool:
    """Tell whether a model may be calling, so that a person has to be asked."""
    return client() in MODEL_CLIENTS


async def ask_person(context: Context, inquiry: Inquiry) -> bool | str | InputRequiredResult:
    """Return what a person answers; an `InputRequiredResult` is to be returned from the tool as it is.

    Raises:
        UnauthorizedError: this host can't ask a person.
        ConflictError: the person declined, or did not answer in time.
    """
    if not _can_ask(context):
        message = "this has to come from a person, and this host has no way to ask one"
        raise UnauthorizedError(message, next_step=f"Have the user type: {inquiry.command}")
    if not _is_modern(context):
        return await _wait_for_answer(context, inquiry)
    if context.input_responses is None:
        form = ElicitRequestFormParams(message=inquiry.text, requested_schema=inquiry.schema)
        ask = ElicitRequest(method="elicitation/create", params=form)
        return InputRequiredResult(result_type="input_required", input_requests={KEY: ask})
    reply = context.input_responses.get(KEY)
    return _answer(inquiry, reply if isinstance(reply, ElicitResult) else None)


async def _wait_for_answer(context: Context, inquiry: Inquiry) -> bool | str:
    reply: ElicitResult | None = None
    with anyio.move_on_after(ASK_SECONDS):
        reply = await context.session.elicit(
            message=inquiry.text,
            requested_schema=inquiry.schema,
            related_request_id=context.request_id,
        )
    return _answer(inquiry, reply)


def _answer(inquiry: Inquiry, reply: ElicitResult | None) -> bool | str:
    value = (reply.content or {}).get(FIELD) if reply and reply.action == "accept" else None
    if isinstance(value, inquiry.kind) and value:
        return value
    said = "no answer came" if reply is None else f"the person said: {reply.action}, {value!r}"
    message = f"it was not approved or answered: {said}"
    raise ConflictError(message, next_step=f"The user can still type: {inquiry.command}")


def _is_modern(context: Context) -> bool:
    request = context.request_context
    return request is not None and request.protocol_version in MODERN_PROTOCOL_VERSIONS


def _can_ask(context: Context) -> bool:
    wanted = ClientCapabilities(elicitation=ElicitationCapability())
    session = context.session
    may_send = _is_modern(context) or session.can_send_request
    return may_send and session.check_client_capability(wanted)
