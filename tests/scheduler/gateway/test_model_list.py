"""The list of models is there at once, whatever the engines do meanwhile."""

import anyio
import pytest

from atos_scheduler.engines.protocol import InstalledModel
from atos_scheduler.engines.simulated import Simulated, SimulatedModel
from doubles.running_scheduler import Running, scheduler

pytestmark = pytest.mark.timeout(120)  # seconds of wall on a loaded machine


class Gated(Simulated):
    """An engine that lists its models once, and then only when it is let."""

    def __init__(self) -> None:
        super().__init__([SimulatedModel("a", 1 << 20)])
        self.gate, self.asked = anyio.Event(), anyio.Event()
        self.first = True
        self.broken = False

    async def installed(self) -> list[InstalledModel]:
        if not self.first:
            self.asked.set()
            await self.gate.wait()
        self.first = False
        if self.broken:
            raise RuntimeError("a bug")
        return await super().installed()


async def names(running: Running) -> list[str]:
    listed = (await running.http.get("/api/tags")).json()["models"]
    return [model["name"] for model in listed]


async def test_while_an_engine_lists_its_models_the_last_list_is_shown() -> None:
    engine = Gated()
    async with scheduler([engine]) as running:
        with anyio.fail_after(60):
            while not engine.asked.is_set():  # the first list is fresh for two seconds
                assert await names(running) == ["a"]
                await anyio.sleep(0.05)
        assert await names(running) == ["a"], "it hangs"
        engine.gate.set()
        assert await names(running) == ["a"]


async def test_an_engine_that_fails_while_nobody_waits_for_it_does_not_end_the_daemon() -> None:
    engine = Gated()
    async with scheduler([engine]) as running:
        with anyio.fail_after(60):
            while not engine.asked.is_set():
                await names(running)
                await anyio.sleep(0.05)
        engine.broken = True
        engine.gate.set()
        await anyio.sleep(0.05)
        assert await names(running) == ["a"]
