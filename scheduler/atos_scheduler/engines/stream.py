"""What streamed replies share: one HTTP call, a deadline on each wait, a check of JSON at the end.

A cancel scope must not stay open while a generator is suspended at `yield`, so each wait has a scope
of its own.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from atos_protocol.errors import AtosError, DeadlineError, EngineError, LengthError, NoModelError
from atos_scheduler.engines.protocol import Chunk, Request
from atos_scheduler.engines.schema import Schema, checked_schema, parse

if TYPE_CHECKING:
    import httpx


Loaded = TypeVar("Loaded")


def accepted(request: Request, loaded: Mapping[str, Loaded]) -> tuple[Loaded, Schema | None]:
    """Check a request; return what is loaded for its model, and the schema that its reply must keep.

    Raises:
        BadRequestError: the request is malformed, or its schema can't be kept.
        NoModelError: the model is not loaded.
    """
    schema = checked_schema(request)
    if (found := loaded.get(request.model)) is None:
        message = f"{request.model} is not loaded"
        raise NoModelError(message, next_step="Load it first.")
    return found, schema


def broken_off() -> EngineError:
    """Return the error of a reply that ended before its last chunk."""
    message = "the connection closed before the end of the reply"
    return EngineError(message, next_step="Try again.")


@contextmanager
def before(give_up: float) -> Generator[None]:
    """Bound a wait by a moment of the monotonic clock.

    Raises:
        DeadlineError: the moment came first.
    """
    try:
        with anyio.fail_after(max(0.0, give_up - time.monotonic())):
            yield
    except TimeoutError as error:
        message = "the reply did not end before its deadline"
        raise DeadlineError(message, next_step="Allow more time or fewer tokens.") from error


async def next_line(lines: AsyncIterator[str], give_up: float) -> str | None:
    """Return the next line of a stream, None at its end.

    Raises:
        DeadlineError: it did not come in time.
    """
    with before(give_up):
        return await anext(lines, None)


async def posted_lines(
    client: httpx.AsyncClient,
    route: str,
    body: dict[str, Any],
    give_up: float,
    refusal: Callable[[int, str], AtosError],
) -> AsyncGenerator[str]:
    """Post a body and yield the lines of the reply; closing the generator closes the connection.

    Raises:
        AtosError: what `refusal` makes of a status other than 200 and its text.
        DeadlineError: the moment `give_up` of the monotonic clock came first.
    """
    call = client.build_request("POST", route, json=body)
    with before(give_up):
        reply = await client.send(call, stream=True)
    try:
        if reply.status_code != 200:
            with before(give_up):
                await reply.aread()
            raise refusal(reply.status_code, reply.text)
        lines = reply.aiter_lines()
        while (line := await next_line(lines, give_up)) is not None:
            yield line
    finally:
        with anyio.CancelScope(shield=True):
            await reply.aclose()


class BegunReply:
    """Takes the beginning out of a reply that repeats it: some servers send back what was begun."""

    def __init__(self, begun: str) -> None:
        self._expected = begun
        """What would have to come next, if the reply repeated its beginning."""
        self._held = ""

    def continuation(self, text: str) -> str:
        """Take a piece of the reply; return what of it can be passed on now, perhaps nothing."""
        self._held += text
        if not self._expected:
            return self.rest()
        if self._held.startswith(self._expected):
            self._held = self._held[len(self._expected) :]
            self._expected = ""
            return self.rest()
        if self._expected.startswith(self._held):
            return ""
        self._expected = ""
        return self.rest()

    def rest(self) -> str:
        """Return what is still held back."""
        rest, self._held = self._held, ""
        return rest


class ReplyCheck:
    """Collects a reply that must keep a schema, and judges it at its last chunk."""

    def __init__(self, schema: Schema | None, *, strict: bool = True) -> None:
        self._schema = schema if strict else None
        self._text: list[str] = []

    def see(self, chunk: Chunk) -> None:
        """Take a chunk in.

        Raises:
            LengthError: the reply was cut, so its JSON can't be whole.
            EngineError: the reply is not JSON or breaks the schema.
        """
        if self._schema is None:
            return
        self._text.append(chunk.text)
        if chunk.done and chunk.reason == "length":
            message = f"the JSON reply ran into its limit after {chunk.tokens} tokens"
            raise LengthError(message, next_step="Allow more tokens, or bound the schema tighter.")
        if chunk.done:
            parse("".join(self._text), self._schema)
