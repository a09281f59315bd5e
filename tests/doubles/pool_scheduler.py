"""A scheduler that can only say which pools have members: enough to accept or refuse a goal."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Self

import anyio
from anyio.abc import SocketStream, TaskGroup

from atos_protocol.scheduler_api import Pool
from atos_protocol.settings import Settings

MINI_POOL = "mini"
POOLS = ("orchestrator", "simple", "medium", "complex", MINI_POOL)
MINI: Mapping[str, Sequence[str]] = {MINI_POOL: ("atos-mini",)}
GENERAL: Mapping[str, Sequence[str]] = {
    "orchestrator": ("qwen2.5:3b",),
    "simple": ("qwen2.5:1.5b",),
    MINI_POOL: ("atos-mini",),
}
NOTHING: Mapping[str, Sequence[str]] = {}


class PoolScheduler:
    """Listens on the scheduler's socket; `asked` counts the requests."""

    def __init__(self, settings: Settings, members: Mapping[str, Sequence[str]]) -> None:
        settings.prepare()
        self._path = settings.scheduler_socket
        self.asked = 0
        pools = [
            Pool(name, 4096, 1024, True, True, "chat", members=tuple(members.get(name, ())))
            for name in POOLS
        ]
        self._body = json.dumps({"pools": [asdict(pool) for pool in pools]}).encode()
        self._tasks: TaskGroup

    async def __aenter__(self) -> Self:
        self._listener = await anyio.create_unix_listener(self._path)
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._listener.serve, self._answer)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        await self._listener.aclose()

    async def _answer(self, stream: SocketStream) -> None:
        async with stream:
            asked = await stream.receive()
            assert asked.startswith(b"GET /atos/v1/pools ")
            self.asked += 1
            head = f"content-length: {len(self._body)}\r\nconnection: close\r\n"
            head += "content-type: application/json\r\n"
            await stream.send(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + self._body)
