"""The models that the engines have now, matched against the entries of models and pools."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import anyio
from anyio.abc import TaskGroup

from atos_protocol.errors import AtosError, NoModelError
from atos_protocol.redaction import redacted
from atos_protocol.scheduler_api import POOL_PREFIX, EngineStatus, Pool
from atos_scheduler.catalogue.contracts import Deployment, deployment_of, find, resolve, variant
from atos_scheduler.catalogue.entries import Entries, ModelEntry
from atos_scheduler.engines.protocol import Engine, InstalledModel
from atos_scheduler.engines.threads import usable_cores

logger = logging.getLogger(__name__)

LIST_SECONDS = 10.0
"""Longest wait for one engine's list of models."""
TOO_SLOW = f"it did not answer within {LIST_SECONDS:.0f} s"
FRESH_SECONDS = 2.0
"""Age up to which a list is not asked for again, however often it is needed."""
PATIENCE_SECONDS = 0.025
STALE_SECONDS = 30.0
"""Age from which a list is asked for again although it has an answer."""
INSTALL = "Run `atos-client models pull`, or name a GGUF file in ATOS_GGUF."
REINSTALL = "Its weights are not in this installation: install atos again."


class Catalogue:
    """The models that can be used now; engines are asked again when somebody needs to know."""

    def __init__(
        self,
        engines: Sequence[Engine],
        entries: Entries,
        device: str,
        budget: int,
        fresh: float = FRESH_SECONDS,
        others: Mapping[str, int] | None = None,
    ) -> None:
        """List nothing yet.

        Args:
            engines: preferred ones first.
            entries: what the settings say of models and pools.
            device: kind of the first device.
            budget: bytes that could be committed there.
            fresh: age in seconds up to which a list is not asked for again.
            others: kind -> bytes of the devices beside it, such as the machine's memory.
        """
        self.entries = entries
        self.deployments: dict[str, Deployment] = {}
        self.statuses: tuple[EngineStatus, ...] = ()
        self._engines = engines
        self._device = device
        self._budget = budget
        self._others = others or {}
        self._cores = usable_cores()
        self._pools: dict[str, tuple[Pool, tuple[Deployment, ...]]] = {}
        self._fresh = fresh
        self._asked = float("-inf")
        self._listed = float("-inf")
        """When there last was a list."""
        self._last: dict[str, list[InstalledModel]] = {}
        """What every engine listed when it last answered."""
        self._had_models: set[str] = set()
        """Engines that have ever listed any."""
        self._taken: dict[str, list[InstalledModel]] | None = None
        """What the present deployments were made of."""
        self._lock = anyio.Lock()

    async def refresh(self, max_age: float | None = None) -> None:
        """Ask every engine what it has, unless that was done within `max_age` seconds."""
        async with self._lock:
            age = time.monotonic() - self._asked
            if age < (self._fresh if max_age is None else max_age):
                return
            answers: dict[str, tuple[EngineStatus, list[InstalledModel]]] = {}
            async with anyio.create_task_group() as group:
                for engine in self._engines:
                    group.start_soon(self._ask, engine, answers)
            self._take(answers)
            self._listed = time.monotonic()
            slow = any(status.reason == TOO_SLOW for status, _ in answers.values())
            # what an engine could not tell in time is asked again by whoever comes next
            self._asked = float("-inf") if slow else time.monotonic()

    async def refresh_soon(self, group: TaskGroup, patience: float = PATIENCE_SECONDS) -> None:
        """Refresh, but wait for it only briefly: meanwhile the last list is as good.

        Args:
            group: where the refresh goes on.
            patience: longest wait in seconds, once there has been a list of late.
        """
        if time.monotonic() - self._listed > STALE_SECONDS:
            await self.refresh()
        elif time.monotonic() - self._asked >= self._fresh:
            done = anyio.Event()

            async def refresh() -> None:
                try:
                    await self.refresh()
                except Exception:  # an engine's bug must not end the daemon
                    logger.exception("the engines could not be listed")
                finally:
                    done.set()

            group.start_soon(refresh)
            with anyio.move_on_after(patience):
                await done.wait()

    async def _ask(
        self, engine: Engine, answers: dict[str, tuple[EngineStatus, list[InstalledModel]]]
    ) -> None:
        """Put one engine's state and models into `answers`.

        One that can't be used has none; one that is only slow has those that it had.
        """
        reason, models, kept = "", list[InstalledModel](), False
        try:
            with anyio.fail_after(LIST_SECONDS):
                reason = await engine.health()
                models = [] if reason else await engine.installed()
        except TimeoutError:
            reason, models = TOO_SLOW, self._last.get(engine.name, [])
            kept = bool(models)
        except AtosError as error:
            reason = str(error)
        self._last[engine.name] = models
        self._had_models |= {engine.name} if models else set[str]()
        shortfall = engine.caps.shortfall
        healthy = kept or not reason
        status = EngineStatus(engine.name, healthy, len(models), redacted(reason), shortfall)
        answers[engine.name] = status, models

    def _take(self, answers: dict[str, tuple[EngineStatus, list[InstalledModel]]]) -> None:
        self.statuses = tuple(answers[engine.name][0] for engine in self._engines)
        models = {name: found for name, (_, found) in answers.items()}
        if models == self._taken:
            return  # nothing is new: 200 models are compared in no time, and matched in 20 ms
        self._taken = models
        deployments: dict[str, Deployment] = {}
        for engine in self._engines:
            for installed in answers[engine.name][1]:
                entry = self._entry(installed.name)
                kind, place = self._place(engine)
                found = deployment_of(engine, installed, entry, kind, self._cores, place)
                deployments.setdefault(installed.name, found)
        self.deployments = deployments
        self._pools = {
            name: resolve(name, pool, deployments, self.entries.models, self._budgets())
            for name, pool in self.entries.pools.items()
        }

    def _place(self, engine: Engine) -> tuple[str, str]:
        """Return the kind and the name of the device that an engine puts its models on."""
        wanted = engine.caps.devices
        if not wanted or self._device in wanted:
            return self._device, ""
        kind = next((kind for kind in wanted if kind in self._others), "")
        return (kind, kind) if kind else (self._device, "")

    def _budgets(self) -> dict[str, int]:
        return {"": self._budget, **self._others}

    def _entry(self, name: str) -> ModelEntry:
        """Return what the settings say of an installed model, under whichever of its names."""
        plain = name.removesuffix(":latest")
        for known, entry in self.entries.models.items():
            if name in (known, *entry.aliases) or plain == known:
                return entry
        return ModelEntry()

    def unused_gpu(self) -> bool:
        """Return whether there is a GPU that no engine which loads models can put one on."""
        usable = {status.name for status in self.statuses if status.ok}
        able = [e.caps for e in self._engines if e.name in usable and e.caps.load]
        return self._device == "cuda" and all(c.devices and "cuda" not in c.devices for c in able)

    def pools(self) -> tuple[Pool, ...]:
        """Return every pool with its members as of the last refresh."""
        return tuple(pool for pool, _ in self._pools.values())

    def contract(self, model: str) -> Pool | None:
        """Return the pool that a request's `model` names, if it names one."""
        name = model.removeprefix(POOL_PREFIX)
        found = self._pools.get(name) if name != model else None
        return found[0] if found else None

    async def candidates(self, model: str) -> tuple[Deployment, ...]:
        """Return the models that may answer for a name or a pool, first choice first.

        Raises:
            NoModelError: there is none; the message says why.
        """
        await self.refresh(STALE_SECONDS)
        if not (found := self._lookup(model)):
            await self.refresh()
            found = self._lookup(model)
        if not found:
            error = self._not_found(model)
            if unsettled := self._unsettled(model):
                error.retry = True
                error.next_step = f"Try again: {unsettled}. {error.next_step}"
            raise error
        return found

    def longer(self, found: Deployment, context: int) -> Deployment | None:
        """Return a model as a variant with a context of so many tokens; None where there can be none.

        Contexts are doubled until they suffice, so that few variants serve many wishes.
        """
        trained = found.installed.context or found.spec.context
        if not found.engine.caps.variants or context > trained:
            return None
        size = found.spec.context
        while size < context:
            size *= 2
        kind, place = self._place(found.engine)
        return variant(found, min(size, trained), kind, self._cores, place)

    @property
    def ceiling(self) -> int:
        """Bytes that models may take if no other program ran."""
        return self._budget

    def _lookup(self, model: str) -> tuple[Deployment, ...]:
        if model.startswith(POOL_PREFIX):
            return self._pools.get(model.removeprefix(POOL_PREFIX), (None, ()))[1]
        found = find(model, self.deployments, self.entries.models)
        return (found,) if found else ()

    def _unsettled(self, model: str) -> str:
        """Say why a name or a pool may be known in a moment; "" if the list is whole."""
        slow = [status.name for status in self.statuses if status.reason == TOO_SLOW]
        if slow:
            return f"{', '.join(slow)} did not say in time which models there are"
        away = [s.name for s in self.statuses if not s.ok and s.name in self._had_models]
        if away:  # it is started again, or has too much to do: its models have not been removed
            return f"{', '.join(away)} does not answer now"
        unread = sum("unread" in d.installed.details for d in self.deployments.values())
        waits = unread and model.startswith(POOL_PREFIX)  # by its name a file is known unread
        return f"model files are still being read ({unread})" if waits else ""

    def _not_found(self, model: str) -> NoModelError:
        if not model.startswith(POOL_PREFIX):
            known = ", ".join(sorted(self.deployments)) or "none"
            near = get_close_matches(model, self.deployments, n=3, cutoff=0.5)
            meant = f"Did you mean {' or '.join(near)}? " if near else ""
            step = f"{meant}Installed are: {known}."
            return NoModelError(f"model '{model}' not found", next_step=step)
        if (pool := self.contract(model)) is None:
            known = ", ".join(POOL_PREFIX + name for name in self.entries.pools)
            return NoModelError(f"there is no pool '{model}'", next_step=f"Pools are: {known}.")
        why = "; ".join(pool.missing) or "it lists no model"
        step = INSTALL if pool.dialect == "chat" else REINSTALL
        return NoModelError(f"pool {model} has no model: {why}.", next_step=step)
