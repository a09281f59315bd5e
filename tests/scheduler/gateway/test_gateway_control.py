"""The control routes: status, plans, load, unload, events."""

from contextlib import aclosing, suppress

import anyio
import httpx
import pytest
from inline_snapshot import snapshot

from atos_protocol.errors import (
    BadRequestError,
    ConflictError,
    LoadFailedError,
    NotFoundError,
)
from atos_protocol.scheduler_api import Demand, Device, PlanHint, PlannedTask, Residency, Status
from atos_scheduler.event_log import EventLog
from atos_scheduler.plan_hints import PlanHints
from doubles.running_scheduler import GIB, scheduler
from doubles.scripted_engine import Script, ScriptedEngine, models

HI = [{"role": "user", "content": "hi"}]
PLAN = PlanHint(3, 60.0, (PlannedTask("T1", (), "running", "simple", calls=2, off_gpu=1.5),))


async def status_while_answering(demand: Demand) -> Status:
    """Return the status of a scheduler whose only model answers one request."""
    engine = ScriptedEngine({"a": Script(answers=anyio.Event())})
    seen = list[Status]()
    async with scheduler([engine]) as running, anyio.create_task_group() as group:
        group.start_soon(lambda: running.client.chat("atos/simple", HI, demand=demand))
        await engine.until("ask a")
        seen.append(await running.client.status())
        assert engine.scripts["a"].answers is not None
        engine.scripts["a"].answers.set()
    return seen[0]


async def test_status_shows_device_residency_and_leases() -> None:
    status = await status_while_answering(Demand(goal="g1", task="T1", role="coder"))
    assert status.devices == snapshot(
        (
            Device(
                name="simulated:0",
                kind="simulated",
                total=2 * GIB,
                budget=2 * GIB,
                committed=GIB,
                foreign=0,
            ),
        )
    )
    assert status.residencies == snapshot(
        (
            Residency(
                model="a",
                engine="scripted",
                device="simulated:0",
                state="resident",
                bytes=GIB,
                measured=True,
                slots=1,
                leases=1,
            ),
        )
    )
    (lease,) = status.leases
    assert (lease.state, lease.model, lease.pool, lease.goal, lease.task) == (
        "held",
        "a",
        "simple",
        "g1",
        "T1",
    )


async def test_a_plan_is_kept_listed_and_dropped() -> None:
    async with scheduler([ScriptedEngine({})]) as running:
        instance = await running.client.publish_plan("g/1", PLAN)
        kept = (await running.http.get("/atos/v1/plans/g%2F1")).json()
        status = await running.client.status()
        await running.client.drop_plan("g/1")
        after = await running.client.status()
    assert (status.plans, status.instance, after.plans) == (("g/1",), instance, ())
    assert kept == snapshot(
        {
            "revision": 3,
            "ttl": 60.0,
            "tasks": [
                {
                    "id": "T1",
                    "depends_on": [],
                    "state": "running",
                    "pool": "simple",
                    "calls": 2,
                    "tokens": 0,
                    "off_gpu": 1.5,
                }
            ],
        }
    )


async def test_an_older_revision_of_a_plan_is_refused() -> None:
    async with scheduler([ScriptedEngine({})]) as running:
        await running.client.publish_plan("g1", PLAN)
        with pytest.raises(ConflictError, match="revision 2 of g1 is older than 3"):
            await running.client.publish_plan("g1", PlanHint(2, 60.0))
        await running.client.publish_plan("g1", PLAN)


def test_a_plan_is_forgotten_when_its_time_is_over() -> None:
    clock = [0.0]
    plans = PlanHints(lambda: clock[0])
    plans.put("g1", PLAN)
    clock[0] = 59.9
    plans.put("g1", PLAN)
    clock[0] = 119.8
    assert plans.goals() == ("g1",), "publishing it again renewed it"
    clock[0] = 120.0
    assert plans.goals() == ()
    with pytest.raises(NotFoundError):
        plans.get("g1")


async def test_a_plan_with_an_unknown_field_is_a_mistake() -> None:
    async with scheduler([ScriptedEngine({})]) as running:
        reply = await running.http.put("/atos/v1/plans/g1", json={"revision": 1, "tll": 3})
    assert reply.status_code == BadRequestError.status


@pytest.mark.parametrize(
    ("tasks", "text"),
    [
        ({"T1": ["T3"], "T2": ["T1"], "T3": ["T2"]}, "the plan has a cycle: T1 -> T2 -> T3 -> T1"),
        ({"T1": ["T1"]}, "the plan has a cycle: T1 -> T1"),
        ({str(n): [str((n + 1) % 30)] for n in range(30)}, "and 21 more"),
    ],
)
async def test_a_plan_with_a_cycle_is_refused_by_its_tasks_and_nothing_is_kept(
    tasks: dict[str, list[str]], text: str
) -> None:
    listed = [
        {"id": name, "depends_on": after, "state": "waiting", "pool": "simple"}
        for name, after in tasks.items()
    ]
    async with scheduler([ScriptedEngine({})]) as running:
        body = {"revision": 1, "ttl": 60, "tasks": listed}
        reply = await running.http.put("/atos/v1/plans/g1", json=body)
        assert (await running.client.status()).plans == ()
    assert reply.status_code == BadRequestError.status
    assert text in reply.json()["error"]
    assert "served all the same" in reply.json()["atos"]["next"]


async def test_a_plan_with_a_task_twice_is_refused() -> None:
    task = {"id": "T1", "state": "waiting", "pool": "simple"}
    async with scheduler([ScriptedEngine({})]) as running:
        body = {"revision": 1, "ttl": 60, "tasks": [task, task]}
        reply = await running.http.put("/atos/v1/plans/g1", json=body)
    assert reply.json()["atos"]["message"] == "the plan has the task T1 twice"


async def test_load_and_unload_by_name_and_by_pool() -> None:
    engine = ScriptedEngine(models(["small", "large"]))
    engine.scripts["large"].size += 1
    async with scheduler([engine], budget=4 * GIB) as running:
        assert await running.client.load("atos/complex") == "large"
        assert await running.client.load("small") == "small"
        assert len((await running.client.status()).residencies) == 2
        await running.client.unload("small")
        await running.client.unload("small")
        assert [r.model for r in (await running.client.status()).residencies] == ["large"]


async def test_a_load_that_fails_says_why() -> None:
    error = LoadFailedError("a is truncated")
    async with scheduler([ScriptedEngine({"a": Script(load_error=error)})]) as running:
        with pytest.raises(LoadFailedError, match="a is truncated"):
            await running.client.load("a")


async def test_unload_waits_for_the_requests_that_run() -> None:
    engine = ScriptedEngine({"a": Script(answers=anyio.Event())})
    async with scheduler([engine]) as running, anyio.create_task_group() as group:
        group.start_soon(running.client.chat, "a", HI)
        await engine.until("ask a")
        group.start_soon(running.client.unload, "a")
        group.start_soon(running.client.chat, "a", HI)
        await running.until_leases("held", "waiting")
        assert engine.scripts["a"].answers is not None
        engine.scripts["a"].answers.set()
    wanted = ["load a", "ask a", "done a", "unload a", "load a", "ask a", "done a", "close"]
    assert engine.log == wanted


async def test_events_tell_what_happened_and_then_what_happens() -> None:
    engine = ScriptedEngine(models("a"))
    kinds = list[str]()
    async with scheduler([engine]) as running:
        await running.client.load("a")
        with anyio.fail_after(5):
            async for event in running.client.events(after=1):
                kinds.append(event["kind"])
                if event["kind"] == "lease_ended":
                    await running.client.unload("a")
                if event["kind"] == "model_evicted":
                    break
        snapshot_ = await running.http.get("/atos/v1/events?after=0&follow=false")
    assert kinds == [
        "model_loaded",
        "lease_granted",
        "lease_ended",
        "model_evicting",
        "model_evicted",
    ]
    assert len(snapshot_.text.splitlines()) == 6


@pytest.mark.parametrize("query", ["after=-1", "after=x", "follow=maybe"])
async def test_a_bad_query_is_an_error(query: str) -> None:
    async with scheduler([ScriptedEngine({})]) as running:
        reply = await running.http.get(f"/atos/v1/events?{query}")
    assert reply.status_code == BadRequestError.status


async def test_unknown_routes_and_methods_answer_in_the_same_shape() -> None:
    async with scheduler([ScriptedEngine({})]) as running:
        missing = await running.http.get("/api/nothing")
        method = await running.http.delete("/api/chat")
        root = await running.http.head("/")
        version = await running.http.get("/api/version")
    assert (missing.status_code, missing.json()["atos"]["code"]) == (404, "not_found")
    assert (method.status_code, "error" in method.json()) == (405, True)
    assert (root.status_code, version.json()["version"]) == (200, "0.33.0")


async def test_looking_at_the_status_does_not_keep_an_idle_daemon() -> None:
    async with scheduler([ScriptedEngine({})], idle_seconds=0.3) as running:
        with anyio.fail_after(5), suppress(httpx.TransportError):
            while not running.daemon.ending:
                await running.http.get("/atos/v1/status")


async def test_a_lease_keeps_a_daemon_that_is_otherwise_idle() -> None:
    engine = ScriptedEngine({"a": Script(answers=anyio.Event())})
    script = engine.scripts["a"]
    assert script.answers is not None
    async with scheduler([engine], idle_seconds=0.2) as running, anyio.create_task_group() as group:
        group.start_soon(running.client.chat, "a", HI)
        await engine.until("ask a")
        await anyio.sleep(0.5)
        assert not running.daemon.ending
        script.answers.set()


async def test_a_daemon_that_nobody_can_reach_any_more_ends() -> None:
    async with scheduler([ScriptedEngine({})], reach_seconds=0.01) as running:
        await running.client.status()
        running.settings.scheduler_socket.unlink()
        with anyio.fail_after(5):
            await running.daemon.ended()


async def test_memory_that_other_programs_take_sends_an_idle_model_away() -> None:
    engine = ScriptedEngine(models("a"))
    async with scheduler([engine], check_seconds=0.01) as running:
        await running.client.load("a")
        running.device.foreign = 3 * GIB // 2
        await engine.until("unload a")
        (device,) = (await running.client.status()).devices
    assert (device.foreign, device.budget) == (3 * GIB // 2, GIB // 2)


async def test_a_model_that_vanished_is_noticed_without_anybody_asking_for_it() -> None:
    engine = ScriptedEngine(models("a"))
    async with scheduler([engine], check_seconds=0.01) as running:
        await running.client.load("a")
        engine.crash("a")
        with anyio.fail_after(5):
            async with aclosing(running.client.events()) as events:
                async for event in events:
                    if event["kind"] == "engine_lost":
                        break
        assert (await running.client.status()).residencies == ()


def test_a_reader_that_lags_too_far_behind_is_told_what_it_missed() -> None:
    event_log = EventLog(kept=2)
    for _ in range(5):
        event_log.add("tick")
    seen = [(event["seq"], event["kind"], event.get("lost")) for event in event_log.since(1)]
    assert seen == [(3, "gap", 2), (4, "tick", None), (5, "tick", None)]
    assert event_log.since(5) == []


async def test_a_model_that_was_just_fetched_is_seen_at_once() -> None:
    engine = ScriptedEngine({})
    async with scheduler([engine]) as running:
        engine.scripts["new"] = Script()
        assert (await running.http.post("/atos/v1/refresh")).json() == {"models": ["new"]}
        pools = {pool.name: pool.members for pool in await running.client.pools()}
    assert pools["complex"] == ("new",)
