"""Tools that wait for their turn in a server's queue, as long as it takes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atos_orchestrator.ports import Emit, Json, Tools
from atos_protocol.errors import BusyError


@dataclass(frozen=True, slots=True)
class QueuedTools:
    """Implements `Tools`: a refusal that carries a ticket is asked again with it, and told by one event.

    A server answers within seconds even where its queue is long, because a call must not outlast its
    caller; the ticket keeps the place in the queue from one call to the next. Cancelling the call gives
    the place up.
    """

    tools: Tools
    emit: Emit

    async def __call__(
        self, server: str, tool: str, arguments: Mapping[str, Any], *, roots: Sequence[Path]
    ) -> Json:
        """Return the tool's structured result.

        Raises:
            AtosError: the tool failed; a full queue is no failure.
        """
        since = time.time()
        while True:
            try:
                return await self.tools(server, tool, arguments, roots=roots)
            except BusyError as busy:
                ticket = busy.data.get("ticket")
                if not isinstance(ticket, str):
                    raise
                if ticket != arguments.get("ticket"):
                    self._tell(busy, since, ticket)
                arguments = {**arguments, "ticket": ticket}

    def _tell(self, busy: BusyError, since: float, ticket: str) -> None:
        waits_for = busy.data.get("waits_for", "its turn")
        ahead = busy.data.get("ahead", 0)
        data = {"for": waits_for, "code": busy.code, "since": since, "ahead": ahead}
        self.emit("waiting", data, key=ticket)
