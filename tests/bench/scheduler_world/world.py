"""The card in virtual time: it obeys the effects of a policy, and tells it what has happened."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from atos_protocol.scheduler_api import Demand
from atos_scheduler.core.effects import Effect, Evict, Grant, Load, Refuse, Revoke, SetTimer
from atos_scheduler.core.events import Event, Evicted, Loaded, Released, Requested, Tick
from bench.scheduler_world.hardware import MODELS, SPILL, UNLOAD, candidate, efficiency
from bench.scheduler_world.requests import Request, Workload

FOREVER = 1e9
TINY = 1e-9
MOST_EVENTS = 200_000


class Policy(Protocol):
    """Whatever decides: events in, effects out, as the core does it."""

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Return what must be done now."""
        ...

    def publish(self, owner: str, remaining: Sequence[Request], now: float) -> list[Effect]:
        """Take an owner's plan: what is not done yet."""
        ...


@dataclass
class Running:
    """One reply that is being written."""

    request: Request
    model: str
    left: float
    """Seconds of it alone on the card."""


@dataclass
class Run:
    """What became of one workload under one policy."""

    ready: dict[int, float] = field(default_factory=dict[int, float])
    began: dict[int, float] = field(default_factory=dict[int, float])
    ended: dict[int, float] = field(default_factory=dict[int, float])
    loads: int = 0
    over: int = 0
    """Loads beyond the budget."""
    loading_seconds: float = 0.0


class World:
    """One run of one workload."""

    def __init__(
        self, workload: Workload, budget: int, policy: Policy, slots: int, most_slots: int = 0
    ) -> None:
        self.run = Run()
        self.now = 0.0
        self._workload, self._budget, self._policy, self._slots = workload, budget, policy, slots
        self._most_slots = most_slots
        self._by_id = {r.id: r for r in workload.requests}
        self._next: dict[int, list[Request]] = defaultdict(list)
        self._missing = {r.id: len(r.after) for r in workload.requests}
        for request in workload.requests:
            for before in request.after:
                self._next[before].append(request)
        self._coming = [
            (workload.arrivals[r.owner], r.id) for r in workload.requests if not r.after
        ]
        self._running = dict[str, Running]()
        self._loading = dict[str, float]()
        """Model -> GB that are still to be read, the fixed time counted as such."""
        self._evicting = dict[str, float]()
        self._resident = set[str]()
        self._slow = set[str]()
        self._slots_of = dict[str, int]()
        """Model -> the slots that it was loaded with."""
        self._timer: float | None = None

    def go(self) -> Run:
        """Run until every request has its reply.

        Raises:
            RuntimeError: the policy does nothing although requests wait.
        """
        for _ in range(MOST_EVENTS):
            if len(self.run.ended) == len(self._by_id):
                return self.run
            self._step()
        raise RuntimeError("the workload did not end")

    def _step(self) -> None:
        rates = self._rates()
        moment = self._next_moment(rates)
        if moment is math.inf:
            raise RuntimeError(f"stalled at {self.now:.1f} s")
        passed = max(0.0, moment - self.now)
        for key, reply in self._running.items():
            reply.left -= passed * rates[key]
        for model in self._loading:
            self._loading[model] -= passed / len(self._loading)
        self.run.loading_seconds += passed * bool(self._loading)
        self.now = moment
        self._happen()

    def _rates(self) -> dict[str, float]:
        batches: dict[str, int] = defaultdict(int)
        for reply in self._running.values():
            batches[reply.model] += 1
        return {
            key: efficiency(batches[r.model])
            / batches[r.model]
            / len(batches)
            / (SPILL if r.model in self._slow else 1)
            for key, r in self._running.items()
        }

    def _next_moment(self, rates: dict[str, float]) -> float:
        moments = [self.now + r.left / rates[key] for key, r in self._running.items()]
        moments += [self.now + left * len(self._loading) for left in self._loading.values()]
        moments += self._evicting.values()
        moments += [at for at, _ in self._coming]
        if self._timer is not None:
            moments.append(max(self.now, self._timer))
        return min(moments, default=math.inf)

    def _happen(self) -> None:
        for model in [m for m, left in self._loading.items() if left <= TINY]:
            del self._loading[model]
            self._resident.add(model)
            self._feed(Loaded(model, 0))
        for model in [m for m, at in self._evicting.items() if at <= self.now + TINY]:
            del self._evicting[model]
            self._feed(Evicted(model))
        for key in [k for k, reply in self._running.items() if reply.left <= TINY]:
            self._end(self._running.pop(key).request)
        for at, number in sorted(self._coming):
            if at <= self.now + TINY:
                self._coming.remove((at, number))
                self._ask(self._by_id[number])
        if self._timer is not None and self._timer <= self.now + TINY:
            self._timer = None
            self._feed(Tick())

    def _end(self, request: Request) -> None:
        self.run.ended[request.id] = self.now
        self._feed(Released(f"r{request.id}"))
        for follower in self._next[request.id]:
            self._missing[follower.id] -= 1
            if not self._missing[follower.id]:
                self._coming.append((self.now + follower.pause, follower.id))
        self._publish(request)

    def _publish(self, request: Request) -> None:
        if request.planned:
            left = [
                r
                for r in self._workload.requests
                if r.owner == request.owner and r.id not in self.run.ended
            ]
            self._obey(self._policy.publish(request.owner, left, self.now))

    def _ask(self, request: Request) -> None:
        self.run.ready[request.id] = self.now
        if not request.after:
            self._publish(request)
        candidates = tuple(candidate(m, self._slots, self._most_slots) for m in request.models)
        planned = request.planned
        demand = Demand(
            goal=request.owner if planned else "",
            task=str(request.id) if planned else "",
            client="" if planned else request.owner,
            expected_tokens=request.tokens,
        )
        pool = "p" if len(candidates) > 1 else ""
        self._feed(Requested(f"r{request.id}", candidates, demand, pool, FOREVER))

    def _feed(self, event: Event) -> None:
        self._obey(self._policy.handle(event, self.now))

    def _obey(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Load(model, slots):
                    self._load(model, slots or self._slots)
                case Evict(model):
                    assert all(r.model != model for r in self._running.values())
                    self._resident.remove(model)
                    self._slow.discard(model)
                    self._evicting[model] = self.now + UNLOAD
                case Grant(lease, model, _):
                    self._grant(self._by_id[int(lease[1:])], model)
                case SetTimer(at):
                    self._timer = at
                case Refuse() | Revoke():
                    raise AssertionError(effect)

    def _load(self, model: str, slots: int) -> None:
        assert model not in self._resident | self._loading.keys()
        self._loading[model] = MODELS[model].load_seconds
        self._slots_of[model] = slots
        self.run.loads += 1
        occupied = [*self._resident, *self._loading, *self._evicting]
        if sum(MODELS[m].bytes(self._slots_of[m]) for m in occupied) > self._budget:
            self.run.over += 1
            self._slow.add(model)

    def _grant(self, request: Request, model: str) -> None:
        assert model in self._resident & set(request.models)
        used = sum(reply.model == model for reply in self._running.values())
        assert used < self._slots_of[model]
        self.run.began[request.id] = self.now
        work = MODELS[model].seconds(request.prompt, request.tokens) * request.wrong
        self._running[f"r{request.id}"] = Running(request, model, work)
