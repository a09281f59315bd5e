"""Memory that is reserved for programs which are no models: an engine whose models are bare sizes.

So one ledger holds them, and what must go for them goes by the same rules as for a model.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from atos_protocol.errors import UnsupportedError
from atos_scheduler.engines.protocol import (
    Caps,
    Chunk,
    Embeddings,
    InstalledModel,
    LoadedModel,
    ModelSpec,
    Request,
)


class ReservedMemory:
    """Keeps count of what is reserved; it loads nothing."""

    name = "reserved"
    caps = Caps(load=True, unload=True, reports_memory=False, schema=False, real_weights=False)

    def __init__(self) -> None:
        self._held: set[str] = set()

    async def health(self) -> str:
        """Return "": nothing can be missing."""
        return ""

    async def installed(self) -> list[InstalledModel]:
        """Return nothing: no request for a model may come here."""
        return []

    async def loaded(self) -> list[LoadedModel]:
        """List what is reserved now."""
        return [LoadedModel(name, 0, 0, 0) for name in sorted(self._held)]

    async def load(self, spec: ModelSpec) -> LoadedModel:
        """Note a reservation."""
        self._held.add(spec.name)
        return LoadedModel(spec.name, 0, 0, 0)

    async def unload(self, model: str) -> None:
        """Drop a reservation."""
        self._held.discard(model)

    async def probe(self) -> None:
        """Do nothing: numbers don't fall silent."""

    async def answer(self, request: Request) -> AsyncGenerator[Chunk]:
        """Refuse.

        Raises:
            UnsupportedError: always.
        """
        message = f"{request.model} is reserved memory, not a model"
        raise UnsupportedError(message)
        yield  # pragma: no cover - it makes this a generator

    async def embed(self, model: str, texts: Sequence[str], seconds: float) -> Embeddings:
        """Refuse.

        Raises:
            UnsupportedError: always.
        """
        message = f"{model} is reserved memory, not a model"
        raise UnsupportedError(message)

    async def close(self) -> None:
        """Forget everything."""
        self._held.clear()
