"""Goals as somebody looks at them: views, news, lists and ends. Needs the database and nothing else.

get, list   a fold of events, and the place in the queue
wait        until an event comes, the goal has ended, or the time is up
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from atos_orchestrator.execution.database import POOL_OVERFLOW, POOL_SIZE, Database
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_api import EventWaiter, Progress
from atos_orchestrator.execution.goal_folds import GoalFolds
from atos_orchestrator.execution.goal_owner import owner_of, submissions_of
from atos_orchestrator.execution.goal_queue import GoalQueue
from atos_protocol.errors import NotFoundError
from atos_protocol.goals import FINAL_GOAL_STATES, Event, GoalNews, GoalView

LOOK_SECONDS = 0.25
"""How long a waiter relies on the host's notification before it reads the events itself."""
WAIT_LIMIT = 25.0
CALLS = anyio.CapacityLimiter(POOL_SIZE + POOL_OVERFLOW)
"""As many as there are connections. Calls that hang, on a server that was stopped, take no threads from those who need
no database."""

Result = TypeVar("Result")


class GoalViews:
    """What is known of goals; a call that hangs on the database is left behind when its caller is cancelled."""

    def __init__(
        self, database: Database, events: EventStore, queue: GoalQueue, waiter: EventWaiter
    ) -> None:
        self.database = database
        self._events = events
        self._queue = queue
        self._folds = GoalFolds(events)
        self._waiter = waiter

    async def get(self, goal: str) -> GoalView:
        """Return a goal.

        Raises:
            NotFoundError: there is no such goal.
        """
        views = await in_thread(self._folds.views, [goal])
        if goal not in views:
            raise _unknown(goal)
        return await self._placed(views[goal])

    async def _placed(self, view: GoalView) -> GoalView:
        """Return a goal with how many go before it while it is queued."""
        if view.state != "queued":
            return view
        waiting = await in_thread(self._queue.waiting, view.id)
        return replace(view, **asdict(waiting))

    async def wait(
        self, goal: str, *, after: int = 0, seconds: float = 20.0, progress: Progress | None = None
    ) -> GoalNews:
        """Return the events after number `after`, as soon as there are any.

        Raises:
            NotFoundError: there is no such goal.
        """
        deadline = anyio.current_time() + min(seconds, WAIT_LIMIT)
        while True:
            news = await in_thread(self._folds.news, goal, after)
            if news is None:
                raise _unknown(goal)
            fresh, view = news[0], await self._placed(news[1])
            left = deadline - anyio.current_time()
            if fresh or view.state in FINAL_GOAL_STATES or left <= 0:
                return GoalNews(fresh, view.seq, view)
            if progress is not None:
                await progress(view)
            await self._waiter.wait(goal, after, min(left, LOOK_SECONDS))

    async def ended(self, goal: str, seconds: float, progress: Progress | None = None) -> GoalView:
        """Return a goal when it has ended, or as it stands when the time is up.

        Raises:
            NotFoundError: there is no such goal.
        """
        deadline = anyio.current_time() + seconds
        after = 0
        while True:
            left = max(0.0, deadline - anyio.current_time())
            news = await self.wait(goal, after=after, seconds=left, progress=progress)
            if news.goal.state in FINAL_GOAL_STATES or not left:
                return news.goal
            after = news.seq

    async def owner(self, goal: str) -> str:
        """Return the token that a goal was started with; "" for the person, or where there is no such goal."""
        return await in_thread(owner_of, self.database.engine, goal)

    async def list(
        self, limit: int = 20, before: int = 0, owner: str = ""
    ) -> tuple[list[GoalView], int]:
        """Return goals (all, or an owner's), newest first, and where the next page begins (0: no more)."""
        if owner:
            engine = self.database.engine
            rows = await in_thread(submissions_of, engine, owner, limit + 1, before)
        else:
            rows = await in_thread(self._events.goals, limit + 1, before)
        goals = [goal for _seq, goal in rows[:limit]]
        known = await in_thread(self._folds.views, goals)
        views = [await self._placed(known[goal]) for goal in goals if goal in known]
        return views, rows[limit - 1][0] if len(rows) > limit else 0

    async def ends(self, after: int) -> list[tuple[int, str]]:
        """Return number and goal of the ends since number `after`, oldest first, 100 at most."""
        return await in_thread(self._events.ends, after)

    async def newest_end(self) -> int:
        """Return the number of the newest end; 0 where no goal has ended."""
        return await in_thread(self._events.newest_end)

    async def events(self, goal: str) -> list[Event]:
        """Return all events of a goal.

        Raises:
            NotFoundError: there is no such goal.
        """
        return await self._known(goal)

    async def busy(self) -> bool:
        """Return whether any goal is unfinished and not paused."""
        return bool(
            set(await in_thread(self._events.unfinished)) - await in_thread(self._events.paused)
        )

    async def _read(self, goal: str) -> list[Event]:
        return await in_thread(self._events.read, goal)

    async def _known(self, goal: str) -> list[Event]:
        events = await self._read(goal)
        if not events:
            raise _unknown(goal)
        return events


def _unknown(goal: str) -> NotFoundError:
    message = f"there is no goal {goal[:80]!r}"
    return NotFoundError(message, next_step="list_goals shows the goals that exist.")


async def in_thread(call: Callable[..., Result], *arguments: Any) -> Result:
    """Run a database call without blocking the event loop; one that hangs is left behind at the deadline."""
    return await anyio.to_thread.run_sync(
        partial(call, *arguments), abandon_on_cancel=True, limiter=CALLS
    )
