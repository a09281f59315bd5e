"""Load and unload on OpenAI-compatible servers that can: what each of them calls it.

    llama-server as a router   POST /models/load, /models/unload; /v1/models says the status of each
    LM Studio                  POST /api/v1/models/load, /unload; /api/v1/models lists the instances
    vLLM, started for it       POST /wake_up, /sleep?level=1; GET /is_sleeping

Which one it is, the server's own answers say. Any other is left alone: its models count as always there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, cast

import anyio

from atos_protocol.errors import EngineError, LoadFailedError

if TYPE_CHECKING:
    import httpx

Kind = Literal["router", "lm_studio", "vllm", "other"]
LOAD_SECONDS = 600.0
UNLOAD_SECONDS = 60.0
POLL_SECONDS = 0.1
THERE = {"loaded", "sleeping"}
"""States of a router's model that answers without a load of ours."""


class ServerResidency:
    """What one server can do about its memory."""

    def __init__(self, client: Callable[[], httpx.AsyncClient]) -> None:
        self._client = client
        self._kind: Kind | None = None

    async def kind(self) -> Kind:
        """Return what kind of server it is; asked once."""
        if self._kind is None:
            self._kind = await self._look()
        return self._kind

    async def _look(self) -> Kind:
        listed: list[dict[str, Any]] = (await self._json("/v1/models")).get("data") or []
        if any("status" in model for model in listed):
            return "router"
        if isinstance((await self._json("/api/v1/models")).get("models"), list):
            return "lm_studio"
        return "vllm" if "is_sleeping" in await self._json("/is_sleeping") else "other"

    async def load(self, model: str) -> None:
        """Make a model resident there, where the server can; return when it is.

        Raises:
            LoadFailedError: the server could not, or did not within ten minutes.
        """
        match await self.kind():
            case "router":
                if await self._status(model) not in THERE:
                    await self._post("/models/load", {"model": model})
                    await self._until(lambda: self._is_there(model), LOAD_SECONDS, model)
            case "lm_studio":
                if not await self._instances(model):
                    await self._post("/api/v1/models/load", {"model": model}, LOAD_SECONDS)
            case "vllm":
                if await self._asleep():
                    await self._post("/wake_up")
            case "other":
                pass

    async def unload(self, model: str) -> bool:
        """Free a model's memory there; return whether the server could, once it has.

        Raises:
            EngineError: it did not within a minute.
        """
        match await self.kind():
            case "router":
                if await self._status(model) != "unloaded":
                    await self._post("/models/unload", {"model": model})
                    await self._until(lambda: self._is_gone(model), UNLOAD_SECONDS, model)
            case "lm_studio":
                for instance in await self._instances(model):
                    await self._post("/api/v1/models/unload", {"instance_id": instance})
            case "vllm":
                if not await self._asleep():
                    await self._post("/sleep?level=1")
            case "other":
                return False
        return True

    async def _status(self, model: str) -> str:
        listed: list[dict[str, Any]] = (await self._json("/v1/models")).get("data") or []
        found = next((m for m in listed if m.get("id") == model), dict[str, Any]())
        status: dict[str, Any] = found.get("status") or {}
        if status.get("failed"):
            message = f"the server could not load {model} (exit code {status.get('exit_code')})"
            raise LoadFailedError(message, next_step="See its log.")
        return str(status.get("value", ""))

    async def _is_there(self, model: str) -> bool:
        return await self._status(model) in THERE

    async def _is_gone(self, model: str) -> bool:
        return await self._status(model) == "unloaded"

    async def _instances(self, model: str) -> list[str]:
        listed: list[dict[str, Any]] = (await self._json("/api/v1/models")).get("models") or []
        found = next((m for m in listed if m.get("key") == model), dict[str, Any]())
        instances: list[dict[str, Any]] = found.get("loaded_instances") or []
        return [str(instance["id"]) for instance in instances]

    async def _asleep(self) -> bool:
        return bool((await self._json("/is_sleeping")).get("is_sleeping"))

    async def _until(
        self, reached: Callable[[], Awaitable[bool]], seconds: float, model: str
    ) -> None:
        with anyio.move_on_after(seconds):
            while not await reached():  # noqa: ASYNC110  (no event exists)
                await anyio.sleep(POLL_SECONDS)
            return
        message = f"the server did not report the new state of {model} within {seconds:.0f} s"
        raise EngineError(message, next_step="See its log.")

    async def _json(self, path: str) -> dict[str, Any]:
        """Return what a route says; nothing where there is no such route."""
        reply = await self._client().get(path, timeout=UNLOAD_SECONDS)
        try:
            found: Any = reply.json() if reply.status_code == 200 else {}
        except ValueError:
            return {}
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

    async def _post(
        self, path: str, body: dict[str, Any] | None = None, seconds: float = UNLOAD_SECONDS
    ) -> None:
        reply = await self._client().post(path, json=body or {}, timeout=seconds)
        if reply.status_code >= 400:
            message = f"the server refused {path} ({reply.status_code}): {reply.text[:200]}"
            raise LoadFailedError(message, next_step="See its log.")
