"""Delivers messages: in their order, each once, again after a failure, and a receiver that is down later.

put -> waiting --2xx--> delivered
--no answer, or another status--> waiting, a day long --> given up, and said in the log
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx

from atos_daemon import outbound_http
from atos_protocol.errors import AtosError
from atos_protocol.server_url import ServerUrl
from atos_servers.outbox.breaker import Breaker
from atos_servers.outbox.messages import Message, Messages
from atos_servers.outbox.signature import HEADER, signature

LOOK_SECONDS = 5.0
"""How often messages that wait are looked at without a new one; where none waits, nothing is looked at."""
POST_SECONDS = 15.0
LONGEST_SECONDS = 24 * 3600.0

logger = logging.getLogger(__name__)


class Outbox:
    """The messages of one home and their delivery."""

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.time,
        headers: Callable[[Message], Mapping[str, str]] = lambda _message: {},
    ) -> None:
        """Open the messages below a folder.

        Args:
            folder: theirs alone.
            clock: returns epoch seconds.
            headers: returns what is sent along with a message and not kept, such as a secret; an `AtosError`
                counts as a failure to deliver.
        """
        self._headers = headers
        self._messages = Messages(folder)
        self._clock = clock
        self._breakers: defaultdict[str, Breaker] = defaultdict(Breaker)
        self._more = anyio.Event()
        self._given_up = 0

    async def put(self, message: Message) -> bool:
        """Keep a message and have it delivered soon; return False where it was put before."""
        fresh = await anyio.to_thread.run_sync(
            self._messages.put, replace(message, at=self._clock())
        )
        self._more.set()
        return fresh

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            self._more = anyio.Event()
            waiting = True
            try:
                waiting = await self.deliver()
            except OSError as error:
                # a full disk, no descriptor: the host goes on, and so do the messages
                logger.warning("messages wait: %s", error)
            with anyio.move_on_after(LOOK_SECONDS if waiting else math.inf):
                await self._more.wait()

    async def deliver(self) -> bool:
        """Try once what waits and may be sent now; a receiver's later messages wait for its earlier ones.

        Returns:
            Whether any message waits for its next try.
        """
        held: set[str] = set()
        for message in await anyio.to_thread.run_sync(self._messages.waiting):
            if message.url in held or not self._lets_through(message.url):
                held.add(message.url)
                continue
            status = await self._post(message)
            delivered = 200 <= status < 300
            # Who refuses one address answers, so that its others need not wait.
            where = message.url if 400 <= status < 500 else _origin(message.url)
            breaker = self._breakers[where]
            self._breakers[where] = breaker.after(delivered=delivered, now=self._clock())
            if delivered:
                self._breakers.pop(message.url, None)
            else:
                held.add(message.url)
            await anyio.to_thread.run_sync(self._note, message, delivered)
        return bool(held)

    def _lets_through(self, url: str) -> bool:
        """Tell whether neither the receiver nor this address of it is left alone now."""
        known = (self._breakers.get(each, Breaker()) for each in (url, _origin(url)))
        return all(each.lets_through(self._clock()) for each in known)

    def report(self) -> dict[str, Any]:
        """Return what the host's status says of it."""
        now = self._clock()
        away = {_origin(at) for at, each in self._breakers.items() if not each.lets_through(now)}
        waiting = len(self._messages.waiting())
        return {"waiting": waiting, "away": sorted(away), "given_up": self._given_up}

    def _note(self, message: Message, delivered: bool) -> None:
        if delivered:
            self._messages.done(message)
        elif self._clock() - message.at > LONGEST_SECONDS:
            self._given_up += 1
            self._breakers.pop(message.url, None)
            logger.error("message %s was given up after %d attempts", message.id, message.attempts)
            self._messages.done(message)
        else:
            self._messages.keep(replace(message, attempts=message.attempts + 1))

    async def _post(self, message: Message) -> int:
        """Return the status of the answer; 0 where none came."""
        body = json.dumps({**message.body, "id": message.id}, ensure_ascii=False).encode()
        headers = {"content-type": "application/json", "idempotency-key": message.id}
        if message.secret:
            headers[HEADER] = signature(message.secret, int(self._clock()), body)
        try:
            headers |= self._headers(message)
            with anyio.fail_after(POST_SECONDS):
                async with outbound_http.async_client(ServerUrl(message.url), None) as client:
                    answer = await client.post(message.url, content=body, headers=headers)
        except (httpx.HTTPError, TimeoutError, AtosError) as error:
            logger.info("message %s was not taken: %s", message.id, type(error).__name__)
            return 0
        if not answer.is_success:
            logger.info("message %s was answered HTTP %d", message.id, answer.status_code)
        return answer.status_code


def _origin(url: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(url))
