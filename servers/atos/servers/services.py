"""What the host hands to each of the five servers: nothing is global, nothing is imported sideways."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from atos.scheduler.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one host process."""

    settings: Settings
    notify_worker: Callable[[dict[str, Any]], Awaitable[None]]
    """Send one JSON object to the worker's control socket: a wake-up, or a goal to cancel."""
