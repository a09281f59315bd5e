"""Engines that know the database's health: they ask before every use and report every fault.

Two of them share a health. On the *prompt* one a fault is an `UnreachableError` at once; the events and everything that
people call use it. On the *patient* one the caller waits in its thread until the database is back, and a
fault looks like a lost connection, whatever it is: that is the one kind that DBOS retries until it succeeds
(its own list knows no full disk, no read-only file and no damaged one, and the run would be lost).
"""

from __future__ import annotations

import logging
import threading

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from atos_orchestrator.execution.database_faults import fault_of
from atos_orchestrator.execution.database_health import DatabaseHealth
from atos_protocol.errors import UnreachableError

# The pool is named after this class, and at INFO tells of every connection that it drops.
logging.getLogger(f"{__name__}.GuardedPool").setLevel(logging.WARNING)


class GuardedPool(QueuePool):
    """A pool that hands out connections only while the database can be used."""

    health: DatabaseHealth | None = None
    patient = False

    def connect(self) -> PoolProxiedConnection:
        """Return a connection.

        Raises:
            UnreachableError: the database is away (prompt).
            OperationalError: the same, as a lost connection (patient).
        """
        if self.health is not None:
            waits = self.patient and not _in_main_thread()
            try:
                self.health.enter(patient=waits)
            except UnreachableError as error:
                if not self.patient:
                    raise
                raise _lost(error) from error
        try:
            return super().connect()
        except PoolTimeoutError as error:  # the runtime knows it; all others know one error
            if self.patient:
                raise
            message = f"every connection to the goals database is in use: {error}"
            raise UnreachableError(message, next_step="Ask again.") from error

    def recreate(self) -> GuardedPool:
        """Return an empty pool of the same kind, as the engine asks for after `dispose`."""
        fresh = super().recreate()
        assert isinstance(fresh, GuardedPool)
        fresh.health, fresh.patient = self.health, self.patient
        return fresh


def guard(engine: sa.Engine, health: DatabaseHealth, *, patient: bool) -> None:
    """Tie an engine to a health; its pool is a `GuardedPool`."""
    pool = engine.pool
    assert isinstance(pool, GuardedPool)
    pool.health, pool.patient = health, patient

    def failed(context: ExceptionContext) -> BaseException | None:
        fault = fault_of(context.original_exception)
        if fault is None or context.is_pre_ping:  # the pool connects anew after a failed ping
            return None
        # A file that went away after `enter` looked: a look now says what happened, the driver what it led to.
        fault = fault if fault.corrupt else health.inspect() or fault
        health.report(fault)
        context.is_disconnect = True
        # A damaged file must not be written to, which closing its last connection may do.
        context.invalidate_pool_on_disconnect = not fault.corrupt
        return None if patient else health.refusal()

    event.listen(engine, "handle_error", failed)


def _lost(error: UnreachableError) -> OperationalError:
    return OperationalError("", {}, ConnectionError(error.message), connection_invalidated=True)


def _in_main_thread() -> bool:
    """Tell whether waiting here would stop the event loop, which runs in the main thread."""
    return threading.current_thread() is threading.main_thread()
