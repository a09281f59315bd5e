"""What the scheduler decided, asked over HTTP."""

from contextlib import aclosing

import anyio
from inline_snapshot import snapshot

from atos_protocol.errors import AtosError
from atos_protocol.scheduler_api import Demand, PlanHint, PlannedTask
from atos_scheduler.core.events import Tick
from atos_scheduler.core.state_machine import Step
from atos_scheduler.engines.protocol import LoadedModel, ModelSpec
from atos_scheduler.gateway.decision_routes import forgotten
from doubles.running_scheduler import GIB, scheduler
from doubles.scripted_engine import Script, ScriptedEngine, models

HI = [{"role": "user", "content": "hi"}]


async def test_a_decision_is_told_explained_and_counted() -> None:
    async with scheduler([ScriptedEngine(models(["a", "b"]))], budget=GIB) as running:
        for model in ("a", "b"):
            await running.client.chat(model, HI, demand=Demand(goal="g1", task="T1"))
        told = (await running.http.get("/atos/v1/decisions", params={"model": "b"})).json()
        texts = [decision["text"] for decision in told["decisions"]]
        assert texts[0] == snapshot("L2 asks for b; Evict a")
        everything = (await running.http.get("/atos/v1/decisions")).json()["decisions"]
        assert [step for step in everything if step["event"]["kind"] == "ForeignChanged"] == []
        number = told["decisions"][0]["seq"]
        explained = (await running.http.get(f"/atos/v1/decisions/{number}")).json()
        assert "* b: absent, 1.0 GiB, a must go" in explained["explanation"]
        receipt = (await running.http.get("/atos/v1/receipts/g1")).json()
        assert (receipt["requests"], receipt["loads"]) == (2, 2)
        assert (await running.http.get("/atos/v1/validate")).json() == {"wrong": []}
        for path, status in (("decisions/x", 400), ("decisions/999", 404), ("receipts/no", 404)):
            assert (await running.http.get(f"/atos/v1/{path}")).status_code == status


async def test_a_published_plan_is_forecast_without_loading_anything() -> None:
    plan = PlanHint(
        1, 60.0, (PlannedTask("T1", (), "running", "a"), PlannedTask("T2", ("T1",), "waiting", "b"))
    )
    engine = ScriptedEngine(models(["a", "b"]))
    async with scheduler([engine], budget=GIB) as running:
        await running.client.publish_plan("g1", plan)
        lines = (await running.http.get("/atos/v1/forecast/g1")).json()["lines"]
    happens = [(line["what"], line["model"], line["task"]) for line in lines]
    assert happens == snapshot(
        [
            ("load", "a", ""),
            ("begin", "a", "T1"),
            ("end", "a", "T1"),
            ("evict", "a", ""),
            ("load", "b", ""),
            ("begin", "b", "T2"),
            ("end", "b", "T2"),
        ]
    )
    assert not [line for line in engine.log if line.startswith("load")]


class Growing(ScriptedEngine):
    """Its models take more than they did when they were loaded."""

    async def load(self, spec: ModelSpec) -> LoadedModel:
        found = await super().load(spec)
        self.scripts[spec.name].size += GIB // 2
        return found


async def test_a_model_that_has_grown_is_charged_for_it_at_the_next_look() -> None:
    engine = Growing({"a": Script()})
    async with scheduler([engine], budget=4 * GIB, check_seconds=0.01) as running:
        await running.client.chat("a", HI)
        with anyio.fail_after(10):
            async with aclosing(running.client.events()) as events:
                event = await anext(e async for e in events if e["kind"] == "model_grew")
        (device,) = (await running.client.status()).devices
    assert (event["bytes"], device.committed) == (GIB * 3 // 2, GIB * 3 // 2)


class Silent(ScriptedEngine):
    """Answers nothing any more once it was told so."""

    silent = False

    async def loaded(self) -> list[LoadedModel]:
        if self.silent:
            raise TimeoutError
        return await super().loaded()


async def test_an_engine_that_stays_silent_is_lost_and_its_callers_are_told() -> None:
    engine = Silent({"a": Script(answers=anyio.Event())})
    async with scheduler([engine], check_seconds=0.01) as running:
        seen = list[str]()

        async def ask() -> None:
            try:
                await running.client.chat("a", HI)
            except AtosError as error:
                seen.append(error.code)

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await engine.until("ask a")
            engine.silent = True
        assert seen == ["engine"]


def test_a_decision_that_is_no_longer_kept_is_said_to_be_forgotten() -> None:
    kept = [Step(0.0, Tick(), (), seq) for seq in range(1041, 2041)]
    assert forgotten(7, kept) == snapshot(
        (
            "decision 7 is forgotten: of 2040 decisions the last 1000 are kept",
            "See GET /atos/v1/decisions. What a goal's swaps came to is kept with its receipt.",
        )
    )
    assert forgotten(9000, kept) == snapshot(
        ("there is no decision 9000: they are 1041 to 2040", "See GET /atos/v1/decisions.")
    )
    assert forgotten(1, []) == snapshot(
        (
            "there is no decision 1: nothing was decided since the scheduler started",
            "See GET /atos/v1/decisions.",
        )
    )
