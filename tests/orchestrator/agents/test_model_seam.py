"""How models are reached: scripted, recorded and replayed, and over the scheduler."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from atos.scheduler_client import SchedulerClient
from atos_orchestrator.agents.model_client import ModelClient
from atos_orchestrator.agents.model_request import ModelRequest, ask
from atos_protocol.errors import EmptyReplyError, LengthError, NoModelError
from atos_protocol.scheduler_api import Answer, Demand
from doubles.graph_ports import EventList
from doubles.recorded_model import Cassette, CassetteMissError
from doubles.scripted_model import ScriptedChat, ScriptEndedError


def request(text: str, pool: str = "simple", **options: Any) -> ModelRequest:
    return ModelRequest("coder", [{"role": "user", "content": text}], pool, **options)


async def test_a_script_answers_each_role_in_turn_and_then_fails() -> None:
    chat = ScriptedChat({"coder": ["one", LengthError("too long")], "tester": ["t"]})

    first = await chat(request("x", "simple"))
    with pytest.raises(LengthError):
        await chat(request("x", "simple"))
    with pytest.raises(ScriptEndedError, match="coder was asked 3 times; its script has 2"):
        await chat(request("x", "simple"))

    assert (first.text, first.pool) == ("one", "simple")
    assert chat.unused == {"tester": 1}


async def test_what_was_recorded_is_replayed_though_paths_and_times_differ(tmp_path: Path) -> None:
    tape = tmp_path / "tape.json"
    live = ScriptedChat({"coder": ["one", "two", "three"]})
    record = Cassette(tape).recording(live)
    for number in range(2):
        await record(request(f"fix /tmp/a{number}/m.py after {number}.25s", "simple"))
    await record(request("something else", "simple", seed=3))

    cassette = Cassette(tape)
    replay = cassette.replaying()
    later = await replay(request("something else", "simple", seed=3))
    first = await replay(request("fix /tmp/zz/m.py after 9.5s", "simple", seed=0))
    second = await replay(request("fix /tmp/yy/m.py after 8.5s", "simple"))

    assert [first.text, second.text, later.text] == ["one", "two", "three"]
    assert cassette.unused == []


async def test_an_edited_prompt_is_a_miss_that_names_what_is_there(tmp_path: Path) -> None:
    tape = tmp_path / "tape.json"
    await Cassette(tape).recording(ScriptedChat({"coder": ["one"]}))(request("a", "p"))
    cassette = Cassette(tape)

    with pytest.raises(CassetteMissError, match=r"of coder there are \['coder:"):
        await cassette.replaying()(request("b", "p"))

    assert len(cassette.unused) == 1


async def test_other_options_or_another_schema_are_another_call(tmp_path: Path) -> None:
    tape = tmp_path / "tape.json"
    await Cassette(tape).recording(ScriptedChat({"coder": ["one"]}))(request("a", "p"))
    replay = Cassette(tape).replaying()

    with pytest.raises(CassetteMissError):
        await replay(request("a", "p", temperature=0.7))
    with pytest.raises(CassetteMissError):
        await replay(request("a", "p", schema={"type": "object"}))


def hard_request() -> ModelRequest:
    return request("x", "complex")


async def test_where_a_pool_has_no_model_the_nearest_other_answers_with_a_warning() -> None:
    chat = ScriptedChat({"coder": [NoModelError("complex is empty"), "from medium"]})
    emit = EventList()

    reply = await ask(chat, emit, hard_request(), key="k")

    assert (reply.text, [call.pool for call in chat.asked]) == (
        "from medium",
        ["complex", "medium"],
    )
    assert "complex is empty" in emit.of("warning")[0]["text"]
    assert [call["pool"] for call in emit.of("model_call")] == ["medium"]


async def test_where_no_pool_has_a_model_the_error_stands() -> None:
    chat = ScriptedChat(
        {"coder": [NoModelError("none"), NoModelError("none"), NoModelError("last")]}
    )

    with pytest.raises(NoModelError, match="last"):
        await ask(chat, EventList(), hard_request(), key="k")


async def test_a_pool_outside_the_coding_pools_has_no_fallback() -> None:
    chat = ScriptedChat({"coder": [NoModelError("no weights")]})

    with pytest.raises(NoModelError, match="no weights"):
        await ask(chat, EventList(), request("x", "mini"), key="k")


async def test_a_reply_that_is_too_long_is_a_warning_and_an_error() -> None:
    emit = EventList()

    with pytest.raises(LengthError):
        await ask(ScriptedChat({"coder": [LengthError("long")]}), emit, hard_request(), key="k")

    assert emit.of("warning") == [{"text": "coder: long"}]
    assert emit.of("model_call") == []


class FakeScheduler:
    """Answers one chat and remembers what was asked."""

    def __init__(self, reason: str, text: str = "hi") -> None:
        self.reason = reason
        self.text = text
        self.asked: list[dict[str, Any]] = []

    async def chat(
        self, model: str, messages: Sequence[Mapping[str, Any]], *, demand: Demand, **more: Any
    ) -> Answer:
        self.asked.append({"model": model, "headers": demand.to_headers()} | more)
        return Answer(
            text=self.text,
            reason=self.reason,
            model="gemma2:2b",
            engine="ollama",
            pool="simple",
            lease="l1",
            queued=0.5,
            started_at=1.0,
            ended_at=2.0,
            prompt_tokens=7,
            tokens=3,
            reused_tokens=5,
            prompt_seconds=0.25,
            seconds=0.75,
            loading=0.125,
        )


async def test_the_client_asks_a_pool_on_behalf_of_its_task() -> None:
    fake = FakeScheduler("stop")
    chat = ModelClient(cast("SchedulerClient", fake), goal="g1", task="T2")

    reply = await chat(request("x", "simple", max_tokens=99, seed=5))

    assert (reply.text, reply.model, reply.engine, reply.started_at) == (
        "hi",
        "gemma2:2b",
        "ollama",
        1.0,
    )
    asked = fake.asked[0]
    assert asked["model"] == "atos/simple"
    assert (asked["max_tokens"], asked["seed"]) == (99, 5)
    headers = {
        name: asked["headers"][name] for name in ("x-atos-goal", "x-atos-task", "x-atos-role")
    }
    assert headers == {"x-atos-goal": "g1", "x-atos-task": "T2", "x-atos-role": "coder"}
    assert json.dumps(asked["headers"])


async def test_a_model_call_says_where_its_seconds_went() -> None:
    emit = EventList()
    chat = ModelClient(cast("SchedulerClient", FakeScheduler("stop")), goal="g1")

    await ask(chat, emit, request("x", "simple"), key="k", data={"round": 1})

    assert emit.of("model_call") == [
        {
            "role": "coder",
            "pool": "simple",
            "model": "gemma2:2b",
            "engine": "ollama",
            "started_at": 1.0,
            "ended_at": 2.0,
            "prompt_tokens": 7,
            "reused_tokens": 5,
            "prompt_seconds": 0.25,
            "tokens": 3,
            "seconds": 0.75,
            "queued": 0.5,
            "loading": 0.125,
            "round": 1,
        }
    ]


async def test_the_client_sends_how_a_reply_begins_and_what_ends_it() -> None:
    fake = FakeScheduler("stop")
    chat = ModelClient(cast("SchedulerClient", fake), goal="g1")

    await chat(request("x", "simple", begin="assert f(", stop=("\n\n",)))

    assert (fake.asked[0]["begin"], fake.asked[0]["stop"]) == ("assert f(", ("\n\n",))


async def test_a_reply_that_ran_into_its_limit_is_an_error() -> None:
    chat = ModelClient(cast("SchedulerClient", FakeScheduler("length")), goal="g1")

    with pytest.raises(LengthError, match="gemma2:2b ran into its limit of 99 tokens"):
        await chat(request("x", "simple", max_tokens=99))


@pytest.mark.parametrize(("begin", "text"), [("", ""), ("", " \n"), ("assert f(", "assert f(\n")])
async def test_a_model_that_writes_nothing_is_an_error(begin: str, text: str) -> None:
    chat = ModelClient(cast("SchedulerClient", FakeScheduler("stop", text)), goal="g1")

    with pytest.raises(EmptyReplyError, match="gemma2:2b wrote nothing"):
        await chat(request("x", "simple", begin=begin))
