"""The official packages of Ollama, OpenAI and Anthropic, unmodified, against a real 0.5B through a port."""
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import anthropic
import ollama
import openai
import pytest
from pydantic import BaseModel

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(600),
    # the clients of the packages close their connections when they are collected
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

HI: list[Any] = [{"role": "user", "content": "Say hello in one word."}]
ASK: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
NAME: list[Any] = [
    {"role": "user", "content": "Which city is the capital of France? Name it and its country."}
]
SURE = {"temperature": 0, "num_predict": 80}
"""A schema bounds no string: warm, a small model may fill one until its tokens are spent, and that ends in no JSON."""
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "name of the city"}},
    "required": ["city"],
}
ABOUT: dict[str, Any] = {"name": "get_weather", "description": "Tells the weather of a city"}
TOOL: Any = {"type": "function", "function": ABOUT | {"parameters": PARAMETERS}}


class City(BaseModel):
    """A string without a bound."""

    name: str
    country: str


def test_the_ollama_package(port: tuple[str, str]) -> None:
    url, model = port
    with closing(ollama.Client(host=url)) as client:
        whole = client.chat(model, HI, options={"num_predict": 8})
        pieces = [p.message.content for p in client.chat(model, HI, stream=True, options={"num_predict": 8})]  # fmt: skip
        held = client.chat(model, NAME, format=City.model_json_schema(), options=SURE)
        called = client.chat(
            model, ASK, tools=[TOOL], options={"temperature": 0, "num_predict": 80}
        )
        found = client.embed(model, ["a cat", "a dog", "an invoice"])
    assert whole.message.content
    assert "".join(p or "" for p in pieces)
    City.model_validate_json(held.message.content or "")
    calls = called.message.tool_calls or []
    assert [(c.function.name, set(c.function.arguments)) for c in calls] == [("get_weather", {"city"})]  # fmt: skip
    assert len({len(row) for row in found.embeddings}) == 1


def test_the_openai_package(port: tuple[str, str]) -> None:
    url, model = port
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        whole = client.chat.completions.create(model=model, messages=HI, max_tokens=8)
        stream = client.chat.completions.create(model=model, messages=HI, max_tokens=8, stream=True)
        text = "".join(p.choices[0].delta.content or "" for p in stream)
        city = client.chat.completions.parse(
            model=model, messages=NAME, response_format=City, max_tokens=80, temperature=0
        )
        called = client.chat.completions.create(
            model=model, messages=ASK, tools=[TOOL], tool_choice="required", max_tokens=80
        )
        answer = client.responses.create(model=model, input="Say hello.", max_output_tokens=16)
        found = client.embeddings.create(model=model, input="a cat")
    assert whole.choices[0].message.content
    assert text
    assert city.choices[0].message.parsed
    (call,) = called.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert set(json.loads(call.function.arguments)) >= {"city"}
    assert answer.output_text
    assert len(found.data[0].embedding) > 100


def test_the_anthropic_package(port: tuple[str, str]) -> None:
    url, model = port
    with anthropic.Anthropic(base_url=url, api_key="any", max_retries=0) as client:
        with client.messages.stream(model=model, max_tokens=8, messages=HI) as stream:
            text = "".join(stream.text_stream)
        whole = client.messages.create(model=model, max_tokens=8, messages=HI)
        city = client.messages.parse(
            model=model,
            max_tokens=80,
            messages=NAME,
            output_format=City,
            extra_body={"temperature": 0},
        )
        tool: Any = ABOUT | {"input_schema": PARAMETERS}
        used = client.messages.create(
            model=model, max_tokens=80, messages=ASK, tools=[tool], tool_choice={"type": "any"}
        )
    assert text
    (said,) = whole.content
    assert said.type == "text"
    assert said.text
    assert city.parsed_output
    (use,) = used.content
    assert use.type == "tool_use"
    assert "city" in dict(use.input)
