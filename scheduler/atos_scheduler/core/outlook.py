"""What is known of the work to come, as the look-ahead wants it: those who wait, and the plans of their goals."""

from __future__ import annotations

from collections.abc import Iterable

from atos_protocol.scheduler_api import Demand
from atos_scheduler.core.bindings import Bindings
from atos_scheduler.core.load_times import LoadTimes
from atos_scheduler.core.lookahead import HORIZON, Room, Search, Work
from atos_scheduler.core.memory import Memory
from atos_scheduler.core.plans import Plans
from atos_scheduler.core.types import Candidate, Waiter


class Outlook:
    """Known work, and the memory it will need."""

    def __init__(self, plans: Plans, bindings: Bindings, memory: Memory, times: LoadTimes) -> None:
        self._plans, self._bindings, self._memory, self._times = plans, bindings, memory, times

    def loads(self, waiting: Iterable[Waiter], held: Iterable[Demand]) -> tuple[str, ...]:
        """Return the models to load in turn, so that all known work needs the least loading.

        Args:
            waiting: demands that wait, in their order.
            held: those that are being answered: taken as done.
        """
        works, known = list[Work](), dict[str, Candidate]()
        bits = dict[tuple[str, str], int]()
        for waiter in waiting:
            if len(works) < HORIZON:
                options = self._bindings.options(waiter, self._memory)
                known |= {c.model: c for c in options}
                bits[waiter.demand.goal, waiter.demand.task] = 1 << len(works)
                works.append(Work(frozenset(c.model for c in options), 0))
        running = {(demand.goal, demand.task) for demand in held}
        self._add_plans(works, known, bits, running)
        here = (r for r in self._memory.residencies if self._memory.accepts_leases(r))
        return Search(works, self._room(known.values())).run(frozenset(here))

    def _add_plans(
        self,
        works: list[Work],
        known: dict[str, Candidate],
        bits: dict[tuple[str, str], int],
        running: set[tuple[str, str]],
    ) -> None:
        steps = [(g, s) for g, s in self._plans.remaining() if (g, s.id) not in running]
        later = {(goal, step.id) for goal, step in steps}
        for goal, step in steps:
            key = goal, step.id
            before = [(goal, name) for name in step.after if (goal, name) in later]
            if key in bits or len(works) >= HORIZON or any(b not in bits for b in before):
                continue  # it waits already, or is too far ahead to be looked at
            fitting = tuple(c for c in step.candidates if self._memory.fits_now(c))
            if fitting:
                known |= {c.model: c for c in fitting}
                bits[key] = 1 << len(works)
                after = sum({bits[b] for b in before})
                works.append(Work(frozenset(c.model for c in fitting), after))

    def _room(self, known: Iterable[Candidate]) -> Room:
        memory, device = self._memory, self._memory.first
        charges = {c.model: memory.charges(c) for c in known}
        sizes = {r.model: r.charges.get(device, 0) for r in memory.residencies.values()}
        sizes |= {model: charged.get(device, 0) for model, charged in charges.items()}
        seconds = {
            model: self._times.predict(model, sum(charged.values()))
            for model, charged in charges.items()
        }
        return Room(memory.budget, sizes, seconds)
