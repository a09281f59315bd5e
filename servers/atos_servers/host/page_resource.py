"""The page as an MCP App (`ui://atos/page`): one document, which a host that can do so shows in its conversation.

A tool names it in `_meta.ui.resourceUri`, and the host reads it. It is not listed, because whatever is listed stands
in the context of every conversation; the specification of MCP Apps leaves that open. Inside, the page has neither
session nor HTTP: it calls tools through the host (`page/src/embedded.ts`).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastmcp.resources import Resource, ResourceContent, ResourceResult
from fastmcp.server.providers import Provider
from fastmcp.utilities.versions import VersionSpec

MIME_TYPE = "text/html;profile=mcp-app"
URI = "ui://atos/page"
SHOWN = {"ui": {"resourceUri": URI}}
"""Metadata of a tool whose result a host shows with the page."""

_REPLACED = (
    ('<html lang="en">', '<html lang="en" data-host="mcp">'),
    ('<link rel="icon" href="/page/icon.svg">', ""),
)


@cache
def document() -> str:
    """Return the page with style and script inside: a host allows no request to anywhere."""
    static = files("atos_servers.page").joinpath("static")
    html, style, script = (
        static.joinpath(name).read_text(encoding="utf-8")
        for name in ("index.html", "app.css", "app.js")
    )
    script = script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    inside = (
        *_REPLACED,
        ('<link rel="stylesheet" href="/page/app.css">', f"<style>{style}</style>"),
        ('<script type="module" src="/page/app.js"></script>', ""),
        ("</body>", f'<script type="module">{script}</script></body>'),
    )
    for before, after in inside:
        if before not in html:
            message = f"static/index.html has no {before}"
            raise AssertionError(message)
        html = html.replace(before, after)
    return html


def read() -> ResourceResult:
    """Return the page as the host reads it; it needs no other origin, so it asks for none."""
    meta = {"ui": {"prefersBorder": True}}
    return ResourceResult([ResourceContent(document(), mime_type=MIME_TYPE, meta=meta)])


class EmbeddedPage(Provider):
    """Gives the page to whoever reads its URI, and lists nothing."""

    async def _get_resource(self, uri: str, version: VersionSpec | None = None) -> Resource | None:
        if uri != URI:
            return None
        return Resource.from_function(
            read,
            uri=URI,
            name="ATOS",
            description="Goals, tasks and devices, seen and steered.",
            mime_type=MIME_TYPE,
        )
