"""The `anthropic` package, unchanged, against a client's loopback port."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic
from inline_snapshot import snapshot
from pydantic import BaseModel

from atos_scheduler.engines.simulated import Simulated, SimulatedModel
from doubles.gateway_port import gateway_port
from doubles.scripted_engine import Script, ScriptedEngine

HI: list[Any] = [{"role": "user", "content": "hi"}]
WEATHER: Any = {
    "name": "get_weather",
    "description": "Weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
CALL = '{"name": "get_weather", "arguments": {"city": "Paris"}}'


@asynccontextmanager
async def package(engine: Simulated | ScriptedEngine) -> AsyncGenerator[AsyncAnthropic]:
    async with (
        gateway_port([engine]) as (_, url),
        AsyncAnthropic(base_url=url, api_key="any", max_retries=0) as client,
    ):
        yield client


def scripted(*reply: str) -> ScriptedEngine:
    return ScriptedEngine({"a": Script(reply=reply)})


async def test_it_answers_whole_and_streamed() -> None:
    engine = scripted("Hello", " there")
    async with package(engine) as client:
        whole = await client.messages.create(
            model="a", max_tokens=9, messages=HI, system="Be brief.", stop_sequences=["END"]
        )
        async with client.messages.stream(model="a", max_tokens=9, messages=HI) as stream:
            text = [piece async for piece in stream.text_stream]
            final = await stream.get_final_message()
    (block,) = whole.content
    assert block.type == "text"
    assert (block.text, whole.stop_reason, text) == ("Hello there", "end_turn", ["Hello", " there"])
    assert (final.usage.input_tokens, final.usage.output_tokens) == (2, 2)
    first = engine.requests[0]
    assert (first.messages[0], first.max_tokens, first.stop) == (
        {"role": "system", "content": "Be brief."},
        9,
        ("END",),
    )


async def test_a_tool_is_used_and_its_result_goes_back() -> None:
    engine = scripted("Let me see. ", "<tool_", "call>", CALL, "</tool_call>")
    async with package(engine) as client:
        async with client.messages.stream(
            model="a", max_tokens=99, messages=HI, tools=[WEATHER]
        ) as stream:
            final = await stream.get_final_message()
        parts: list[Any] = list(final.content)
        text, use = parts
        assert (text.type, use.type, final.stop_reason) == ("text", "tool_use", "tool_use")
        assert (use.name, use.input) == ("get_weather", {"city": "Paris"})
        result: Any = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
        said: Any = {"role": "assistant", "content": [b.model_dump() for b in final.content]}
        back: Any = {"role": "user", "content": [result, {"type": "text", "text": "And?"}]}
        await client.messages.create(
            model="a", max_tokens=9, messages=[*HI, said, back], tools=[WEATHER]
        )
    roles = [message["role"] for message in engine.requests[1].messages]
    assert roles == ["user", "assistant", "tool", "user"]


async def test_a_tool_that_must_be_used_is_used() -> None:
    async with package(Simulated([SimulatedModel("a", 1 << 20)])) as client:
        reply = await client.messages.create(
            model="a",
            max_tokens=99,
            messages=HI,
            tools=[WEATHER],
            tool_choice={"type": "tool", "name": "get_weather"},
        )
    (use,) = reply.content
    assert use.type == "tool_use"
    assert use.input == {"city": "simulated"}


async def test_it_counts_tokens_about() -> None:
    async with package(scripted("x")) as client:
        found = await client.messages.count_tokens(
            model="a", messages=[{"role": "user", "content": "x" * 400}]
        )
    assert 100 <= found.input_tokens <= 120


async def test_its_errors_are_of_its_own_classes() -> None:
    async with package(scripted("x")) as client:
        with pytest.raises(anthropic.NotFoundError) as missing:
            await client.messages.create(model="aa", max_tokens=9, messages=HI)
        source: Any = {"type": "base64", "media_type": "image/png", "data": ""}
        block: Any = {"type": "image", "source": source}
        with pytest.raises(anthropic.BadRequestError) as image:
            await client.messages.create(
                model="a", max_tokens=9, messages=[{"role": "user", "content": [block]}]
            )
    assert missing.value.body == snapshot(
        {
            "type": "error",
            "error": {
                "type": "not_found_error",
                "message": "model 'aa' not found. Did you mean a? Installed are: a.",
            },
            "atos": {
                "code": "no_model",
                "message": "model 'aa' not found",
                "next": "Did you mean a? Installed are: a.",
                "status": 404,
                "retry": False,
                "data": {},
            },
        }
    )
    assert "text only" in image.value.message


class City(BaseModel):
    """A string without a bound."""

    name: str


async def test_a_pydantic_model_without_bounds_is_a_schema_that_is_kept() -> None:
    engine = scripted('{"name": "Paris"}')
    async with package(engine) as client:
        reply = await client.messages.parse(
            model="a", max_tokens=99, messages=HI, output_format=City
        )
    assert reply.parsed_output == City(name="Paris")
    schema: Any = engine.requests[0].schema
    assert schema["properties"]["name"]["type"] == "string"


async def test_a_format_that_is_no_schema_is_refused_by_name() -> None:
    async with package(scripted("x")) as client:
        with pytest.raises(anthropic.BadRequestError, match=r"output_config\.format"):
            await client.messages.create(
                model="a",
                max_tokens=9,
                messages=HI,
                extra_body={"output_config": {"format": {"type": "yaml"}}},
            )
