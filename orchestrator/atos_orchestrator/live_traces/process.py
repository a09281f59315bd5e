"""The process that sends traces: a child of the server host, rung by a byte on its standard input.

    rung, or time to try again -> look -> rest, ten times as long as the look took -> ...      the input ends: it ends

Whatever happens here, nobody waits for it: goals don't know of it, and the host writes to its input without waiting.
"""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial

from atos.tracing.destinations import send
from atos.tracing.spans import Span, spans_of
from atos_daemon.runtime import log_to_stderr
from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.live_traces.exporter import FIRST_PAUSE, LONGEST_PAUSE, Exporter
from atos_orchestrator.live_traces.position import FILE
from atos_protocol.errors import AtosError, UnreachableError
from atos_protocol.redaction import learn_environment
from atos_protocol.server_url import learn_secrets
from atos_protocol.settings import Settings, load_settings

REST_SECONDS = 2.0
"""Shortest rest between two looks: what happens within it is sent together."""
REST_FACTOR = 10.0
"""How many times as long as a look the rest after it is at least: at most a tenth of one core goes into this."""
UNRUNG_SECONDS = 60.0
"""How often it looks though nobody rings: a ring may be lost."""

APART_SECONDS = 120.0
"""How long a client in a process of its own may take for a goal."""
NAME = "atos_orchestrator.live_traces.process"

logger = logging.getLogger(__name__)


def opened(settings: Settings) -> Exporter:
    """Return an exporter for the place that the settings name.

    Raises:
        UnreachableError: the goals database can't be opened.
    """
    events = EventStore(open_database(settings))
    events.create()
    to, path = settings.trace_to, settings.state / FILE
    whole = to.startswith("wandb")
    sending = partial(_apart if whole else _here, settings)
    return Exporter(events, path, to, sending, content=settings.trace_content, whole=whole)


def _here(settings: Settings, spans: Sequence[Span], goal: str) -> None:
    """Send spans; what a client raises of its own is an error like any other."""
    try:
        send(spans, goal, settings.trace_to, settings)
    except AtosError:
        raise
    except Exception as error:
        message = f"{settings.trace_to.partition(':')[0]} failed: {type(error).__name__}: {error}"
        raise AtosError(message, next_step="See logs/traces.log.") from error


def _apart(settings: Settings, spans: Sequence[Span], goal: str) -> None:
    """Send a whole goal in a process of its own: W&B's client has threads, a service and no end of its own."""
    del spans
    command = [sys.executable, "-m", NAME, goal]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=APART_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        message = f"{settings.trace_to} did not take a goal within {APART_SECONDS:.0f} s"
        raise UnreachableError(message, next_step="Is it up? It is tried again.") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        message = f"{settings.trace_to} did not take a goal: {last[:300]}"
        raise UnreachableError(message, next_step="It is tried again.")


def send_goal(settings: Settings, goal: str) -> None:
    """Send one goal, whole.

    Raises:
        AtosError: it was not taken.
    """
    events = EventStore(open_database(settings)).read(goal)
    _here(settings, spans_of(events, content=settings.trace_content), goal)


class Bell:
    """The input: a byte says that there is something new, its end that nobody needs this process any more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.ended = False

    def wait(self, seconds: float) -> bool:
        """Wait for a ring or the end, for so long at most; return whether it rang."""
        if self.ended or not select.select([self._descriptor], [], [], seconds)[0]:
            return False
        self.ended = not os.read(self._descriptor, 1 << 16)
        return not self.ended

    def rest(self, seconds: float) -> bool:
        """Wait so long whatever rings, unless it ends; return whether it rang meanwhile."""
        until, rung = time.monotonic() + seconds, False
        while not self.ended and (left := until - time.monotonic()) > 0:
            rung |= self.wait(left)
        return rung


def run(settings: Settings, bell: Bell) -> None:
    """Send until the input ends."""
    exporter: Exporter | None = None
    pause = FIRST_PAUSE
    while not bell.ended:
        began = time.process_time()
        try:
            exporter = exporter or opened(settings)
            exporter.look()
            pause = exporter.pause
        except Exception as error:  # the table can't be read: it is opened anew
            exporter, pause = None, min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * pause))
            logger.warning("the goals can't be read: %s", error, exc_info=not _told(error))
        used = time.process_time() - began
        rung = bell.rest(max(REST_SECONDS, REST_FACTOR * used, pause))
        if not (rung or pause or bell.ended):
            bell.wait(UNRUNG_SECONDS)


def _told(error: Exception) -> bool:
    return isinstance(error, AtosError)


def main() -> int:
    """Send what is new until the input ends, or the goal that is named; return the exit status."""
    settings = load_settings()
    learn_secrets(settings)
    learn_environment(os.environ)
    log_to_stderr(settings.log_level, settings.log_format, "traces")
    if len(sys.argv) > 1:
        try:
            send_goal(settings, sys.argv[1])
        except AtosError as error:
            logger.error("%s", error)  # noqa: TRY400 - its last line is what is told
            return 1
        return 0
    run(settings, Bell(sys.stdin.fileno()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
