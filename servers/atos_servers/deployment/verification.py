"""Verifies that what answers is what was deployed: status, stamp and content, asked until the deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
import httpx

from atos_daemon import outbound_http
from atos_protocol.server_url import ServerUrl
from atos_servers.deployment.record import Release
from atos_servers.deployment.targets.target import Seen

HEALTH = ".well-known/atos"
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
REQUEST_SECONDS = 20.0


async def until_ok(
    look: Callable[[], Awaitable[Seen]], seconds: float, *, patient: bool = False
) -> Seen:
    """Look with growing pauses until it is ok, never will be, or the time is over; return what was seen last.

    Args:
        look: looks once.
        seconds: how long.
        patient: whether a first look that does not end in time says nothing of the release, as over a slow network.
    """
    seen, pause = Seen(ok=False, reason="no answer came", pending=patient), FIRST_PAUSE
    with anyio.move_on_after(seconds):
        while not (seen := await look()).ok:
            if seen.final:
                return seen
            await anyio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        return seen
    return replace(seen, reason=f"{seen.reason} (asked for {seconds:.0f} s)")


async def look_at_page(url: str, release: Release, marker: str = "") -> Seen:
    """Look once whether a release answers at its address.

    Args:
        url: of the root page.
        release: what should answer there.
        marker: text that the root page must hold; empty for none.
    """
    async with outbound_http.async_client(ServerUrl(url), REQUEST_SECONDS) as client:
        return await _look(client, url, release, marker)


async def look_outside(
    url: str, wanted: bytes | None, marker: str = "", *, most_status: int = 299
) -> Seen:
    """Look once whether a site that others serve answers with a page of ours; a cache may still hold the one before.

    Args:
        url: of the page.
        wanted: the page; None where it can't be known.
        marker: text that it must hold; empty for none.
        most_status: the highest status that is fine; an app's root page may redirect, or not be there.
    """
    try:
        async with outbound_http.async_client(ServerUrl(url), REQUEST_SECONDS) as client:
            page = await client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = f"{url} does not answer: {type(error).__name__}"
        return Seen(ok=False, reason=reason, pending=True)
    if page.status_code > most_status:
        return Seen(ok=False, reason=f"{url} answers {page.status_code}", pending=True)
    if wanted is not None and page.content != wanted:
        return Seen(ok=False, reason=f"{url} answers with another page", pending=True)
    if marker and marker not in page.text:
        return Seen(ok=False, reason=f"{url} does not hold {marker[:60]!r}", pending=True)
    same = (
        f"as deployed, {len(page.content)} bytes" if wanted is not None else str(page.status_code)
    )
    evidence = [f"GET {url} answers {same}"]
    evidence += ["over TLS, its certificate checked"] * url.startswith("https://")
    evidence += [f"the page holds {marker[:60]!r}"] * bool(marker)
    return Seen(ok=True, evidence=tuple(evidence))


async def look_at_stamp(url: str, release: Release) -> Seen:
    """Look once whether the stamp beside a site that others serve is this release's.

    Args:
        url: of the stamp, `{"digest": ..., "commit": ...}`.
        release: what should be there.
    """
    try:
        async with outbound_http.async_client(ServerUrl(url), REQUEST_SECONDS) as client:
            answer = await client.get(url)
        told: object = answer.json() if answer.is_success else {}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        reason = f"{url} does not answer with a stamp: {type(error).__name__}"
        return Seen(ok=False, reason=reason, pending=True)
    if told != {"digest": release.digest, "commit": release.commit}:
        reason = f"{url} answers {answer.status_code} with another release's stamp, or none"
        return Seen(ok=False, reason=reason, pending=True)
    commit = f", commit {release.commit[:12]}" if release.commit else ""
    return Seen(ok=True, evidence=(f"the stamp is release {release.id}{commit}",))


async def _look(client: httpx.AsyncClient, url: str, release: Release, marker: str) -> Seen:
    try:
        health = await client.get(url + HEALTH)
        if health.is_error:
            return Seen(ok=False, reason=_unhealthy(health))
        page = await client.get(url)
    except httpx.HTTPError as error:
        return Seen(
            ok=False, reason=f"{url} does not answer: {type(error).__name__} {error}".strip()
        )
    return judged(page.status_code, page.headers.get("atos-digest", ""), page.text, release, marker)


def _unhealthy(health: httpx.Response) -> str:
    try:
        said = health.json()
        return f"the {said['kind']} is {said['state']}: {said['reason'] or 'no reason given'}"[:500]
    except (ValueError, KeyError, TypeError):
        return f"its health answers {health.status_code}"


def judged(status: int, digest: str, text: str, release: Release, marker: str) -> Seen:
    """Judge one answer of the root page. Pure.

    An app may have no page at its root (404) and still be up; that something else than this release answers,
    or that it fails (5xx), is not ok.
    """
    if digest != release.digest:
        return Seen(ok=False, reason=f"another release answers: {digest[:12] or 'no stamp'}")
    allowed = status < 400 or (release.kind == "app" and status < 500)
    if not allowed:
        return Seen(ok=False, reason=f"the root page answers {status}: {text.strip()[:200]}")
    if marker and marker not in text:
        return Seen(ok=False, reason=f"the root page does not hold {marker[:60]!r}")
    evidence = [
        f"GET / answers {status}, {len(text)} characters",
        f"the stamp is release {release.id}",
    ]
    evidence += [f"it is commit {release.commit[:12]}"] * bool(release.commit)
    evidence += [f"the page holds {marker[:60]!r}"] * bool(marker)
    return Seen(ok=True, evidence=tuple(evidence))
