"""Verifies that what answers is what was deployed: status, stamp and content, asked until the deadline."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
import httpx

from atos_daemon import outbound_http
from atos_protocol.server_url import ServerUrl
from atos_servers.deployment.record import Release

HEALTH = ".well-known/atos"
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
REQUEST_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Verified:
    """What the last look saw."""

    ok: bool
    evidence: tuple[str, ...] = field(default=())
    """What holds, one sentence each."""
    reason: str = ""
    """Why it is not ok."""


async def verify(url: str, release: Release, *, seconds: float, marker: str = "") -> Verified:
    """Ask until it answers as it should, or the time is over.

    Args:
        url: of the root page.
        release: what should answer there.
        seconds: the deadline.
        marker: text that the root page must hold; empty for none.
    """
    found, pause = Verified(ok=False, reason="it was not asked"), FIRST_PAUSE
    with anyio.move_on_after(seconds):
        async with outbound_http.async_client(ServerUrl(url), REQUEST_SECONDS) as client:
            while not (found := await _look(client, url, release, marker)).ok:
                await anyio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            return found
    return Verified(ok=False, reason=f"{found.reason} (asked for {seconds:.0f} s)")


async def _look(client: httpx.AsyncClient, url: str, release: Release, marker: str) -> Verified:
    try:
        health = await client.get(url + HEALTH)
        if health.is_error:
            return Verified(ok=False, reason=_unhealthy(health))
        page = await client.get(url)
    except httpx.HTTPError as error:
        return Verified(
            ok=False, reason=f"{url} does not answer: {type(error).__name__} {error}".strip()
        )
    return judged(page.status_code, page.headers.get("atos-digest", ""), page.text, release, marker)


def _unhealthy(health: httpx.Response) -> str:
    try:
        said = health.json()
        return f"the {said['kind']} is {said['state']}: {said['reason'] or 'no reason given'}"[:500]
    except (ValueError, KeyError, TypeError):
        return f"its health answers {health.status_code}"


def judged(status: int, digest: str, text: str, release: Release, marker: str) -> Verified:
    """Judge one answer of the root page. Pure.

    An app may have no page at its root (404) and still be up; that something else than this release answers,
    or that it fails (5xx), is not ok.
    """
    if digest != release.digest:
        return Verified(ok=False, reason=f"another release answers: {digest[:12] or 'no stamp'}")
    allowed = status < 400 or (release.kind == "app" and status < 500)
    if not allowed:
        return Verified(ok=False, reason=f"the root page answers {status}: {text.strip()[:200]}")
    if marker and marker not in text:
        return Verified(ok=False, reason=f"the root page does not hold {marker[:60]!r}")
    evidence = [
        f"GET / answers {status}, {len(text)} characters",
        f"the stamp is release {release.id}",
    ]
    evidence += [f"it is commit {release.commit[:12]}"] * bool(release.commit)
    evidence += [f"the page holds {marker[:60]!r}"] * bool(marker)
    return Verified(ok=True, evidence=tuple(evidence))
