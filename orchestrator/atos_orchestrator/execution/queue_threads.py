"""Takes runs from the queues as soon as there are some, and hardly looks at other times.

DBOS knows of new work only by asking the database, at a fixed interval: at one that people don't notice, two queues
took 40 % of a core. But all work of a queue comes through this process, or is announced to it by the host:

    submitted here, returned to the queue, a place has become free, the host's `wake`  -> look now
    a notice was lost                                                                   -> found by the next look

So DBOS's own function for a queue's thread is run here, in a thread for each, with a stop event whose waiting can be cut
short. A look costs some 4 ms of a core.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

# What DBOS itself runs in these threads; pinned by tests/orchestrator/execution/test_dbos_contract.py.
from dbos._dbos import _get_dbos_instance  # pyright: ignore[reportPrivateUsage]
from dbos._queue import queue_worker_thread

BUSY_SECONDS = 1.0
"""Pause between two looks while something is executed."""
IDLE_SECONDS = 15.0
"""The same at other times; whoever submits a run rings the bell."""
AGAIN_SECONDS = 1.0
"""Pause before a thread is begun again that ended because its queue was missing, in a database that was replaced."""
END_SECONDS = 10.0
"""How long the end waits for a thread, which may be in the middle of a look."""

log = logging.getLogger(__name__)


class Bell(threading.Event):
    """A stop event whose `wait` also ends when it rings, as if the time had passed.

    Args:
        seconds: returns how long a wait may last now.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        super().__init__()
        self._seconds = seconds
        self._turn = threading.Condition()
        self._rung = True
        """The first wait ends at once: there may be work from before."""

    def ring(self) -> None:
        """End the present wait, or else the next one."""
        with self._turn:
            self._rung = True
            self._turn.notify_all()

    def set(self) -> None:
        """Have every wait end, and say so."""
        super().set()
        self.ring()

    def wait(self, timeout: float | None = None) -> bool:
        """Return whether it was set, when it is, rings, or the time has passed."""
        with self._turn:
            self._turn.wait_for(lambda: self._rung, self._seconds())
            self._rung = False
            return self.is_set()


class QueueThreads:
    """The threads of some queues, of the DBOS that was launched.

    Args:
        busy: tells whether something is executed.
    """

    def __init__(self, busy: Callable[[], bool]) -> None:
        self._busy = busy
        self._bells: list[Bell] = []
        self._threads: list[threading.Thread] = []

    def start(self, queues: Sequence[str]) -> None:
        """Begin to take runs."""
        for name in queues:
            bell = Bell(self._seconds)
            thread = threading.Thread(
                target=_take, args=(bell, name), name=f"queue-{name}", daemon=True
            )
            self._bells.append(bell)
            self._threads.append(thread)
            thread.start()

    def wake(self) -> None:
        """Look now, because there may be work."""
        for bell in self._bells:
            bell.ring()

    def end(self) -> None:
        """Take nothing more; wait for looks that are under way."""
        for bell in self._bells:
            bell.set()
        for thread in self._threads:
            thread.join(END_SECONDS)
        self._bells, self._threads = [], []

    def _seconds(self) -> float:
        return BUSY_SECONDS if self._busy() else IDLE_SECONDS


def _take(bell: Bell, name: str) -> None:
    """Take runs of one queue until the bell is set; it outlives the queue's row."""
    dbos = _get_dbos_instance()
    pause = threading.Event()
    while not bell.is_set():
        try:
            if (queue := dbos._sys_db.get_queue(name)) is not None:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
                queue_worker_thread(bell, dbos, queue)
        except Exception as error:  # noqa: BLE001 - the database's, which is away
            log.info("queue %s can't be read: %s", name, error)
        if not bell.is_set():
            pause.wait(AGAIN_SECONDS)
