"""A connection to Postgres that does not wait without end for a server that hangs.

The server's own time-outs (`database.TIMEOUTS`) end nothing where the server is paused or its disk hangs, and the network's
don't either: the kernel of its machine goes on answering for it.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from sqlalchemy import event

ANSWER_SECONDS = 45.0
"""Longest wait for an answer: the server would have ended any statement of ours before (30 s)."""

Waits = Generator[Any, Any, Any]
"""The driver's: yields what it waits for, and is resumed some ten times a second at least."""


class AnsweredConnection(psycopg.Connection[Any]):
    """A connection that is closed when its server has not answered for `ANSWER_SECONDS`.

    While nothing was asked, as by a session that listens for notifications, it waits for as long as it likes.
    """

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """Do what the driver does, within the limit.

        Raises:
            psycopg.OperationalError: there was no answer.
        """
        return super().wait(self._within(gen), *arguments, **options)

    def _within(self, waits: Waits) -> Waits:
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            wanted = next(waits)
            while True:
                ready = yield wanted
                asked = self.pgconn.transaction_status == TransactionStatus.ACTIVE
                if asked and not ready and time.monotonic() >= deadline:
                    self.pgconn.finish()
                    message = f"the server has not answered for {ANSWER_SECONDS:.0f} s"
                    raise psycopg.OperationalError(message)
                wanted = waits.send(ready)
        except StopIteration as ended:
            return ended.value


def use_answered_connections(engine: sa.Engine) -> None:
    """Have an engine connect by this class."""

    def connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> AnsweredConnection:
        return AnsweredConnection.connect(*arguments, **options)

    event.listen(engine, "do_connect", connect)
