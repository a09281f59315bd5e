"""The suite's tools that ask their caller by answers that want more (2026-07-28)."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from typing import Any

from fastmcp import Context, FastMCP
from mcp import MCPError
from mcp.types import (
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
)

SECRET = secrets.token_bytes(32)
Asked = str | InputRequiredResult


def fields_schema(**fields: str) -> dict[str, Any]:
    """Return the schema of a form with fields of these types."""
    return {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in fields.items()},
        "required": list(fields),
    }


def form(message: str, **fields: str) -> ElicitRequest:
    """Return a request for fields of these types."""
    params = ElicitRequestFormParams(message=message, requested_schema=fields_schema(**fields))
    return ElicitRequest(method="elicitation/create", params=params)


def sampling(text: str) -> CreateMessageRequest:
    """Return a request for a model's words."""
    said = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    params = CreateMessageRequestParams(messages=[said], max_tokens=100)
    return CreateMessageRequest(method="sampling/createMessage", params=params)


ROOTS = ListRootsRequest(method="roots/list")


def sealed(state: str) -> str:
    """Return a state that nobody can change unnoticed."""
    return f"{state}.{hmac.new(SECRET, state.encode(), hashlib.sha256).hexdigest()}"


def opened(sent: str | None) -> str:
    """Return the state that was sealed.

    Raises:
        MCPError: it is not one of ours.
    """
    state = (sent or "").rpartition(".")[0]
    if not hmac.compare_digest(sealed(state), sent or ""):
        raise MCPError(INVALID_PARAMS, "the request state is not one of this server's")
    return state


def want(state: str | None = None, **requests: Any) -> InputRequiredResult:
    """Return the answer that asks."""
    return InputRequiredResult(
        result_type="input_required", input_requests=requests, request_state=state
    )


def given(context: Context, name: str, kind: str = "content") -> Any:
    """Return what was answered under a name; None if it was not, or is something else."""
    reply = (context.input_responses or {}).get(name)
    return getattr(reply, kind, None)


def field(context: Context, name: str, key: str) -> Any:
    """Return one field of the form that was answered under a name."""
    content: dict[str, Any] = given(context, name) or {}
    return content.get(key)


async def test_input_required_result_elicitation(context: Context) -> Asked:
    """Ask for a name."""
    name = field(context, "user_name", "name")
    if not isinstance(name, str):
        return want(user_name=form("What is your name?", name="string"))
    return f"Hello, {name}!"


async def test_input_required_result_sampling(context: Context) -> Asked:
    """Ask a model for a capital."""
    said = given(context, "capital_question")
    if said is None:
        return want(capital_question=sampling("What is the capital of France?"))
    return said.text if isinstance(said, TextContent) else str(said)


async def test_input_required_result_list_roots(context: Context) -> Asked:
    """Ask for the client's roots."""
    roots = given(context, "client_roots", "roots")
    if roots is None:
        return want(client_roots=ROOTS)
    return ", ".join(str(root.uri) for root in roots)


async def test_input_required_result_request_state(context: Context) -> Asked:
    """Ask for a confirmation, and want its own state back."""
    if given(context, "confirm") is None:
        return want(sealed("asked"), confirm=form("Please confirm", ok="boolean"))
    opened(context.request_state)
    return "state-ok"


async def test_input_required_result_multiple_inputs(context: Context) -> Asked:
    """Ask for three things at once."""
    if context.input_responses is None:
        return want(
            sealed("three"),
            user_name=form("What is your name?", name="string"),
            greeting=sampling("Generate a greeting"),
            client_roots=ROOTS,
        )
    opened(context.request_state)
    return "Got all three."


async def test_input_required_result_multi_round(context: Context) -> Asked:
    """Ask twice."""
    if context.request_state is None:
        return want(sealed("{}"), step1=form("Step 1: What is your name?", name="string"))
    state: dict[str, Any] = json.loads(opened(context.request_state))
    if (first := given(context, "step1")) is not None:
        ask = form("Step 2: What is your favorite color?", color="string")
        return want(sealed(json.dumps(first)), step2=ask)
    return f"{state.get('name')} likes {field(context, 'step2', 'color')}"


async def test_input_required_result_tampered_state(context: Context) -> Asked:
    """Refuse a state that was changed."""
    if context.input_responses is None:
        return want(sealed("whole"), confirm=form("Please confirm", ok="boolean"))
    opened(context.request_state)
    return "state-ok"


async def test_input_required_result_capabilities(context: Context) -> Asked:
    """Ask only for what the client can do."""
    if context.input_responses is not None:
        return "Done."
    asks: dict[str, Any] = {}
    params = context.session.client_params
    can = params.capabilities if params else None
    if can and can.sampling:
        asks["words"] = sampling("Say something")
    if can and can.elicitation:
        asks["name"] = form("What is your name?", name="string")
    if can and can.roots:
        asks["roots"] = ROOTS
    return want(**asks) if asks else "This client can't be asked."


async def test_streaming_elicitation(context: Context) -> Asked:
    """Ask in an answer, never by a request of its own."""
    return await test_input_required_result_elicitation(context)


async def test_missing_capability(context: Context) -> str:
    """Need a client that can be asked for a model's words."""
    params = context.session.client_params
    if params is None or params.capabilities.sampling is None:
        wanted: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        text = "this tool needs a client with sampling"
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, text, wanted)
    return "This client can be asked."


async def test_input_required_result_prompt(context: Context) -> Asked:
    """Ask for a context before the prompt is there."""
    said = field(context, "user_context", "context")
    if not isinstance(said, str):
        return want(user_context=form("What context should the prompt use?", context="string"))
    return f"Use this context: {said}"


TOOLS = (
    test_missing_capability,
    test_input_required_result_elicitation, test_input_required_result_sampling,
    test_input_required_result_list_roots, test_input_required_result_request_state,
    test_input_required_result_multiple_inputs, test_input_required_result_multi_round,
    test_input_required_result_tampered_state, test_input_required_result_capabilities,
    test_streaming_elicitation,
)  # fmt: skip


def add_questions(server: FastMCP) -> None:
    """Add them to a server."""
    for tool in TOOLS:
        server.tool(tool, output_schema=None)
    server.prompt(test_input_required_result_prompt)
