"""A request for a lease: it waits, then holds a slot, until it is released."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import anyio

from atos_protocol.errors import AtosError, EngineError
from atos_protocol.scheduler_api import Lease
from atos_scheduler.catalogue.contracts import Deployment


@dataclass(frozen=True, slots=True)
class Granted:
    """The model that answers a request, and how long the request waited for it."""

    deployment: Deployment
    waited: float
    """Seconds from the demand to the grant."""
    loading: float = 0.0
    """Those of them in which the model was loaded."""
    why: str = ""
    """Why it was loaded, where it was."""
    victims: tuple[str, ...] = ()
    """What had to go for it."""


class LeaseRequest:
    """One request's lease, from the queue to its release."""

    def __init__(self, lease: Lease, release: Callable[[str], None]) -> None:
        self.id = lease.id
        self.scope = anyio.CancelScope()
        """Work on the model runs in here; it is cancelled if the model is lost."""
        self.revoked: AtosError | None = None
        self._release = release
        self._lease = lease
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
            message = f"lease {self.id} was settled without an outcome"
            raise EngineError(message)
        return self._outcome

    def settle(self, outcome: Granted | AtosError) -> None:
        """Wake the waiting request with its grant, or with the reason of its refusal."""
        self._outcome = outcome
        self._since = anyio.current_time()
        self._settled.set()

    def snapshot(self) -> Lease:
        """Return its present state, as `Status` shows it."""
        seconds = anyio.current_time() - self._since
        if isinstance(self._outcome, Granted):
            return replace(
                self._lease, state="held", model=self._outcome.deployment.name, seconds=seconds
            )
        return replace(self._lease, seconds=seconds)

    def revoke(self, error: AtosError) -> None:
        """Cancel the work: the model is gone."""
        self.revoked = error
        self.scope.cancel()

    def release(self) -> None:
        """Give back the slot, or the place in the queue; only the first call counts."""
        self._release(self.id)
