"""What the engines hold for us: loads, unloads, and whether a model is still there.

Everything here waits for an engine and reports by an event of the core; it decides nothing.
"""

from __future__ import annotations

import logging

import anyio

from atos_protocol.crash_points import crashpoint, declare
from atos_protocol.errors import AtosError, LoadFailedError
from atos_scheduler.catalogue.contracts import Offer
from atos_scheduler.core.events import Evicted, Loaded, LoadFailed
from atos_scheduler.core.types import Reason
from atos_scheduler.engines.protocol import LoadedModel

logger = logging.getLogger(__name__)

LOAD_POINTS = [declare("scheduler.load.before"), declare("scheduler.load.after")]
"""Before an engine is told to load a model, and when it has."""
LOAD_SECONDS = 600.0
"""Longest load that is waited for; 20 GB from a slow disk take 5 minutes."""
UNLOAD_SECONDS = 60.0
RETRY_SECONDS = 5.0
"""Pause before an engine that did not confirm an eviction is asked again."""
LOOK_SECONDS = 5.0


class ModelLoader:
    """The models that are, or shall be, in memory, each with the offer it was taken from."""

    def __init__(self) -> None:
        self.loaded: dict[str, LoadedModel] = {}
        """What the engines said of the models they hold."""
        self._offers: dict[str, Offer] = {}
        self._adopted: set[str] = set()
        """Models in memory in a shape that somebody else chose, until they are first used."""

    def take(self, offered: Offer) -> None:
        """Remember how a model is loaded; not to be called while it is in memory."""
        self._offers[offered.name] = offered

    def offer(self, model: str) -> Offer:
        """Return how a model that was taken is loaded."""
        return self._offers[model]

    def adopt(self, offered: Offer, found: LoadedModel) -> None:
        """Take a model that an engine held before anybody here asked for it."""
        self.take(offered)
        self._adopted.add(offered.name)
        self.loaded[offered.name] = found

    def forget(self, model: str) -> None:
        """Note that a model is not in memory any more."""
        self.loaded.pop(model, None)
        self._adopted.discard(model)

    async def prepare(self, model: str) -> None:
        """Give an adopted model our frozen context and options before it is first used.

        Raises:
            AtosError: its engine could not do that.
        """
        if model in self._adopted:
            offered = self._offers[model]
            self.loaded[model] = await offered.engine.load(offered.spec)
            self._adopted.discard(model)

    async def load(self, model: str) -> Loaded | LoadFailed:
        """Have a model loaded; whatever goes wrong is an outcome too."""
        offered = self._offers[model]
        crashpoint("scheduler.load.before")
        try:
            with anyio.fail_after(LOAD_SECONDS):
                found = await offered.engine.load(offered.spec)
        except TimeoutError:
            message = f"{offered.engine.name} did not load {model} within {LOAD_SECONDS:.0f} s"
            error: AtosError = LoadFailedError(message)
        except AtosError as failure:
            error = failure
        except Exception as failure:  # an engine's bug must not end the daemon
            logger.exception("load of %s failed", model)
            message = f"{offered.engine.name} failed on {model}: {failure!r}"
            error = LoadFailedError(message, next_step="See logs/scheduler.log.")
        else:
            crashpoint("scheduler.load.after")
            self.loaded[model] = found
            return Loaded(model, found.bytes if offered.engine.caps.reports_memory else 0)
        logger.warning("load of %s failed: %s", model, error)
        return LoadFailed(model, Reason(error.code, error.message, error.next_step))

    async def unload(self, model: str) -> Evicted:
        """Unload a model, as often as it takes: its bytes stay charged until it is gone."""
        engine = self._offers[model].engine
        while True:
            try:
                with anyio.fail_after(UNLOAD_SECONDS):
                    await engine.unload(model)
                break
            except Exception:  # whatever it was: only the engine's word frees bytes
                logger.exception("%s did not unload %s", engine.name, model)
                if await self.is_gone(model):
                    break
                await anyio.sleep(RETRY_SECONDS)
        return Evicted(model)

    async def is_gone(self, model: str) -> bool:
        """Ask the engine; without an answer the model counts as being there."""
        offered = self._offers[model]
        try:
            with anyio.fail_after(LOOK_SECONDS):
                held = await offered.engine.loaded()
        except (AtosError, TimeoutError):
            return False
        return not {offered.name, offered.spec.source} & {found.name for found in held}
