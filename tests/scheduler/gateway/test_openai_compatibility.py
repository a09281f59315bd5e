"""The `openai` package, unchanged, against a client's loopback port."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from inline_snapshot import snapshot
from openai import AsyncOpenAI
from pydantic import BaseModel

from atos_scheduler.engines.simulated import Simulated, SimulatedModel
from doubles.gateway_port import gateway_port
from doubles.scripted_engine import Script, ScriptedEngine

HI: list[Any] = [{"role": "user", "content": "hi"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'


class Address(BaseModel):
    street: str


class Person(BaseModel):
    """Strings without a bound, a reference, an optional field and a list."""

    name: str
    age: int | None
    address: Address
    tags: list[str] = []


@asynccontextmanager
async def package(engine: Simulated | ScriptedEngine) -> AsyncGenerator[AsyncOpenAI]:
    async with (
        gateway_port([engine]) as (_, url),
        AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        yield client


def scripted(*reply: str) -> ScriptedEngine:
    return ScriptedEngine({"a": Script(reply=reply)})


def simulated() -> Simulated:
    return Simulated([SimulatedModel("a", 1 << 20)])


async def test_it_lists_models_and_finds_one() -> None:
    async with package(simulated()) as client:
        names = [model.id async for model in client.models.list()]
        found = await client.models.retrieve("a")
    assert (names, found.id, found.owned_by) == (["a"], "a", "atos")


async def test_it_chats_whole_and_streamed_with_usage() -> None:
    async with package(scripted("Hello", " there")) as client:
        whole = await client.chat.completions.create(model="a", messages=HI)
        stream = await client.chat.completions.create(
            model="a", messages=HI, stream=True, stream_options={"include_usage": True}
        )
        parts = [part async for part in stream]
    (choice,) = whole.choices
    assert (choice.message.content, choice.finish_reason) == ("Hello there", "stop")
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (3, 2)
    texts = [p.choices[0].delta.content for p in parts if p.choices]
    assert "".join(text or "" for text in texts) == "Hello there"
    assert [p.choices[0].finish_reason for p in parts if p.choices][-1] == "stop"
    assert parts[-1].usage is not None
    assert parts[-1].usage.total_tokens == 5


async def test_what_it_sets_reaches_the_engine_and_what_it_leaves_out_the_model_decides() -> None:
    engine = scripted("x")
    async with package(engine) as client:
        await client.chat.completions.create(
            model="a",
            messages=[
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            ],
            max_completion_tokens=9,
            temperature=0.5,
            top_p=0.3,
            stop=["END"],
            seed=7,
            presence_penalty=0.1,
        )
        await client.chat.completions.create(model="a", messages=HI)
    first, second = engine.requests
    asked = (first.messages, first.max_tokens, first.temperature, first.stop, first.seed)
    assert (*asked, first.options) == snapshot(
        (
            ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}),
            9,
            0.5,
            ("END",),
            7,
            {"top_p": 0.3, "presence_penalty": 0.1},
        )
    )
    assert (second.max_tokens, second.temperature, second.options) == (4096, None, {})


async def test_a_call_of_a_tool_comes_as_one_and_its_result_goes_back() -> None:
    engine = scripted(*CALL)
    async with package(engine) as client:
        first = await client.chat.completions.create(model="a", messages=HI, tools=[WEATHER])
        (choice,) = first.choices
        (call,) = choice.message.tool_calls or []
        assert call.type == "function"
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content is None
        assert (call.function.name, json.loads(call.function.arguments)) == (
            "get_weather",
            {"city": "Paris"},
        )
        answer: Any = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
        said: Any = choice.message.model_dump(exclude_none=True)
        await client.chat.completions.create(
            model="a", messages=[*HI, said, answer], tools=[WEATHER]
        )
        stream = await client.chat.completions.create(
            model="a", messages=HI, tools=[WEATHER], stream=True
        )
        parts = [part.choices[0] async for part in stream]
    roles = [message["role"] for message in engine.requests[1].messages]
    assert roles == ["user", "assistant", "tool"]
    assert engine.requests[1].messages[2]["content"] == "sunny"
    called = [p.delta.tool_calls for p in parts if p.delta.tool_calls]
    assert called[0][0].function is not None
    assert called[0][0].function.name == "get_weather"
    assert (parts[-1].finish_reason, "".join(p.delta.content or "" for p in parts)) == (
        "tool_calls",
        "",
    )


async def test_a_required_tool_is_held_to_its_own_schema() -> None:
    async with package(simulated()) as client:
        reply = await client.chat.completions.create(
            model="a", messages=HI, tools=[WEATHER], tool_choice="required"
        )
    (call,) = reply.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "simulated"}


async def test_a_pydantic_model_without_bounds_is_a_schema_that_is_kept() -> None:
    async with package(simulated()) as client:
        reply = await client.chat.completions.parse(model="a", messages=HI, response_format=Person)
    person = reply.choices[0].message.parsed
    assert person is not None
    assert (person.name, person.address.street) == ("simulated", "simulated")


async def test_it_completes_texts_and_fills_in() -> None:
    async with package(simulated()) as client:
        plain = await client.completions.create(model="a", prompt="def f(", echo=True)
        filled = await client.completions.create(model="a", prompt="def f(", suffix="return x")
        stream = await client.completions.create(model="a", prompt="def f(", stream=True)
        pieces = [part.choices[0].text async for part in stream]
    assert plain.choices[0].text.startswith("def f(This is a simulated reply")
    assert plain.choices[0].text != filled.choices[0].text
    assert "".join(pieces).startswith("This is a simulated reply")


async def test_it_embeds_texts_in_either_encoding() -> None:
    async with package(simulated()) as client:
        packed = await client.embeddings.create(model="a", input=["x", "y"])
        plain = await client.embeddings.create(model="a", input="x", encoding_format="float")
        short = await client.embeddings.create(model="a", input="x", dimensions=2)
    assert [len(found.embedding) for found in packed.data] == [8, 8]
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert sum(n * n for n in short.data[0].embedding) == pytest.approx(1, abs=1e-6)


async def test_the_responses_api_answers_streams_and_calls() -> None:
    tool: Any = {"type": "function", "strict": False, **WEATHER["function"]}
    async with package(scripted("Hello", " there")) as client:
        whole = await client.responses.create(model="a", input="hi", instructions="Be brief.")
        async with client.responses.stream(model="a", input=HI) as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_response()
    async with package(scripted(CALL)) as client:
        called = await client.responses.create(model="a", input="hi", tools=[tool])
    assert (whole.output_text, whole.status, final.output_text) == (
        "Hello there",
        "completed",
        "Hello there",
    )
    assert whole.usage is not None
    assert whole.usage.total_tokens == 5
    assert kinds == snapshot(
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    )
    (item,) = called.output
    assert item.type == "function_call"
    assert (item.name, json.loads(item.arguments)) == ("get_weather", {"city": "Paris"})


async def test_its_errors_are_of_its_own_classes() -> None:
    async with package(simulated()) as client:
        with pytest.raises(openai.NotFoundError) as missing:
            await client.chat.completions.create(model="aa", messages=HI)
        with pytest.raises(openai.BadRequestError) as several:
            await client.chat.completions.create(model="a", messages=HI, n=2)
        picture: Any = {"type": "image_url", "image_url": {"url": "data:,"}}
        with pytest.raises(openai.BadRequestError) as image:
            await client.chat.completions.create(
                model="a", messages=[{"role": "user", "content": [picture]}]
            )
        with pytest.raises(openai.BadRequestError) as long:
            await client.chat.completions.create(
                model="a", messages=[{"role": "user", "content": "word " * 1_000_000}]
            )
    assert missing.value.body == snapshot(
        {
            "message": "model 'aa' not found. Did you mean a? Installed are: a.",
            "type": "invalid_request_error",
            "param": None,
            "code": "model_not_found",
        }
    )
    assert (several.value.param, image.value.type) == ("n", "invalid_request_error")
    assert long.value.code == "context_length_exceeded"
    assert "5000000 characters" in long.value.message
