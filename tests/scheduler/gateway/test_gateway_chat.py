"""Requests through the real socket: grants, swaps, streams, errors and clients that go away."""

import json
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest
from inline_snapshot import snapshot

from atos_protocol.errors import (
    BadRequestError,
    DeadlineError,
    EngineError,
    LoadFailedError,
    NoModelError,
    RefusedError,
    RepetitionError,
    UnreachableError,
)
from atos_protocol.scheduler_api import ONLY_WAITED, Answer, Demand
from atos_scheduler.engines.protocol import LoadedModel, ModelSpec
from doubles.running_scheduler import GIB, scheduler
from doubles.scripted_engine import Script, ScriptedEngine, models

HI = [{"role": "user", "content": "hi"}]


def body(model: str = "a", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": HI, **more}


def lines(reply: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in reply.text.splitlines()]


def without_times(last: dict[str, Any]) -> dict[str, Any]:
    """Leave out what differs from run to run, having checked that it makes sense."""
    atos = last["atos"]
    assert atos["started_at"] <= atos["ended_at"]
    assert atos["queued_s"] >= atos["loading_s"] >= 0
    assert last["total_duration"] >= last["load_duration"]
    kept = {k: v for k, v in last.items() if k not in {"created_at", "atos"}}
    kept = {k: v for k, v in kept.items() if k not in {"total_duration", "load_duration"}}
    assert bool(atos.get("load_why")) == (atos["loading_s"] > 0), "a load has its reason"
    times = ("queued_s", "loading_s", "started_at", "ended_at", "load_why", "load_victims")
    return kept | {"atos": {k: v for k, v in atos.items() if k not in times}}


async def test_a_chat_is_streamed_as_ollama_streams_it() -> None:
    async with scheduler([ScriptedEngine(models("a"))]) as running:
        reply = await running.http.post("/api/chat", json=body())
        *pieces, last = lines(reply)
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert [p["message"]["content"] for p in pieces] == ["Hello", " there"]
    assert not any(p["done"] for p in pieces)
    assert without_times(last) == snapshot(
        {
            "model": "a",
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 3,
            "prompt_eval_duration": 500000000,
            "eval_count": 2,
            "eval_duration": 1000000000,
            "atos": {
                "engine": "scripted",
                "pool": "",
                "lease": "L1",
                "prompt_tokens": 3,
                "reused_tokens": 1,
                "prompt_s": 0.5,
                "tokens": 2,
                "reply_s": 1.0,
            },
        }
    )


async def test_an_answer_says_what_was_read_written_remembered_and_loaded() -> None:
    async with scheduler([ScriptedEngine(models("a"))]) as running:
        first = await running.client.chat("a", HI)
        second = await running.client.chat("a", HI)
    assert first.queued >= first.loading > 0
    assert second.loading == 0
    assert replace(second, queued=0, started_at=0, ended_at=0) == snapshot(
        Answer(
            text="Hello there",
            reason="stop",
            model="a",
            engine="scripted",
            pool="",
            lease="L2",
            queued=0,
            started_at=0,
            ended_at=0,
            prompt_tokens=3,
            tokens=2,
            reused_tokens=1,
            prompt_seconds=0.5,
            seconds=1.0,
        )
    )


async def test_a_begun_reply_reaches_the_engine_and_is_part_of_the_answer() -> None:
    engine = ScriptedEngine({"a": Script(reply=("<think>", "\n</think>", "1) == 2"))})
    async with scheduler([engine]) as running:
        answer = await running.client.chat("a", HI, begin="assert f(", stop=["\n"])
    assert answer.text == "assert f(1) == 2"
    (asked,) = engine.requests
    assert (asked.begun, asked.stop) == ("assert f(", ("\n",))


async def test_a_reply_that_is_not_streamed_is_one_object() -> None:
    async with scheduler([ScriptedEngine(models("a"))]) as running:
        asked = {"model": "a", "prompt": "hi", "stream": False}
        reply = await running.http.post("/api/generate", json=asked)
    assert reply.headers["content-type"] == "application/json"
    assert without_times(reply.json()) == snapshot(
        {
            "model": "a",
            "response": "Hello there",
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 3,
            "prompt_eval_duration": 500000000,
            "eval_count": 2,
            "eval_duration": 1000000000,
            "atos": {
                "engine": "scripted",
                "pool": "",
                "lease": "L1",
                "prompt_tokens": 3,
                "reused_tokens": 1,
                "prompt_s": 0.5,
                "tokens": 2,
                "reply_s": 1.0,
            },
        }
    )


async def test_what_a_request_says_of_its_reply_reaches_the_engine() -> None:
    engine = ScriptedEngine(models("a"))
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    options = {"num_predict": 7, "temperature": 0.5, "seed": 9, "stop": "END", "num_ctx": 2048}
    async with scheduler([engine]) as running:
        await running.http.post("/api/chat", json=body(format=schema, options=options))
    (asked,) = engine.requests
    assert (asked.max_tokens, asked.temperature, asked.seed, asked.stop, asked.schema) == (
        7,
        0.5,
        9,
        ("END",),
        schema,
    )


async def test_a_models_own_options_stand_where_a_request_is_silent() -> None:
    engine = ScriptedEngine(models("a"))
    text = "models:\n  a:\n    options: {temperature: 0.7, num_predict: 99, stop: [END]}\n"
    async with scheduler([engine], files={"models.yaml": text}) as running:
        await running.http.post("/api/chat", json=body())
        await running.http.post("/api/chat", json=body(options={"temperature": 0, "stop": "X"}))
    silent, outspoken = engine.requests
    assert (silent.temperature, silent.max_tokens, silent.stop) == (0.7, 99, ("END",))
    assert (outspoken.temperature, outspoken.max_tokens, outspoken.stop) == (0.0, 99, ("X",))


async def test_a_model_without_a_system_role_gets_its_text_with_the_first_user_message() -> None:
    engine = ScriptedEngine(models("a"))
    asked = [{"role": "system", "content": "be brief"}, *HI, {"role": "assistant", "content": "?"}]
    async with scheduler(
        [engine], files={"models.yaml": "models:\n  a: {system: false}\n"}
    ) as running:
        await running.client.chat("a", asked)
    assert engine.requests[0].messages == (
        {"role": "user", "content": "be brief\n\nhi"},
        {"role": "assistant", "content": "?"},
    )


async def test_a_raw_prompt_stays_a_prompt_and_others_become_a_conversation() -> None:
    engine = ScriptedEngine(models("a"))
    async with scheduler([engine]) as running:
        for raw in (True, False):
            asked = {"model": "a", "prompt": "hi", "system": "be kind", "raw": raw}
            await running.http.post("/api/generate", json=asked)
    raw, chat = engine.requests
    assert (raw.prompt, raw.messages) == ("hi", ())
    assert chat.messages == (
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "hi"},
    )


async def test_two_models_that_do_not_fit_together_are_swapped() -> None:
    engine = ScriptedEngine(models(["a", "b"], size=2 * GIB))
    async with scheduler([engine], budget=3 * GIB) as running:
        for name in ("a", "b", "a"):
            assert (await running.client.chat(name, HI)).model == name
        status = await running.client.status()
    assert [line for line in engine.log if "load" in line] == [
        "load a",
        "unload a",
        "load b",
        "unload b",
        "load a",
    ]
    assert status.devices[0].committed == 2 * GIB


async def test_a_busy_model_is_not_evicted_and_the_other_is_loaded_once_its_memory_is_back() -> (
    None
):
    engine = ScriptedEngine(models(["a", "b"], size=2 * GIB))
    engine.scripts["a"].answers, engine.scripts["a"].unloads = anyio.Event(), anyio.Event()
    async with scheduler([engine], budget=3 * GIB) as running, anyio.create_task_group() as group:
        group.start_soon(running.client.chat, "a", HI)
        await engine.until("ask a")
        group.start_soon(running.client.chat, "b", HI)
        await running.until_leases("held", "waiting")
        engine.scripts["a"].answers.set()
        status = await running.until_leases("waiting")
        assert [(r.model, r.state) for r in status.residencies] == [("a", "evicting")]
        assert "load b" not in engine.log
        engine.scripts["a"].unloads.set()
        await engine.until("done b")


async def test_a_demand_that_can_never_fit_is_refused_with_both_sizes() -> None:
    async with scheduler([ScriptedEngine(models("a", size=3 * GIB))]) as running:
        with pytest.raises(
            RefusedError, match=r"a needs 3\.0 GiB on simulated:0; the budget is 2\.0 GiB"
        ):
            await running.client.chat("a", HI)
        reply = await running.http.post("/api/chat", json=body())
    assert reply.status_code == 409
    assert reply.json()["atos"]["code"] == "refused"


async def test_an_unknown_model_is_not_found_in_ollamas_words() -> None:
    async with scheduler([ScriptedEngine(models("a"))]) as running:
        reply = await running.http.post("/api/chat", json=body("nope"))
    assert (reply.status_code, reply.json()) == snapshot(
        (
            404,
            {
                "error": "model 'nope' not found. Installed are: a.",
                "atos": {
                    "code": "no_model",
                    "message": "model 'nope' not found",
                    "next": "Installed are: a.",
                    "status": 404,
                    "retry": False,
                    "data": {},
                },
            },
        )
    )


async def test_a_failed_load_reaches_everybody_who_waits_for_it_with_the_engines_reason() -> None:
    error = LoadFailedError("a is no GGUF: invalid magic characters")
    engine = ScriptedEngine({"a": Script(load_error=error, loads=anyio.Event())})
    failures = list[str]()

    async def ask() -> None:
        with pytest.raises(LoadFailedError, match="invalid magic characters") as caught:
            await running.client.chat("a", HI)
        failures.append(caught.value.message)

    async with scheduler([engine]) as running:
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            group.start_soon(ask)
            await running.until_leases("waiting", "waiting")
            assert engine.scripts["a"].loads is not None
            engine.scripts["a"].loads.set()
        status = await running.client.status()
    assert len(failures) == 2
    assert (status.devices[0].committed, status.residencies) == (0, ())


class Struck(ScriptedEngine):
    """Its first loads fail, for a reason that is not the model's."""

    def __init__(self, failures: int) -> None:
        super().__init__(models("a"))
        self.failures = failures

    async def load(self, spec: ModelSpec) -> LoadedModel:
        if self.failures:
            self.failures -= 1
            error = LoadFailedError("the engine worker was killed by SIGKILL")
            error.retry = True
            raise error
        return await super().load(spec)


async def test_a_load_that_the_machine_ended_is_tried_again_by_itself() -> None:
    async with scheduler([Struck(1)]) as running:
        assert (await running.client.chat("a", HI)).text == "Hello there"


async def test_a_caller_is_told_that_a_load_which_the_machine_ended_twice_may_be_tried_again() -> (
    None
):
    async with scheduler([Struck(2)]) as running:
        with pytest.raises(LoadFailedError, match="SIGKILL") as caught:
            await running.client.chat("a", HI)
        assert caught.value.retry
        assert (await running.client.chat("a", HI)).text == "Hello there"


class Vanishing(ScriptedEngine):
    """Its models are gone as soon as they are loaded."""

    async def load(self, spec: ModelSpec) -> LoadedModel:
        found = await super().load(spec)
        self.crash(spec.name)
        return found


async def test_a_model_that_was_lost_again_is_an_engines_failure_and_no_unknown_model() -> None:
    engine = Vanishing(models("a"))
    async with scheduler([engine]) as running:
        with pytest.raises(EngineError, match="a is not loaded"):
            await running.client.chat("a", HI)
        reply = await running.http.post("/api/embed", json={"model": "a", "input": "x"})
    assert engine.log.count("load a") == 4
    assert (reply.status_code, reply.json()["atos"]["code"]) == (EngineError.status, "engine")


async def test_a_client_that_leaves_while_it_waits_takes_its_demand_along() -> None:
    engine = ScriptedEngine({"a": Script(answers=anyio.Event())})
    async with scheduler([engine]) as running, anyio.create_task_group() as group:
        group.start_soon(running.client.chat, "a", HI)
        await engine.until("ask a")
        with anyio.CancelScope() as impatient:
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(running.client.chat, "a", HI)
                await running.until_leases("held", "waiting")
                impatient.cancel()
        await running.until_leases("held")
        assert engine.scripts["a"].answers is not None
        engine.scripts["a"].answers.set()
        await running.until_leases()
    assert engine.log.count("ask a") == 1


async def test_a_cancelled_engine_keeps_its_slot_until_it_confirms() -> None:
    engine = ScriptedEngine({"a": Script(answers=anyio.Event(), confirms=anyio.Event())})
    script = engine.scripts["a"]
    assert script.answers is not None
    assert script.confirms is not None
    async with scheduler([engine]) as running, anyio.create_task_group() as group:
        with anyio.CancelScope() as impatient:
            async with anyio.create_task_group() as asking:
                asking.start_soon(running.client.chat, "a", HI)
                await engine.until("ask a")
                impatient.cancel()
        group.start_soon(running.client.chat, "a", HI)
        await running.until_leases("held", "waiting")
        assert engine.log.count("ask a") == 1, "the slot is not free yet"
        script.confirms.set()
        await engine.until("cancelled a")
        script.answers.set()
        await engine.until("done a")


async def test_a_reader_that_stops_reading_does_not_keep_the_slot() -> None:
    pieces = tuple(f"{number} " * 150 for number in range(2000))
    engine = ScriptedEngine({"a": Script(reply=pieces)})
    async with (
        scheduler([engine]) as running,
        running.http.stream("POST", "/api/chat", json=body()) as reply,
    ):
        await engine.until("done a")
        await running.until_leases()
        received = [line async for line in reply.aiter_lines()]
    assert len(received) == 2001


async def test_a_deadline_ends_a_request_that_waits() -> None:
    engine = ScriptedEngine({"a": Script(loads=anyio.Event())})
    async with scheduler([engine]) as running:
        with pytest.raises(DeadlineError, match=r"within 0\.1 s") as late:
            await running.client.chat("a", HI, demand=Demand(deadline=0.1))
        reply = await running.http.post(
            "/api/chat", json=body(), headers={"x-atos-deadline": "0.1"}
        )
        assert engine.scripts["a"].loads is not None
        engine.scripts["a"].loads.set()
    assert reply.status_code == 504
    assert late.value.data == {ONLY_WAITED: True}


async def test_a_deadline_ends_a_request_that_is_being_answered_and_frees_its_slot() -> None:
    engine = ScriptedEngine({"a": Script(answers=anyio.Event())})
    async with scheduler([engine]) as running:
        with pytest.raises(DeadlineError) as late:
            await running.client.chat("a", HI, demand=Demand(deadline=0.2))
        await engine.until("cancelled a")
        await running.until_leases()
    assert late.value.data == {}


async def test_an_error_before_the_first_text_keeps_its_status() -> None:
    error = EngineError("the GPU is on fire")
    async with scheduler([ScriptedEngine({"a": Script(answer_error=error)})]) as running:
        reply = await running.http.post("/api/chat", json=body())
    assert (reply.status_code, reply.json()["error"]) == (502, "the GPU is on fire")


async def test_an_error_after_the_first_text_is_the_last_line() -> None:
    error = EngineError("the GPU is on fire")
    engine = ScriptedEngine({"a": Script(answer_error=error, error_after=1)})
    async with scheduler([engine]) as running:
        reply = await running.http.post("/api/chat", json=body())
        with pytest.raises(EngineError, match="on fire"):
            await running.client.chat("a", HI)
    first, last = lines(reply)
    assert (reply.status_code, first["message"]["content"]) == (200, "Hello")
    assert last["atos"]["code"] == "engine"


async def test_a_crashed_engine_frees_its_bytes_and_the_next_request_loads_again() -> None:
    engine = ScriptedEngine({"a": Script(answers=anyio.Event())})
    script = engine.scripts["a"]
    assert script.answers is not None
    async with scheduler([engine]) as running:
        async with anyio.create_task_group() as group:

            async def ask() -> None:
                with pytest.raises(EngineError, match="ended") as caught:
                    await running.client.chat("a", HI)
                assert caught.value.retry

            group.start_soon(ask)
            await engine.until("ask a")
            engine.crash("a")
            script.answers.set()
        assert (await running.client.status()).devices[0].committed == 0
        assert (await running.client.chat("a", HI)).text == "Hello there"
    assert engine.log.count("load a") == 2


async def test_a_request_whose_model_died_before_it_was_asked_is_asked_again_by_itself() -> None:
    engine = ScriptedEngine(models("a"))
    async with scheduler([engine]) as running:
        await running.client.load("a")
        engine.crash("a")
        assert (await running.client.chat("a", HI)).text == "Hello there"
    assert engine.log.count("load a") == 2


async def test_keep_alive_zero_for_a_pool_unloads_the_model_that_answered_and_no_other() -> None:
    engine = ScriptedEngine(models(["a", "b"]))
    async with scheduler([engine], budget=4 * GIB) as running:
        await running.client.load("b")
        answer = await running.http.post("/api/chat", json=body("atos/simple", keep_alive=0))
        await running.client.load("a")
        await engine.until("unload b")
    assert lines(answer)[-1]["model"] == "b"
    assert "unload a" not in engine.log


async def test_a_context_above_the_frozen_one_is_an_error_with_numbers() -> None:
    async with scheduler([ScriptedEngine(models("a"))]) as running:
        reply = await running.http.post("/api/chat", json=body(options={"num_ctx": 8192}))
    assert reply.status_code == 400
    assert "num_ctx 8192 is above the 4096" in reply.json()["error"]


@pytest.mark.parametrize(
    ("raw", "headers", "text"),
    [
        (b"", {}, "missing request body"),
        (b"{", {}, "Invalid JSON"),
        (b"[]", {}, "Input should be"),
        (b'{"messages": []}', {}, "model: Field required"),
        (b'{"model": "a", "messages": [{"role": "boss"}]}', {}, "messages.0.role"),
        (b'{"model": "a", "options": {"temperature": "hot"}}', {}, "options.temperature"),
        (b'{"model": "a", "keep_alive": "soon"}', {}, "keep_alive"),
        (b'{"model": "a"}', {"x-atos-deadline": "-1"}, "x-atos-deadline"),
        (b'{"model": "a"}', {"x-atos-class": "urgent"}, "x-atos-class"),
        (b'{"model": "a"}', {"x-atos-priority": "1e3"}, "x-atos-priority"),
        (b" " * ((32 << 20) + 1), {}, "more than 33554432 bytes"),
    ],
)
async def test_a_bad_request_is_one_clear_error(
    raw: bytes, headers: dict[str, str], text: str
) -> None:
    async with scheduler([ScriptedEngine(models("a"))]) as running:
        reply = await running.http.post("/api/chat", content=raw, headers=headers)
    assert reply.status_code == BadRequestError.status
    assert text in reply.json()["error"]
    assert reply.json()["atos"]["code"] == "bad_request"


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function"}]},
        {"think": True},
        {"messages": [{"role": "user", "content": "see", "images": ["aGk="]}]},
    ],
)
async def test_what_no_engine_can_do_is_refused_and_not_ignored(more: dict[str, Any]) -> None:
    async with scheduler([ScriptedEngine(models("a"))]) as running:
        reply = await running.http.post("/api/chat", json=body() | more)
    assert (reply.status_code, reply.json()["atos"]["code"]) == (400, "unsupported")


async def test_an_empty_chat_loads_and_keep_alive_zero_unloads() -> None:
    engine = ScriptedEngine(models("a"))
    async with scheduler([engine]) as running:
        loaded = await running.http.post("/api/generate", json={"model": "a"})
        listed = (await running.http.get("/api/ps")).json()["models"]
        gone = await running.http.post("/api/generate", json={"model": "a", "keep_alive": 0})
        empty = (await running.http.get("/api/ps")).json()["models"]
    assert loaded.json()["done_reason"] == "load"
    assert [(m["name"], m["size"]) for m in listed] == [("a", GIB)]
    assert gone.json()["done_reason"] == "unload"
    assert (empty, engine.log) == ([], ["load a", "unload a", "close"])


async def test_keep_alive_zero_unloads_after_the_answer() -> None:
    engine = ScriptedEngine(models("a"))
    async with scheduler([engine]) as running:
        await running.http.post("/api/chat", json=body(keep_alive="0s"))
        await engine.until("unload a")


async def test_stopping_tells_those_who_wait_and_those_who_are_answered() -> None:
    engine = ScriptedEngine({"a": Script(answers=anyio.Event())})
    told = list[str]()

    async def ask() -> None:
        with pytest.raises(UnreachableError) as caught:
            await running.client.chat("a", HI)
        told.append(caught.value.message)

    async with scheduler([engine]) as running, anyio.create_task_group() as group:
        group.start_soon(ask)
        await engine.until("ask a")
        group.start_soon(ask)
        await running.until_leases("held", "waiting")
        running.daemon.stop()
    assert told == ["the scheduler is ending"] * 2
    assert engine.log[-1] == "close"


async def test_too_many_requests_at_once_are_sent_away() -> None:
    engine = ScriptedEngine({"a": Script(answers=anyio.Event())})
    async with scheduler([engine], most_requests=1) as running, anyio.create_task_group() as group:
        group.start_soon(running.client.chat, "a", HI)
        await engine.until("ask a")
        reply = await running.http.post("/api/chat", json=body())
        assert (reply.status_code, reply.json()["atos"]["code"]) == (503, "busy")
        assert engine.scripts["a"].answers is not None
        engine.scripts["a"].answers.set()


async def test_no_model_in_a_pool_says_what_is_missing() -> None:
    async with scheduler([ScriptedEngine({})]) as running:
        with pytest.raises(NoModelError) as caught:
            await running.client.chat("atos/complex", HI)
    assert str(caught.value) == snapshot(
        "pool atos/complex has no model: qwen2.5-coder:1.5b: is not installed; granite4.1:3b: is not installed; qwen2.5-coder:0.5b: is not installed. Run `atos-client models pull`, or name a GGUF file in ATOS_GGUF."
    )


async def test_a_reply_that_repeats_itself_is_ended_with_a_reason_and_frees_its_slot() -> None:
    endless = Script(reply=("and so on, ",) * 5000)
    engine = ScriptedEngine({"a": endless, "b": Script()})
    async with scheduler([engine]) as running:
        with pytest.raises(RepetitionError, match=r"a repeated itself without end.*and so on, "):
            await running.client.chat("a", HI)
        assert engine.log[-1] == "cancelled a"
        endless.reply = ("better",)
        assert (await running.client.chat("a", HI)).text == "better"
