"""Loading a model takes of the budget and never adds to it, wherever its pages lie."""

import anyio

from atos_scheduler.catalogue.contracts import deployment_of
from atos_scheduler.catalogue.entries import ModelEntry
from atos_scheduler.core.state_machine import Core
from atos_scheduler.core.types import HOST
from atos_scheduler.dispatcher import Dispatcher
from atos_scheduler.engines.protocol import LoadedModel
from atos_scheduler.event_log import EventLog
from doubles.scripted_engine import GIB, ScriptedEngine, models


async def test_pages_of_files_do_not_count_as_used_since_the_system_counts_them_as_available() -> (
    None
):
    engine = ScriptedEngine(models("a"))
    (installed,) = await engine.installed()
    found = LoadedModel("a", GIB, 0, 4096, mapped=GIB // 4 * 3)
    async with anyio.create_task_group() as group:
        dispatcher = Dispatcher(Core({HOST: 4 * GIB}), EventLog(), group)
        dispatcher.adopt(deployment_of(engine, installed, ModelEntry(), "cpu"), found)
        assert dispatcher.core.memory.committed == GIB, "the whole model is charged"
        assert dispatcher.occupied(HOST) == GIB // 4, "or the budget would grow by what it maps"
