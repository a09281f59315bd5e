"""Loads and unloads models, and asks engines whether they still hold them.

Everything here waits for an engine and reports by an event of the core; it decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

import anyio
from tenacity import AsyncRetrying, wait_fixed

from atos_protocol.crash_points import crashpoint, declare
from atos_protocol.errors import AtosError, LoadFailedError
from atos_protocol.shortage import shortage_of
from atos_scheduler.catalogue.contracts import Deployment
from atos_scheduler.core.events import Evicted, Loaded, LoadFailed
from atos_scheduler.core.types import Reason
from atos_scheduler.engines.protocol import Engine, LoadedModel, ModelSpec

logger = logging.getLogger(__name__)

LOAD_POINTS = [declare("scheduler.load.before"), declare("scheduler.load.after")]
"""Before an engine is asked to load a model, and when it has."""
LOAD_SECONDS = 600.0
"""Longest load that is waited for; 20 GB from a slow disk take 5 minutes."""
UNLOAD_SECONDS = 60.0
RETRY_SECONDS = 5.0
"""Pause before an engine that did not confirm an eviction is asked again."""
PROBE_SECONDS = 20.0
LIST_SECONDS = 3.0
SILENT_SECONDS = 6.0
"""An engine that has not answered for so long counts as lost, with all its models."""


class ModelLoader:
    """The models that are or will be in memory, each with its deployment."""

    def __init__(self) -> None:
        self.loaded: dict[str, LoadedModel] = {}
        """What the engines reported of the models they hold."""
        self._load_times: dict[str, tuple[float, float]] = {}
        """Model -> when its last load began and ended, on anyio's clock."""
        self._deployments: dict[str, Deployment] = {}
        self._silent: dict[str, float] = {}
        """Engine -> since when it does not answer."""
        self._adopted: set[str] = set()
        """Models in memory with a context that somebody else chose, until they are first used."""

    def register(self, deployment: Deployment) -> None:
        """Remember how a model is loaded; not to be called while it is in memory."""
        self._deployments[deployment.name] = deployment

    def deployment(self, model: str) -> Deployment:
        """Return how a registered model is loaded."""
        return self._deployments[model]

    def adopt(self, deployment: Deployment, found: LoadedModel) -> None:
        """Register a model that an engine held before anybody here asked for it."""
        self.register(deployment)
        self._adopted.add(deployment.name)
        self.loaded[deployment.name] = found

    def forget(self, model: str) -> None:
        """Note that a model is not in memory any more."""
        self.loaded.pop(model, None)
        self._adopted.discard(model)

    def loading(self, model: str, waited: float) -> float:
        """Return how many of the last `waited` seconds a model's load took."""
        began, ended = self._load_times.get(model, (0.0, 0.0))
        return max(0.0, ended - max(began, anyio.current_time() - waited))

    async def prepare(self, model: str) -> float:
        """Load an adopted model with our frozen context and options before it is first used.

        Returns:
            The seconds that it took.

        Raises:
            AtosError: its engine could not do that.
        """
        if model not in self._adopted:
            return 0.0
        began, deployment = anyio.current_time(), self._deployments[model]
        self.loaded[model] = await deployment.engine.load(deployment.spec)
        self._adopted.discard(model)
        return anyio.current_time() - began

    async def load(self, model: str, slots: int = 0) -> Loaded | LoadFailed:
        """Load a model, with other slots than it always has if so many are named; a failure is an outcome too."""
        deployment, began = self._deployments[model], anyio.current_time()
        spec = replace(deployment.spec, slots=slots) if slots else deployment.spec
        crashpoint("scheduler.load.before")
        try:
            with anyio.fail_after(LOAD_SECONDS):
                found = await _loaded(deployment.engine, spec)
        except TimeoutError:
            message = f"{deployment.engine.name} did not load {model} within {LOAD_SECONDS:.0f} s"
            error: AtosError = LoadFailedError(message)
        except AtosError as failure:
            error = failure
        except Exception as failure:  # an engine's bug must not end the daemon
            logger.exception("load of %s failed", model)
            message = f"{deployment.engine.name} failed on {model}: {failure!r}"
            failed = LoadFailedError(message, next_step="See logs/scheduler.log.")
            error = shortage_of(failure) or failed
        else:
            crashpoint("scheduler.load.after")
            self.loaded[model] = found
            self._load_times[model] = (began, anyio.current_time())
            if not deployment.engine.caps.reports_memory:
                return Loaded(model, 0)
            return Loaded(model, found.bytes, found.bytes - found.vram if found.vram else 0)
        logger.warning("load of %s failed: %s", model, error)
        reason = Reason(error.code, error.message, error.next_step, error.retry)
        return LoadFailed(model, reason)

    async def unload(self, model: str) -> Evicted:
        """Unload a model, retrying until its engine confirms: its bytes stay charged until then."""
        retry = AsyncRetrying(wait=wait_fixed(RETRY_SECONDS), sleep=anyio.sleep)
        await retry(self._unload_once, model)
        return Evicted(model)

    async def _unload_once(self, model: str) -> None:
        engine = self._deployments[model].engine
        try:
            with anyio.fail_after(UNLOAD_SECONDS):
                await engine.unload(model)
        except Exception:  # whatever it was: only the engine's confirmation frees bytes
            logger.exception("%s did not unload %s", engine.name, model)
            if not await self.is_gone(model):
                raise

    async def is_gone(self, model: str) -> bool:
        """Ask the engine whether a model is gone, and note what it takes if it is not.

        Without an answer it counts as resident for some seconds, then as lost.
        """
        deployment, asked = self._deployments[model], anyio.current_time()
        engine = deployment.engine
        try:
            with anyio.fail_after(LIST_SECONDS):
                held = await engine.loaded()
        except (AtosError, TimeoutError):
            since = self._silent.setdefault(engine.name, asked)
            return anyio.current_time() - since >= SILENT_SECONDS
        self._silent.pop(engine.name, None)
        names = {deployment.name, deployment.spec.source}
        found = next((one for one in held if one.name in names), None)
        if found is not None and model in self.loaded:
            self.loaded[model] = found
        return found is None

    async def probe(self, models: Iterable[str]) -> None:
        """Have the engines of these models look whether what holds them still answers."""
        engines = {d.engine.name: d.engine for d in map(self._deployments.__getitem__, models)}
        async with anyio.create_task_group() as group:
            for engine in engines.values():
                group.start_soon(_probe, engine)

    def measured(self, model: str) -> LoadedModel | None:
        """Return what the engine last reported of a model; None if it reports no memory."""
        if not self._deployments[model].engine.caps.reports_memory:
            return None
        return self.loaded.get(model)


async def _loaded(engine: Engine, spec: ModelSpec) -> LoadedModel:
    """Load a model, and once more where the engine says that it was no fault of the model's."""
    try:
        return await engine.load(spec)
    except LoadFailedError as failure:
        if not failure.retry:
            raise
        logger.warning("loading %s again, since %s", spec.name, failure)
    return await engine.load(spec)


async def _probe(engine: Engine) -> None:
    """Probe an engine; whatever goes wrong, `loaded` tells what it has come to."""
    try:
        with anyio.move_on_after(PROBE_SECONDS), suppress(AtosError):
            await engine.probe()
    except Exception:  # an engine's bug must not end the daemon
        logger.exception("probe of %s failed", engine.name)
