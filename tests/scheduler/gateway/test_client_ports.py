"""A client's port: who may come to it, who is asked for, and what other programs do to the models."""
# pyright: reportPossiblyUnboundVariable=false, reportUnknownMemberType=false
# (a task group may suppress what its body raised, as far as pyright knows)

import json
from typing import Any

import anyio
import httpx
import pytest
from inline_snapshot import snapshot

from atos_protocol.errors import BusyError, ConflictError
from doubles.gateway_port import gateway_port
from doubles.running_scheduler import GIB, scheduler
from doubles.scripted_engine import Script, ScriptedEngine, models

HI = [{"role": "user", "content": "hi"}]
CHAT: dict[str, Any] = {"model": "a", "messages": HI}


def engine(**script: Any) -> ScriptedEngine:
    return ScriptedEngine({"a": Script(**script)})


@pytest.mark.parametrize(
    ("headers", "path", "said"),
    [
        ({"host": "evil.example"}, "/api/tags", "names the host"),
        ({"host": "evil.example:11434"}, "/v1/models", "names the host"),
        ({"origin": "http://127.0.0.1"}, "/v1/messages", "web page"),
        ({"origin": "null"}, "/api/tags", "web page"),
        ({"sec-fetch-site": "cross-site"}, "/api/tags", "web page"),
    ],
)
async def test_a_web_page_and_another_host_name_get_nothing(
    headers: dict[str, str], path: str, said: str
) -> None:
    async with gateway_port([engine()]) as (_, url), httpx.AsyncClient(base_url=url) as http:
        reply = await http.get(path, headers=headers)
    assert reply.status_code == 403
    assert said in reply.text


async def test_a_port_has_no_control_routes_and_is_closed_when_it_is_off() -> None:
    async with gateway_port([engine()]) as (running, url), httpx.AsyncClient() as http:
        control = [
            (await http.request(method, f"{url}/atos/v1/{path}")).status_code
            for method, path in (("GET", "status"), ("POST", "pause"), ("GET", "clients"))
        ]
        await running.http.delete("/atos/v1/clients/editor")
        with pytest.raises(httpx.TransportError):
            await http.get(f"{url}/api/tags")
    assert control == [404, 404, 404]


async def test_the_port_says_who_asks_and_how_urgently() -> None:
    waits = anyio.Event()
    asked = engine(answers=waits)
    async with (
        gateway_port([asked], weight=4.0, kind="batch") as (running, url),
        httpx.AsyncClient(base_url=url) as http,
        anyio.create_task_group() as group,
    ):
        headers = {"x-atos-class": "interactive", "x-atos-priority": "9"}

        async def ask() -> None:
            await http.post("/api/chat", json=CHAT, headers=headers)

        group.start_soon(ask)
        status = await running.until_leases("held")
        waits.set()
    assert [lease.client for lease in status.leases] == ["editor"]


async def test_clients_are_remembered_with_their_ports() -> None:
    async with gateway_port([engine()]) as (running, url):
        again = await running.http.put("/atos/v1/clients/editor", json={"kind": "batch"})
        listed = (await running.http.get("/atos/v1/clients")).json()["clients"]
        kept = (running.settings.home / "gateway.json").read_text()
    assert again.json()["url"] == url
    assert [(c["name"], c["kind"], c["trouble"]) for c in listed] == [("editor", "batch", "")]
    async with (
        scheduler([engine()], files={"gateway.json": kept}) as after,
        httpx.AsyncClient(base_url=url) as http,
    ):
        await after.client.status()  # it answers once its ports are open
        assert (await http.get("/api/tags")).status_code == 200


async def test_a_port_that_is_taken_or_is_that_of_the_server_behind_us_is_refused() -> None:
    async with gateway_port([engine()]) as (running, url):
        port = int(url.rpartition(":")[2])
        taken = await running.http.put("/atos/v1/clients/other", json={"port": port})
        ollama = await running.http.put("/atos/v1/clients/other", json={"port": 11434})
        bad = await running.http.put("/atos/v1/clients/Other!", json={})
    assert (taken.status_code, ollama.status_code) == (ConflictError.status, ConflictError.status)
    assert "looks for an Ollama server" in ollama.json()["error"]
    assert (bad.status_code, bad.json()["atos"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("/v1/chat/completions", b": the request waits"),
        ("/v1/messages", b'event: ping\ndata: {"type": "ping"}'),
        ("/api/chat", b'{"model":"a"'),
    ],
)
async def test_a_stream_that_waits_is_kept_alive_and_a_later_failure_is_an_event_in_it(
    path: str, first: bytes
) -> None:
    loads = anyio.Event()
    slow = engine(loads=loads, load_error=ConflictError("it broke"))
    async with gateway_port([slow], keep_alive=0.01) as (_, url):
        body = {**CHAT, "stream": True, "max_tokens": 5}
        async with (
            httpx.AsyncClient(base_url=url, timeout=10) as http,
            http.stream("POST", path, json=body) as reply,
        ):
            pieces = reply.aiter_raw()
            seen = await anext(pieces)
            loads.set()
            rest = b"".join([piece async for piece in pieces])
    assert reply.status_code == 200
    assert seen.startswith(first)
    assert b"it broke" in rest


async def test_a_request_that_is_not_streamed_waits_in_silence_and_keeps_its_status() -> None:
    broken = engine(load_error=ConflictError("it broke"))
    async with (
        gateway_port([broken], keep_alive=0.01) as (_, url),
        httpx.AsyncClient(base_url=url) as http,
    ):
        reply = await http.post("/v1/chat/completions", json=CHAT)
    assert (reply.status_code, reply.headers["x-should-retry"]) == (409, "false")
    assert reply.json()["error"]["message"] == "it broke"


async def test_a_full_queue_is_said_in_the_format_of_each_api() -> None:
    waits = anyio.Event()
    async with (
        gateway_port([engine(answers=waits)], most_requests=1) as (running, url),
        httpx.AsyncClient(base_url=url, timeout=10) as http,
        anyio.create_task_group() as group,
    ):

        async def ask() -> None:
            await http.post("/api/chat", json=CHAT)

        group.start_soon(ask)
        await running.until_leases("held")
        paths = ("/api/chat", "/v1/chat/completions", "/v1/messages")
        replies = [await http.post(p, json={**CHAT, "max_tokens": 5}) for p in paths]
        waits.set()
    assert [reply.status_code for reply in replies] == [BusyError.status] * 3
    bodies = [reply.json() for reply in replies]
    assert isinstance(bodies[0]["error"], str)
    assert bodies[1]["error"]["code"] == "server_overloaded"
    assert bodies[2]["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff", b"{}", b'{"model": 1}', b"[" * 100_000])
async def test_what_is_no_request_is_an_error_in_the_format_of_the_api(
    path: str, raw: bytes
) -> None:
    async with gateway_port([engine()]) as (_, url), httpx.AsyncClient(base_url=url) as http:
        reply = await http.post(path, content=raw)
    body = reply.json()
    assert reply.status_code == 400
    kind = {"/api/chat": str, "/v1/chat/completions": dict, "/v1/messages": dict}[path]
    assert isinstance(body["error"], kind)


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions", "/v1/messages"])
async def test_a_body_of_30_mb_is_answered_with_numbers(path: str) -> None:
    large = {**CHAT, "messages": [{"role": "user", "content": "x" * 30_000_000}], "max_tokens": 5}
    async with (
        gateway_port([engine()]) as (_, url),
        httpx.AsyncClient(base_url=url, timeout=15) as http,
    ):
        reply = await http.post(path, json=large)
    assert reply.status_code == 400
    assert "30000000 characters, at least 468750 tokens" in reply.text


async def test_a_model_that_can_never_fit_is_refused_with_numbers() -> None:
    async with (
        gateway_port([engine(size=3 * GIB)], budget=2 * GIB) as (_, url),
        httpx.AsyncClient(base_url=url) as http,
    ):
        reply = await http.post("/v1/chat/completions", json=CHAT)
    assert reply.status_code == 409
    assert reply.json()["error"] == snapshot(
        {
            "message": "a needs 3.0 GiB on simulated:0; the budget is 2.0 GiB on simulated:0. Use a smaller model, a smaller context or fewer slots, or raise ATOS_BUDGET.",
            "type": "invalid_request_error",
            "param": None,
            "code": "refused",
        }
    )


async def test_unknown_models_are_answered_with_the_nearest_names() -> None:
    names = ScriptedEngine(models(["qwen2.5-coder:1.5b", "llama3.2:1b"]))
    async with gateway_port([names]) as (_, url), httpx.AsyncClient(base_url=url) as http:
        reply = await http.post("/api/chat", json={**CHAT, "model": "qwen2.5-coder:1b"})
    assert reply.json()["error"] == snapshot(
        "model 'qwen2.5-coder:1b' not found. Did you mean qwen2.5-coder:1.5b? Installed are: llama3.2:1b, qwen2.5-coder:1.5b."
    )


async def test_what_has_no_effect_is_named_and_not_ignored_in_silence() -> None:
    body = {**CHAT, "stream": False, "colour": "red", "options": {"num_gpu": 3, "top_k": 5}}
    async with gateway_port([engine()]) as (_, url), httpx.AsyncClient(base_url=url) as http:
        reply = await http.post("/api/chat", json=body)
    assert reply.headers["x-atos-ignored"] == "colour, num_gpu"


async def test_a_longer_context_is_another_variant_of_the_model_or_an_error_with_numbers() -> None:
    from atos_scheduler.engines.simulated import Simulated, SimulatedModel

    able = Simulated([SimulatedModel("a", GIB, context=32_768)])
    async with (
        gateway_port([able], budget=3 * GIB) as (running, url),
        httpx.AsyncClient(base_url=url) as http,
    ):
        long = await http.post("/api/chat", json={**CHAT, "stream": False, "options": {"num_ctx": 9000}})  # fmt: skip
        more = await http.post("/api/chat", json={**CHAT, "options": {"num_ctx": 99_000}})
        held = (await running.client.status()).residencies
    assert long.json()["model"] == "a"
    assert [found.model for found in held] == ["a@ctx16384"]
    assert more.status_code == 400
    assert "num_ctx 99000 is above the 4096" in more.json()["error"]


async def test_a_lease_of_plain_memory_makes_room_and_ends_with_its_connection() -> None:
    idle = engine()
    async with scheduler([idle], budget=2 * GIB) as running:
        await running.client.load("a")
        body = {"bytes": 2 * GIB - 1, "name": "train.py"}
        async with running.http.stream("POST", "/atos/v1/lease", json=body) as reply:
            line = json.loads(await anext(reply.aiter_lines()))
            held = await running.until_leases("held")
        await idle.until("unload a")
        with anyio.fail_after(5):
            while (await running.client.status()).devices[0].committed:  # noqa: ASYNC110 - the status is asked
                await anyio.sleep(0.005)
    assert line["lease"] == "L2"
    assert held.leases[0].model.startswith("reserved:train.py:")
    assert held.devices[0].committed == 2 * GIB - 1


async def test_a_lease_that_can_never_be_is_refused_with_numbers() -> None:
    async with scheduler([engine()], budget=2 * GIB) as running:
        reply = await running.http.post("/atos/v1/lease", json={"bytes": 3 * GIB})
    assert reply.status_code == 409
    assert "3.0 GiB" in reply.json()["error"]


async def test_a_pause_empties_memory_and_requests_wait_for_its_end() -> None:
    patient = engine()
    async with (
        gateway_port([patient]) as (running, url),
        httpx.AsyncClient(base_url=url, timeout=10) as http,
        anyio.create_task_group() as group,
    ):
        await running.client.load("a")
        paused = (await running.http.post("/atos/v1/pause")).json()
        replies = list[httpx.Response]()

        async def ask() -> None:
            replies.append(await http.post("/api/chat", json={**CHAT, "stream": False}))

        group.start_soon(ask)
        waiting = await running.until_leases("waiting")
        resumed = (await running.http.post("/atos/v1/resume")).json()
    assert paused == {"paused": True, "unloaded": ["a"]}
    assert (waiting.paused, waiting.residencies) == (True, ())
    assert resumed == {"paused": False, "was_paused": True}
    assert replies[0].json()["message"]["content"] == "Hello there"


NOTHING: Any = {"role": "assistant", "content": None}
CALLED: Any = {"function": {"name": "f", "arguments": {}}}
SAID: Any = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/chat", {"options": None, "format": None, "tools": None, "keep_alive": None}),
        ("/api/chat", {"messages": [SAID, NOTHING, SAID]}),
        ("/api/chat", {"messages": [SAID, NOTHING | {"tool_calls": [CALLED]}, SAID]}),
        ("/api/generate", {"prompt": "hi", "options": None, "system": None, "suffix": None}),
        ("/v1/chat/completions", {"stop": None, "tools": None, "seed": None, "max_tokens": None}),
        ("/v1/chat/completions", {"messages": [SAID, NOTHING, SAID], "response_format": None}),
        ("/v1/messages", {"system": None, "tools": None, "output_config": None, "top_k": None}),
        ("/v1/messages", {"output_config": {"format": None}}),
    ],
)
async def test_null_in_a_request_asks_for_nothing(path: str, body: dict[str, Any]) -> None:
    sent = {
        **CHAT,
        "stream": False,
        **({"max_tokens": 9} if path == "/v1/messages" else {}),
        **body,
    }
    async with gateway_port([engine()]) as (_, url), httpx.AsyncClient(base_url=url) as http:
        reply = await http.post(path, json=sent)
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions", "/v1/messages"])
async def test_headers_that_nobody_knows_change_nothing_and_ours_are_errors_of_the_api(
    path: str,
) -> None:
    sent = {**CHAT, "stream": False, "max_tokens": 9}
    async with gateway_port([engine()]) as (_, url), httpx.AsyncClient(base_url=url) as http:
        strange = {"x-atos-nonsense": "1", "x-stainless-os": "Plan 9", "anthropic-beta": "x"}
        reply = await http.post(path, json=sent, headers=strange)
        wrong = await http.post(path, json=sent, headers={"x-atos-deadline": "soon"})
    assert reply.status_code == 200, reply.text
    assert wrong.status_code == 400
    error: Any = wrong.json()["error"]
    assert "x-atos-deadline" in (error if isinstance(error, str) else error["message"])


def said(body: Any) -> str:
    """Return the message of an error in the format of any API."""
    error = body["error"]
    return error if isinstance(error, str) else error["message"]


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions", "/v1/messages"])
async def test_each_api_says_what_is_near_an_unknown_model_and_why_another_never_fits(
    path: str,
) -> None:
    scripts = models(["qwen2.5-coder:1.5b"]) | {"large": Script(size=3 * GIB)}
    async with (
        gateway_port([ScriptedEngine(scripts)], budget=2 * GIB) as (_, url),
        httpx.AsyncClient(base_url=url) as http,
    ):
        sent = {**CHAT, "max_tokens": 9}
        unknown = await http.post(path, json={**sent, "model": "qwen2.5-coder:1b"})
        large = await http.post(path, json={**sent, "model": "large"})
    assert (unknown.status_code, large.status_code) == (404, 409)
    assert "Did you mean qwen2.5-coder:1.5b?" in said(unknown.json())
    assert "large needs 3.0 GiB on simulated:0; the budget is 2.0 GiB" in said(large.json())
    assert (
        "raise ATOS_BUDGET" in said(large.json()) or "ATOS_BUDGET" in large.json()["atos"]["next"]
    )
