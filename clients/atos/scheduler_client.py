"""How everyone else speaks to the scheduler: one small client over its Unix socket.

The daemon is started if it does not answer, and a request that never got a byte is sent again once.
A chat is streamed under the hood and handed over whole: so cancelling it closes the connection, by
which the scheduler knows at once, whether the request still waits or is being answered.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import asdict, replace
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import anyio
import anyio.to_thread
import httpx

from atos.reply_text import continued, without_thought
from atos_protocol import scheduler_api
from atos_protocol.daemons import check_server, ensure
from atos_protocol.errors import (
    AtosError,
    BadConfigError,
    DeadlineError,
    UnreachableError,
    from_wire,
)
from atos_protocol.scheduler_api import Answer, Demand, PlanHint, Pool, Status
from atos_protocol.settings import Settings

CONNECT_SECONDS = 5.0
DEFAULT_SECONDS = 600.0
"""Deadline of a request whose demand names none; the daemon's own default."""
MARGIN_SECONDS = 15.0
"""How much later than the daemon's deadline the client gives up on the daemon itself."""
CONTROL_SECONDS = 30.0
CONNECTED = "connection.connect_unix_socket.complete"
"""httpcore's name for the moment at which a connection is there, and nothing has been sent over it."""
PAUSES = (0.0, 0.1, 0.5, 1.0)
"""Seconds before the daemon is looked for again, after one failure after another."""

Json = dict[str, Any]
Result = TypeVar("Result")


class _NoReplyError(Exception):
    """The connection failed before the first byte of a reply: the request may be sent again."""

    def __init__(self, error: UnreachableError) -> None:
        super().__init__(str(error))
        self.error = error


class SchedulerClient:
    """A connection to the scheduler of one home; one per process, shared by all its tasks.

    Every method raises the class of `atos_protocol.errors` that the daemon answered with, or
    `UnreachableError` if there is no daemon and none can be started.
    """

    def __init__(self, settings: Settings, *, start: bool = True) -> None:
        self._settings = settings
        self._start = start
        self._http = httpx.AsyncClient(
            base_url="http://scheduler",
            transport=httpx.AsyncHTTPTransport(
                uds=str(settings.scheduler_socket),
                # every waiting request holds a connection, and they may be many
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
            ),
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),  # deadlines are set per call
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        with anyio.CancelScope(shield=True):
            await self._http.aclose()

    async def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        schema: Json | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
        seed: int | None = 0,
        begin: str = "",
        stop: Sequence[str] = (),
        demand: Demand | None = None,
    ) -> Answer:
        """Ask a model, or a pool such as `atos/simple`, and return its complete reply.

        Args:
            model: name of a model, or of a pool with its prefix.
            messages: the conversation.
            schema: JSON schema that the reply must follow.
            max_tokens: most tokens of the reply, its beginning not counted.
            temperature: 0 for the likeliest reply.
            seed: the same seed gives the same reply; None for a different one each time.
            begin: the reply's beginning: the model goes on with it, and the answer contains it.
            stop: texts that end the reply; they are not part of it.
            demand: for whom it is, and how urgent.

        Raises:
            AtosError: whatever the daemon answered, such as `NoModelError`, `RefusedError`,
                `LoadFailedError`, `ContextError`, `DeadlineError` or `EngineError`.
        """
        options: Json = {"num_predict": max_tokens, "temperature": temperature}
        options |= {"seed": seed} if seed is not None else {}
        options |= {"stop": list(stop)} if stop else {}
        begun = [{"role": "assistant", "content": begin}] if begin else []
        body: Json = {"model": model, "messages": [*messages, *begun], "options": options}
        body |= {"format": schema} if schema is not None else {}
        demand = demand or Demand()
        answer = await self._sent(
            lambda: self._chat(body, demand), demand.deadline or DEFAULT_SECONDS
        )
        return replace(answer, text=continued(begin, without_thought(answer.text)))

    async def _chat(self, body: Json, demand: Demand) -> Answer:
        text, last = list[str](), Json()
        request = self._http.build_request(
            "POST", "/api/chat", json=body, headers=demand.to_headers()
        )
        async with aclosing(self._lines(request)) as lines:
            async for line in lines:
                text.append(line["message"]["content"])
                last = line
        if not last.get("done"):
            raise UnreachableError(_broken("it ended in the middle of a reply"))
        return _answer("".join(text), last)

    async def _lines(self, request: httpx.Request) -> AsyncGenerator[Json]:
        """Send a request and yield its reply's JSON lines; an error among them is raised."""
        reply = await self._open(request)
        try:
            if reply.status_code != 200:
                raise _failure(await reply.aread())
            async for line in reply.aiter_lines():
                found: Json = json.loads(line)
                if "error" in found and "atos" in found:
                    raise _failure(line.encode())
                yield found
        finally:
            with anyio.CancelScope(shield=True):
                await reply.aclose()

    async def status(self) -> Status:
        """Return what the scheduler is doing; it does not keep an idle daemon from ending."""
        return scheduler_api.parse(Status, await self._call("GET", "/atos/v1/status"))

    async def pools(self) -> tuple[Pool, ...]:
        """Return the pools with the models that can be used now."""
        found = await self._call("GET", "/atos/v1/pools")
        return tuple(scheduler_api.parse(Pool, pool) for pool in found["pools"])

    async def models(self) -> list[Json]:
        """Return the installed models, as Ollama's `/api/tags` lists them."""
        return (await self._call("GET", "/api/tags"))["models"]

    async def decisions(self) -> list[Json]:
        """Return the latest decisions, oldest first: number, age in seconds, text, choices."""
        return (await self._call("GET", "/atos/v1/decisions"))["decisions"]

    async def decision(self, seq: str) -> Json:
        """Return one decision with its explanation.

        Raises:
            NotFoundError: it is not remembered.
        """
        return await self._call("GET", f"/atos/v1/decisions/{quote(seq, safe='')}")

    async def load(self, model: str, seconds: float = DEFAULT_SECONDS) -> str:
        """Make a model, or a pool's choice, resident within `seconds`; return its name."""
        headers = Demand(deadline=seconds).to_headers()
        body = {"model": model}
        found = await self._call(
            "POST", "/atos/v1/load", json=body, headers=headers, seconds=seconds
        )
        return found["model"]

    async def unload(self, model: str, seconds: float = 120.0) -> str:
        """Take a model out of memory once its requests are over; return its name."""
        body = {"model": model}
        found = await self._call("POST", "/atos/v1/unload", json=body, seconds=seconds)
        return found["model"]

    async def publish_plan(self, goal: str, hint: PlanHint) -> str:
        """Hand in a goal's plan as a hint; return the daemon's instance."""
        path = f"/atos/v1/plans/{quote(goal, safe='')}"
        return (await self._call("PUT", path, json=asdict(hint)))["instance"]

    async def drop_plan(self, goal: str) -> None:
        """Withdraw a goal's plan."""
        await self._call("DELETE", f"/atos/v1/plans/{quote(goal, safe='')}")

    async def events(self, after: int = 0) -> AsyncGenerator[Json]:
        """Yield what happens in the scheduler after event number `after`, without an end."""
        request = self._http.build_request("GET", "/atos/v1/events", params={"after": after})
        async with aclosing(self._lines(request)) as lines:
            with _understood():
                async for line in lines:
                    yield line

    async def _call(
        self, method: str, path: str, seconds: float = CONTROL_SECONDS, **parts: Any
    ) -> Json:
        """Send a control request and return its reply's JSON."""

        async def send() -> Json:
            reply = await self._open(self._http.build_request(method, path, **parts))
            content = await reply.aread()
            if reply.is_error:
                raise _failure(content)
            return json.loads(content) if content else {}

        return await self._sent(send, seconds)

    async def _open(self, request: httpx.Request) -> httpx.Response:
        request.extensions["trace"] = self._check_server  # before the first byte is sent
        try:
            return await self._http.send(request, stream=True)
        except httpx.TransportError as error:
            message = f"the scheduler does not answer at {self._settings.scheduler_socket}: {error}"
            step = "Start it with `atos-client up`."
            raise _NoReplyError(UnreachableError(message, next_step=step)) from error

    async def _check_server(self, event: str, found: Mapping[str, Any]) -> None:
        """Refuse to speak to a scheduler of another user.

        Raises:
            BadConfigError: another user listens there.
        """
        if event != CONNECTED:
            return
        stream = found["return_value"]
        try:
            check_server(stream.get_extra_info("socket"), self._settings.scheduler_socket)
        except BadConfigError:
            await stream.aclose()
            raise

    async def _sent(self, send: Callable[[], Awaitable[Result]], seconds: float) -> Result:
        """Send a request within a time; if no daemon is there, start it and send it again."""
        try:
            with anyio.fail_after(seconds + MARGIN_SECONDS), _understood():
                for pause in PAUSES:
                    try:
                        return await send()
                    except _NoReplyError as failure:
                        if not self._start:
                            raise failure.error from failure
                        # one that is dying may still accept a connection: let it be gone
                        await anyio.sleep(pause)
                        await anyio.to_thread.run_sync(
                            ensure, "scheduler", self._settings, abandon_on_cancel=True
                        )
                try:
                    return await send()
                except _NoReplyError as failure:
                    raise failure.error from failure
        except TimeoutError as error:
            message = f"the scheduler did not answer within {seconds + MARGIN_SECONDS:.0f} s"
            raise DeadlineError(message, next_step="See `atos-client doctor`.") from error


@contextmanager
def _understood() -> Generator[None]:
    """Give names to what may go wrong between the first byte of a reply and its last."""
    try:
        yield
    except httpx.TransportError as error:
        raise UnreachableError(_broken(str(error)), next_step="Try again.") from error
    except (ValueError, KeyError, TypeError) as error:
        message = f"the scheduler's reply is not understood: {error!r}"
        raise UnreachableError(message, next_step="Restart it: `atos-client down`.") from error


def _broken(why: str) -> str:
    return f"the connection to the scheduler broke: {why or 'without a word'}"


def _failure(raw: bytes) -> AtosError:
    """Rebuild the error that the daemon answered with."""
    try:
        return from_wire(json.loads(raw)["atos"])
    except (ValueError, KeyError, TypeError):
        message = f"the scheduler answered {raw[:200]!r}"
        return AtosError(message, next_step="See logs/scheduler.log.")


def _answer(text: str, last: Json) -> Answer:
    about: Json = last["atos"]
    return Answer(
        text=text,
        reason=last["done_reason"],
        model=last["model"],
        engine=about["engine"],
        pool=about["pool"],
        lease=about["lease"],
        queued=about["queued_s"],
        started_at=about["started_at"],
        ended_at=about["ended_at"],
        prompt_tokens=about["prompt_tokens"],
        tokens=about["tokens"],
        reused_tokens=about["reused_tokens"],
        prompt_seconds=about["prompt_s"],
        seconds=about["reply_s"],
        loading=about["loading_s"],
        load_why=about.get("load_why", ""),
        load_victims=tuple(about.get("load_victims", ())),
    )
