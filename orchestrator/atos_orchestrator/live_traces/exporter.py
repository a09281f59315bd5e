"""Looks at the events table and sends the spans that are over; what can't be sent stays where it is: in the table.

    look -> new landmarks -> goals that wait -> their events -> spans that are over and not sent -> send
              (at most MOST_GOALS known)                                   |
                                                                    refused or hung: the same again, later

So there is no queue that could overflow. In memory are the ids of goals that wait, and the events of those that are
being sent; both are bounded, and while a place is away only the ids are kept. After a restart a goal that was not sent whole is
sent from its begin: spans have the same ids, so what arrives twice is the same span.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from atos.tracing.settled import settled
from atos.tracing.spans import Span, run_is_over, spans_of
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.live_traces.position import Position, load, save
from atos_protocol.errors import AtosError
from atos_protocol.goals import Event

MOST_GOALS = 1000
"""Goals that are known to wait; further ones are found in the table when these are sent."""
MOST_SPANS = 500
"""Spans of one message."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a place that failed is tried again."""


class NotSentError(Exception):
    """The place did not take what was sent."""

    def __init__(self, error: AtosError) -> None:
        super().__init__(str(error))
        self.error = error


Send = Callable[[Sequence[Span], str], None]
"""Sends spans of a goal; raises an `AtosError` where it can't."""
logger = logging.getLogger(__name__)


class Exporter:
    """Sends what is new, each time it is asked to look.

    Args:
        events: the table.
        path: where the position is kept.
        to: the place, by its name; a new one begins with the goals that are unfinished now.
        send: sends there.
        content: whether words of people and models go along.
        whole: whether a goal is sent once, when its run has ended.
    """

    def __init__(
        self, events: EventStore, path: Path, to: str, send: Send, *, content: bool, whole: bool
    ) -> None:
        self._events, self._path, self._send = events, path, send
        self._content, self._whole = content, whole
        self._read: dict[str, list[Event]] = {}
        self._sent: dict[str, dict[str, float]] = {}
        """Goal -> span -> the end that was sent."""
        self.pause = 0.0
        """Seconds until it should look again though nothing rings; 0: none, all is sent."""
        found = load(path)
        self.position = found if found and found.to == to else self._begun(to)
        save(path, self.position)

    def _begun(self, to: str) -> Position:
        newest = self._events.newest_landmark()
        return Position(to, newest, tuple(self._events.unfinished()))

    def look(self) -> None:
        """Send what is over and was not sent; a failure is logged once, and told by the position.

        Raises:
            AtosError: the table can't be read.
        """
        before = self.position
        try:
            for seq, goal, _kind in self._landmarks():
                self.position = self.position.add(goal, seq)
            for goal in self.position.waiting:
                self._send_goal(goal)
        except NotSentError as failed:
            self._failed(failed.error)
        else:
            self._well()
        if self.position != before:
            save(self._path, self.position)

    def _landmarks(self) -> list[tuple[int, str, str]]:
        room = MOST_GOALS - len(self.position.waiting)
        return self._events.landmarks(self.position.seq, room) if room > 0 else []

    def _send_goal(self, goal: str) -> None:
        known = self._read.setdefault(goal, [])
        news = self._events.read(goal, known[-1].seq if known else 0)
        known += news
        ended = run_is_over(known)
        if news and (ended or not self._whole):
            self._send_spans(goal, known)
        if ended or not known:
            self.position = self.position.without(goal)
            del self._read[goal]
            self._sent.pop(goal, None)

    def _send_spans(self, goal: str, events: list[Event]) -> None:
        spans, sent = spans_of(events, content=self._content), self._sent.setdefault(goal, {})
        over = spans if self._whole else settled(spans, events)
        new = [span for span in over if sent.get(span.id) != span.end]
        most = len(new) if self._whole else MOST_SPANS
        for at in range(0, len(new), most or 1):
            part = new[at : at + most]
            try:
                self._send(part, goal)
            except AtosError as error:
                raise NotSentError(error) from error
            sent.update({span.id: span.end for span in part})

    def _failed(self, error: AtosError) -> None:
        self._read.clear()
        self.pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * self.pause))
        if not self.position.failing_since:
            logger.warning("traces wait: %s", error)
        since = self.position.failing_since or time.time()
        self.position = replace(self.position, failing_since=since, error=str(error))

    def _well(self) -> None:
        self.pause = 0.0
        if self.position.failing_since:
            logger.info("traces are sent again")
        self.position = replace(self.position, failing_since=0.0, error="")
