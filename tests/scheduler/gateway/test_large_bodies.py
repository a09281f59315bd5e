"""Bodies of many megabytes: answered, or refused with the numbers, and nobody else waits for them."""

import json

import pytest

from atos_scheduler.engines.simulated import Simulated, SimulatedModel
from doubles.loop_watchdog import watched_loop
from doubles.running_scheduler import scheduler

pytestmark = pytest.mark.timeout(180)  # seconds of wall on a loaded machine

LOOP_SECONDS = 0.4
"""Of processor time in one callback: 32 MB are copied in less, and read as JSON values in a second and more."""


def engine() -> Simulated:
    return Simulated([SimulatedModel("a", 1 << 20)])


@pytest.mark.parametrize(
    ("route", "wanted"),
    [
        ("/api/generate", "error"),
        ("/v1/chat/completions", "error"),
        ("/v1/messages", "error"),
    ],
)
async def test_a_long_text_is_refused_with_the_numbers_and_not_as_malformed(
    route: str, wanted: str
) -> None:
    text = "x " * (5 << 19)
    asked = [{"role": "user", "content": text}]
    body = {"model": "a", "max_tokens": 9}
    body |= {"prompt": text} if route == "/api/generate" else {"messages": asked}
    async with scheduler([engine()]) as running:
        reply = await running.http.post(route, content=json.dumps(body), timeout=120)
    assert reply.status_code == 400
    assert f"the prompt has {len(text)} characters" in str(reply.json()[wanted])


async def test_a_body_of_a_million_values_is_refused_while_the_loop_goes_on() -> None:
    body = {"model": "a", "messages": [{"role": "user", "content": "x"}] * 800_000}
    raw = json.dumps(body)
    async with scheduler([engine()]) as running:
        await running.http.get("/api/version")
        with watched_loop() as busiest:
            reply = await running.http.post("/api/chat", content=raw, timeout=120)
    told = "the body has 1600002 values, the most are 50000"
    assert (reply.status_code, reply.json()["error"].startswith(told)) == (400, True)
    assert busiest.seconds < LOOP_SECONDS, busiest.callback


async def test_a_large_body_that_does_not_fit_the_route_names_its_field() -> None:
    raw = json.dumps({"model": "a", "prompt": "x" * (5 << 20), "options": {"temperature": "hot"}})
    async with scheduler([engine()]) as running:
        reply = await running.http.post("/api/generate", content=raw, timeout=120)
    assert reply.status_code == 400
    assert reply.json()["atos"]["data"] == {"field": "options.temperature"}


async def test_a_large_body_that_is_no_json_is_malformed() -> None:
    async with scheduler([engine()]) as running:
        reply = await running.http.post("/api/chat", content="{" + " " * (5 << 20), timeout=120)
    assert reply.status_code == 400
    assert "Invalid JSON" in reply.json()["error"]
