"""The OpenAI-compatible engine beyond the contract: its events, its errors, its absence."""

import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_protocol.errors import EngineError, UnreachableError
from atos_scheduler.engines.openai import OpenAi
from atos_scheduler.engines.openai_wire import (
    EXTENSIONS,
    Events,
    call,
    failure,
    refuses_extensions,
)
from atos_scheduler.engines.protocol import Chunk, ModelSpec, Request
from atos_scheduler.engines.stream import BegunReply
from doubles.strict_server import StrictServer

SPEC = ModelSpec("m", "m", 2048, 1, {"top_p": 0.9, "top_k": 20})
ASKED = ({"role": "user", "content": "hello"},)


def data(**fields: Any) -> str:
    return f"data: {json.dumps(fields)}"


def read(*lines: str) -> list[Chunk]:
    events = Events()
    return [chunk for line in lines if (chunk := events.read(line)) is not None]


def test_a_stream_ends_with_reason_and_usage_from_different_events() -> None:
    found = read(
        data(choices=[{"delta": {"role": "assistant"}}]),
        ": a comment that keeps the connection open",
        data(choices=[{"delta": {"content": "hel"}}]),
        data(choices=[{"delta": {"content": "lo"}, "finish_reason": None}]),
        data(choices=[{"delta": {}, "finish_reason": "length"}]),
        data(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 2}),
        "data: [DONE]",
    )
    end = Chunk(done=True, reason="length", prompt_tokens=7, tokens=2)
    assert found == [Chunk("hel"), Chunk("lo"), end]


def test_what_the_server_remembered_and_how_long_it_took_are_read() -> None:
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 5},
    }
    timings = {"prompt_ms": 250.0, "predicted_ms": 500.0}
    found = read(
        data(choices=[{"delta": {}, "finish_reason": "stop"}]),
        data(choices=[], usage=usage, timings=timings),
        "data: [DONE]",
    )
    assert found == [Chunk("", True, "stop", 7, 5, 0.25, 2, 0.5)]


def test_a_stream_without_a_reason_has_no_end() -> None:
    assert read(data(choices=[{"text": "cut"}]), "data: [DONE]") == [Chunk("cut")]


def test_an_error_in_the_middle_of_a_stream_is_raised() -> None:
    with pytest.raises(EngineError, match="out of memory"):
        read(data(error={"message": "out of memory", "type": "server_error"}))


def test_a_chat_carries_the_models_options_as_far_as_the_protocol_has_them() -> None:
    route, body = call(Request("m", ASKED, schema="json", seed=3), SPEC, {"type": "object"})
    assert (route, body["top_p"], body["seed"]) == ("/v1/chat/completions", 0.9, 3)
    assert body["response_format"] == {"type": "json_object"}
    assert "top_k" not in body


def test_a_begun_reply_is_to_be_gone_on_with_and_thinking_is_off() -> None:
    begun = ({"role": "assistant", "content": "def"},)
    _, body = call(Request("m", (*ASKED, *begun)), SPEC, None)
    assert {name: body.get(name) for name in EXTENSIONS} == {
        "chat_template_kwargs": {"enable_thinking": False},
        "continue_final_message": True,
        "add_generation_prompt": False,
    }


def test_a_plain_request_has_the_protocols_own_fields_only() -> None:
    begun = ({"role": "assistant", "content": "def"},)
    _, body = call(Request("m", (*ASKED, *begun)), SPEC, None, plain=True)
    assert set(body) == {
        "model", "max_tokens", "temperature", "stream", "stream_options", "messages", "top_p",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "text", "refused"),
    [
        (400, '{"error":{"message":"Unrecognized argument: chat_template_kwargs"}}', True),
        (422, '{"detail":[{"loc":["body","continue_final_message"]}]}', True),
        (400, '{"error":{"message":"bad temperature"}}', False),
        (500, '{"error":{"message":"chat_template_kwargs"}}', False),
    ],
)
def test_a_server_that_refuses_our_extensions_is_recognised(
    status: int, text: str, *, refused: bool
) -> None:
    assert refuses_extensions(failure(status, text)) == refused


async def test_a_server_that_refuses_our_extensions_is_asked_without_them() -> None:
    with StrictServer() as server:
        engine = OpenAi(server.url)
        await engine.load(SPEC)
        for _ in range(2):
            text = [chunk.text async for chunk in engine.answer(Request("m", ASKED))]
            assert "".join(text) == "hello"
        await engine.close()
    extended = [set(EXTENSIONS) & set(body) != set() for body in server.bodies]
    assert extended == [True, False, False]


@given(st.text(alphabet="ab", max_size=6), st.lists(st.text(alphabet="ab", max_size=3)))
def test_a_repeated_beginning_is_taken_out_however_it_is_cut(begun: str, pieces: list[str]) -> None:
    reply = BegunReply(begun)
    whole = "".join(pieces)
    passed = "".join(reply.continuation(piece) for piece in pieces) + reply.rest()
    assert passed == whole.removeprefix(begun)


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (400, '{"error":{"message":"maximum context length is 2048 tokens"}}', "context"),
        (400, '{"error":{"message":"bad temperature"}}', "bad_request"),
        (401, '{"error":"no key"}', "unauthorized"),
        (404, '{"error":{"message":"no such model"}}', "no_model"),
        (429, "slow down", "busy"),
        (500, "<html>", "engine"),
        (500, "[]", "engine"),
    ],
)
def test_every_error_has_its_class(status: int, text: str, code: str) -> None:
    assert failure(status, text).code == code


async def test_without_a_server_the_reason_comes_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    engine = OpenAi(f"http://127.0.0.1:{port}/v1/")
    assert "no OpenAI-compatible server answers" in await engine.health()
    with pytest.raises(UnreachableError):
        await engine.load(SPEC)
    await engine.close()


async def test_a_silent_server_costs_a_second_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = OpenAi(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "is silent" in await engine.health()
        await engine.close()


async def test_something_else_that_listens_is_no_engine() -> None:
    engine = OpenAi("ftp://127.0.0.1")
    assert await engine.health() != ""
    await engine.close()
