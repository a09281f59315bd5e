"""The page's own files, as the front end's build left them in `static/`; read once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from atos_servers.page.requests import Reply

FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/page/app.css": ("app.css", "text/css; charset=utf-8"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Path -> file and media type. They hold no secret, so that a browser without a session can be told what to do."""


@cache
def asset(path: str) -> Reply | None:
    """Return a file of the page; None where there is none of that name."""
    if path not in FILES:
        return None
    name, kind = FILES[path]
    return Reply(200, files("atos_servers.page").joinpath("static", name).read_bytes(), kind)
