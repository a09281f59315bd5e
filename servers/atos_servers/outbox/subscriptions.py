"""Who wants to be called back, about what: one file each, as it holds the secret that signs the callbacks."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from atos_protocol.errors import BadRequestError, NotFoundError
from atos_protocol.server_url import ServerUrl

EVENTS = ("goal.ended", "goal.asked", "deployment.verified")
MOST = 100
LEAST_SECRET = 16
LONGEST_URL = 2000


@dataclass(frozen=True, slots=True)
class Subscription:
    """One receiver of callbacks."""

    id: str
    owner: str
    """Name of the token whose goals it hears of; "" for the person's."""
    url: str
    events: tuple[str, ...]
    secret: str = field(repr=False)
    goal: str = ""
    """Hears of this goal alone, and once; empty: of all of its owner's, until it is removed."""

    def shown(self) -> dict[str, Any]:
        """Return what its owner may see again: everything but the secret."""
        told = {"id": self.id, "url": self.url, "events": list(self.events)}
        return {**told, "goal_id": self.goal} if self.goal else told


def check_subscription(given: Any, owner: str, hosts: tuple[str, ...]) -> Subscription:
    """Return the subscription that a caller asks for.

    Args:
        given: JSON object with `url`, `events` and `secret`, and `goal_id` where it is of one goal.
        owner: the caller's token.
        hosts: names that callbacks may go to, besides this machine.

    Raises:
        BadRequestError: something in it can't be used; says what.
    """
    asked = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    url, secret = str(asked.get("url", "")), str(asked.get("secret", ""))
    events = tuple(str(event) for event in asked.get("events") or ())
    _check_url(url, hosts)
    if not events or set(events) - set(EVENTS):
        message = "events must name what to hear of"
        raise BadRequestError(message, next_step=f"Any of: {', '.join(EVENTS)}.")
    if len(secret) < LEAST_SECRET:
        message = f"the secret has {len(secret)} characters, at least {LEAST_SECRET} are needed"
        raise BadRequestError(message, next_step="Send a random one: it signs the callbacks.")
    goal = str(asked.get("goal_id") or "")
    return Subscription(f"c{secrets.token_hex(8)}", owner, url, events, secret, goal)


def _check_url(url: str, hosts: tuple[str, ...]) -> None:
    where = ServerUrl(url)
    plain = url.startswith(("http://", "https://")) and len(url) <= LONGEST_URL
    if not where.address or not plain:
        message = "url is not an http address"
        raise BadRequestError(message, next_step="Send the webhook's URL.")
    host = urlsplit(where.address).hostname or ""
    if not where.is_loopback and host not in hosts:
        message = f"callbacks do not go to {host}: they carry what your goals are about"
        step = f"If it is yours: ATOS_CALLBACK_HOSTS={host} in ~/.atos/.env, then restart."
        raise BadRequestError(message, next_step=step)


class Subscriptions:
    """The files below one folder, which only the person can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, subscription: Subscription) -> None:
        """Keep one; the same owner's older one to the same address is replaced.

        Raises:
            BadRequestError: there are too many.
        """
        known = self.all()
        if len(known) >= MOST:
            message = f"there are {len(known)} callbacks already, which is the most"
            raise BadRequestError(message, next_step="Remove one that is not needed.")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{subscription.id}.json"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(subscription), file)
        for each in known:
            if (each.owner, each.url) == (subscription.owner, subscription.url):
                self._path(each.id).unlink(missing_ok=True)

    def all(self) -> list[Subscription]:
        """Return them all; a file that can't be read is passed over."""
        found: list[Subscription] = []
        for path in sorted(self._folder.glob("c*.json")):
            try:
                read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                read["events"] = tuple(read["events"])
                found.append(Subscription(**read))
            except (OSError, ValueError, TypeError, KeyError):
                continue
        return found

    def remove(self, identity: str, owner: str) -> None:
        """Forget one of an owner's.

        Raises:
            NotFoundError: they have none of that id.
        """
        if not any((each.id, each.owner) == (identity, owner) for each in self.all()):
            message = f"there is no callback {identity[:40]!r}"
            raise NotFoundError(message, next_step="GET /callbacks lists yours.")
        self._path(identity).unlink(missing_ok=True)

    def _path(self, identity: str) -> Path:
        return self._folder / f"{identity}.json"
