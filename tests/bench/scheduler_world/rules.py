"""Other programs' rules, as far as their sources say: Ollama, llama-swap, and collating least-recently-used.

Each is a policy of the same world as the core. None looks at plans, and a request has one model: its first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atos_scheduler.core.effects import Effect, Evict, Grant, Load
from atos_scheduler.core.events import Event, Evicted, Loaded, Released, Requested
from bench.scheduler_world.hardware import MODELS
from bench.scheduler_world.requests import Request


class Rule:
    """A model that is loaded serves at once; the first request without one is loaded for. One load at a time."""

    def __init__(self, budget: int, slots: int) -> None:
        self.budget, self.slots = budget, slots
        self.resident: dict[str, set[str]] = {}
        """Model -> its leases."""
        self.used: dict[str, float] = {}
        self.moving: dict[str, type[Load | Evict]] = {}
        self.waiting: list[tuple[str, str]] = []
        """Lease and model, in the order of arrival."""

    def publish(self, owner: str, remaining: Sequence[Request], now: float) -> list[Effect]:
        """Plans are not looked at."""
        del owner, remaining, now
        return []

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Apply the event, then serve, then load or evict for the head of the queue."""
        match event:
            case Requested():
                self.waiting.append((event.lease, event.candidates[0].model))
            case Released(lease):
                for model, leases in self.resident.items():
                    if lease in leases:
                        leases.remove(lease)
                        self.used[model] = now
            case Loaded(model):
                del self.moving[model]
                self.resident[model] = set()
                self.used[model] = now
            case Evicted(model):
                del self.moving[model]
            case _:
                pass
        effects = list(self._serve(now))
        if not self.moving and (head := self._head()):
            effects += self._make_room(head)
        return effects

    def _serve(self, now: float) -> Iterator[Effect]:
        for lease, model in list(self.waiting):
            if model in self.resident and len(self.resident[model]) < self.slots:
                self.waiting.remove((lease, model))
                self.resident[model].add(lease)
                self.used[model] = now
                yield Grant(lease, model, 0.0)

    def _head(self) -> str | None:
        return next((m for _, m in self.waiting if m not in self.resident), None)

    def _free(self) -> int:
        here = [*self.resident, *self.moving]
        return self.budget - sum(MODELS[m].bytes(self.slots) for m in here)

    def _idle(self, model: str) -> bool:
        return not self.resident[model] and all(m != model for _, m in self.waiting)

    def _load(self, model: str) -> list[Effect]:
        self.moving[model] = Load
        return [Load(model)]

    def _evict(self, model: str) -> list[Effect]:
        del self.resident[model]
        self.moving[model] = Evict
        return [Evict(model)]

    def _make_room(self, head: str) -> list[Effect]:
        """Load it if it fits, else evict one model that is idle and that nobody waits for."""
        if MODELS[head].bytes(self.slots) <= self._free():
            return self._load(head)
        idle = sorted((m for m in self.resident if self._idle(m)), key=lambda m: self.used[m])
        return self._evict(idle[0]) if idle else []


class Ollama(Rule):
    """Ollama 0.33: 80 % rule on its own prediction, at most three models, idle ones in the order of their blobs."""

    MOST = 3

    def _make_room(self, head: str) -> list[Effect]:
        full = len(self.resident) >= self.MOST
        crowded = MODELS[head].predicted(self.slots) > 0.8 * self._free()
        if not self.resident or not (full or crowded):
            return self._load(head)
        idle = [m for m in self.resident if self._idle(m)]
        return self._evict(min(idle, key=lambda m: MODELS[m].blob)) if idle else []


class LlamaSwap(Rule):
    """llama-swap, one exclusive group: what is loaded serves all who wait for it, then everything else goes."""

    def _make_room(self, head: str) -> list[Effect]:
        if any(self.resident.values()):
            return []
        if not self.resident:
            return self._load(head)
        return self._evict(next(iter(self.resident)))
