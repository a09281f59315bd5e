"""A request's place in the scheduler: it waits, then holds a slot, until it is released."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import anyio

from atos_protocol.errors import AtosError, EngineError
from atos_protocol.scheduler_api import Lease
from atos_scheduler.catalogue.contracts import Offer


@dataclass(frozen=True, slots=True)
class Granted:
    """What a request got: the model that answers it, and how long it waited."""

    offer: Offer
    waited: float


class LeaseRequest:
    """A request's place: waiting, then holding a slot, until `release`."""

    def __init__(self, asked: Lease, end: Callable[[str], None]) -> None:
        self.lease = asked.id
        self.scope = anyio.CancelScope()
        """Work on the model runs in here; it is cancelled if the model is lost."""
        self.revoked: AtosError | None = None
        self._end = end
        self._asked = asked
        self._since = anyio.current_time()
        self._settled = anyio.Event()
        self._outcome: Granted | AtosError | None = None

    async def granted(self) -> Granted:
        """Wait for the grant.

        Raises:
            AtosError: the demand was refused; the class says why.
        """
        await self._settled.wait()
        if isinstance(self._outcome, AtosError):
            raise self._outcome
        if self._outcome is None:  # pragma: no cover - `settle` always sets one
            message = f"lease {self.lease} was settled without an outcome"
            raise EngineError(message)
        return self._outcome

    def settle(self, outcome: Granted | AtosError) -> None:
        """Tell the waiting request what became of its demand."""
        self._outcome = outcome
        self._since = anyio.current_time()
        self._settled.set()

    def seen(self) -> Lease:
        """Return how this request stands, as others see it."""
        seconds = anyio.current_time() - self._since
        if isinstance(self._outcome, Granted):
            return replace(
                self._asked, state="held", model=self._outcome.offer.name, seconds=seconds
            )
        return replace(self._asked, seconds=seconds)

    def revoke(self, error: AtosError) -> None:
        """Stop the work: the model is gone."""
        self.revoked = error
        self.scope.cancel()

    def release(self) -> None:
        """Give the slot, or the place in the queue, back; only the first call counts."""
        self._end(self.lease)
