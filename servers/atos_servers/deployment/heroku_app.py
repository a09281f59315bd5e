"""One app at Heroku: its builds, its releases, its web process, and what these say.

    source --PUT--> Heroku --build--> slug --> release v7 (current)       a release runs the slug of one build

A build's `version` is the digest of what was approved: by it whoever was killed finds the build that was started, and
the verification tells that what runs is what was approved.
"""

from __future__ import annotations

from typing import Any, cast

import httpx

from atos_daemon import outbound_http
from atos_protocol.errors import RefusedError, UnreachableError
from atos_protocol.server_url import ServerUrl
from atos_servers.deployment.heroku_api import NEWEST
from atos_servers.deployment.heroku_source import Archive
from atos_servers.deployment.rest_api import AGAIN, Json, RestApi

UPLOAD_SECONDS, LOG_SECONDS = 30.0, 5.0
LOG_LINES, MOST_LOG = 50, 20_000


class HerokuApp:
    """An app by its name.

    Args:
        api: Heroku's.
        name: of the app.
    """

    def __init__(self, api: RestApi, name: str) -> None:
        self.api, self.name, self.path = api, name, f"/apps/{name}"

    async def made(self) -> Json:
        """Return the app; make it where it is missing.

        Raises:
            AtosError: it could not be made, or is somebody else's.
        """
        return await self.api.find(self.path) or await self.api.post("/apps", {"name": self.name})

    async def build_of(self, digest: str, known: str = "") -> Json | None:
        """Return the build of a release that has not failed; None where there is none.

        Args:
            digest: of the release.
            known: its id, where it was kept.
        """
        if known and (found := await self.api.find(f"{self.path}/builds/{known}")):
            return found
        listed = (await self.api.get(f"{self.path}/builds"))["items"]
        ours = [each for each in listed if _version(each) == digest]
        return next((each for each in ours if each["status"] != "failed"), None)

    async def build(self, digest: str, source: Archive) -> Json:
        """Send the source, and have it built; Heroku releases what it has built.

        Raises:
            AtosError: it was not started, or nobody knows: the connection was cut.
        """
        blob = (await self.api.post("/sources"))["source_blob"]
        await self._upload(str(blob["put_url"]), source.data)
        about = {"url": blob["get_url"], "checksum": source.checksum, "version": digest}
        return await self.api.post(f"{self.path}/builds", {"source_blob": about})

    async def releases(self) -> list[Json]:
        """Return the newest releases, newest first."""
        return list((await self.api.get(f"{self.path}/releases", span=NEWEST))["items"])

    async def release_again(self, release: str) -> Json:
        """Make a release of before the current one; nothing is built."""
        return await self.api.post(f"{self.path}/releases", {"release": release})

    async def set_web(self, quantity: int) -> None:
        """Have that many web processes run; an app that was never built has none to speak of."""
        formation = (await self.api.get(f"{self.path}/formation"))["items"]
        if any(each["type"] == "web" and each["quantity"] != quantity for each in formation):
            await self.api.patch(f"{self.path}/formation/web", {"quantity": quantity})

    async def note_log(self) -> None:
        """Add the last lines of what the app prints to the deployment's log."""
        about = {"lines": LOG_LINES, "tail": False}
        session = await self.api.post(f"{self.path}/log-sessions", about)
        self.api.note((await _text(str(session["logplex_url"])))[-MOST_LOG:])

    async def note_build(self, build: Json) -> str:
        """Add what a build printed to the deployment's log; return its last lines."""
        said = await _text(str(build["output_stream_url"]))
        self.api.note(f"the build says:\n{said[-MOST_LOG:]}")
        return " / ".join(said.strip().splitlines()[-3:])[:300]

    async def _upload(self, url: str, data: bytes) -> None:
        """Put the source where Heroku wants it: another host, which gets no token.

        Raises:
            AtosError: it did not arrive.
        """
        there = ServerUrl(url)
        if not url.startswith("https://") and not there.is_loopback:
            message = f"Heroku wants the source at {there}, which is not encrypted"
            raise RefusedError(message, next_step="Check ATOS_HEROKU_URL.")
        try:
            async with outbound_http.async_client(there, UPLOAD_SECONDS) as client:
                answer = await client.put(url, content=data)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            message = f"the source could not be sent to Heroku: {type(error).__name__}"
            raise UnreachableError(message, next_step=AGAIN) from error
        self.api.note(f"PUT of the source, {len(data)} bytes: {answer.status_code}")
        if not answer.is_success:
            message = f"the source could not be sent to Heroku: it answers {answer.status_code}"
            raise UnreachableError(message, next_step=AGAIN)


def slug_of(about: Json) -> str:
    """Return the slug of a build or release; empty where it has none (yet). Pure."""
    return _id_in(about, "slug")


def release_of(build: Json) -> str:
    """Return the release that a build has made; empty where it has made none (yet). Pure."""
    return _id_in(build, "release")


def _id_in(about: Json, name: str) -> str:
    return str(cast("Json", about.get(name) or {}).get("id") or "")


def current(releases: list[Json]) -> Json | None:
    """Return the release that the app runs; None where it runs none. Pure."""
    return next((each for each in releases if each["current"]), None)


def before(releases: list[Json], slug: str) -> Json | None:
    """Return the newest release that runs another slug and was a success; None where there is none. Pure."""
    others = (each for each in releases if slug_of(each) not in {"", slug})
    return next((each for each in others if each["status"] == "succeeded"), None)


def _version(build: Json) -> Any:
    return cast("Json", build.get("source_blob") or {}).get("version")


async def _text(url: str) -> str:
    """Return a text of Heroku's, such as a build's output; empty where it can't be had."""
    there = ServerUrl(url)
    if not url.startswith("https://") and not there.is_loopback:
        return ""
    try:
        async with outbound_http.async_client(there, LOG_SECONDS) as client:
            answer = await client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL):
        return ""
    return answer.text if answer.is_success else ""
