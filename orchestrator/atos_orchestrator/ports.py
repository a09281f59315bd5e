"""The ports of the orchestrator: what the pure parts and the graphs need from the outside.

`planning`, `debugging`, `strategies` and `agents` depend on these only; `execution` supplies durable
implementations, tests supply plain ones. The port to the models is `agents.model_request.Chat`.

The graphs run each node as one step and emit `plan_ready`, `model_call`, `code_written`,
`syntax_checked`, `tests_run`, `reflected` and `warning`. The workflows around them emit all other events.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

Json = dict[str, Any]


class Steps(Protocol):
    """Runs one durable step: its result is recorded, so a replay returns it without running it."""

    async def __call__(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """Run `work` under `name`, at least once; the effects of `work` carry keys."""
        ...


class Emit(Protocol):
    """Appends one event of the current goal or task."""

    def __call__(self, kind: str, data: Mapping[str, Any], *, key: str) -> None:
        """Append once per `key`: a repeated step does not repeat its event."""
        ...


class Tools(Protocol):
    """Calls a tool of one of the MCP servers, within the given directories."""

    async def __call__(
        self, server: str, tool: str, arguments: Mapping[str, Any], *, roots: Sequence[Path]
    ) -> Json:
        """Return the tool's structured result.

        Raises:
            AtosError: the tool failed; the class comes from the error's code.
        """
        ...
