"""`atos-client open`: the page in a browser, with a code that is good once and for a minute.

The code travels in the URL's fragment, which no server, log or `Referer` sees. A browser is started with a file
that only its owner can read, because every user of the machine can read a program's arguments.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from argparse import Namespace
from pathlib import Path

from atos.cli.host_connection import HostClient
from atos_protocol.daemons import is_up
from atos_protocol.errors import UnreachableError
from atos_protocol.settings import Settings

PAGE = """<!doctype html><meta charset="utf-8"><title>ATOS</title>
<meta http-equiv="refresh" content="0; url={url}"><a href="{url}">Open ATOS</a>
"""


def open(arguments: Namespace, settings: Settings) -> int:
    """Print the page's address, and open it where there is a desktop.

    Raises:
        UnreachableError: the host serves no HTTP.
    """
    if not arguments.json and not is_up("servers", settings):
        print("starting ATOS ...", file=sys.stderr, flush=True)
    goal = str(arguments.goal or "")
    if goal:
        goal = HostClient(settings, "orchestrate").call("get_goal", {"goal_id": goal})["id"]
    url = page_url(settings, goal)
    if arguments.json:
        print(json.dumps({"url": url}))
        return 0
    started = not arguments.no_browser and _start_browser(settings.run / "open.html", url)
    print("opening it in your browser; if nothing appears:" if started else "the page:")
    print(f"  {url}\ngood for one browser, within a minute; again: atos-client open")
    return 0


def page_url(settings: Settings, goal: str = "") -> str:
    """Return an address that opens the page once.

    Raises:
        UnreachableError: the host serves no HTTP.
    """
    found = HostClient(settings, "host").ask("open")
    address = found["http"].get("url")
    if not address:
        message = f"the page can't be served: {found['http'].get('error')}"
        step = "Set ATOS_HTTP_PORT to a free port, then: atos-client down; atos-client open"
        raise UnreachableError(message, next_step=step)
    return f"{address}/#open={found['code']}" + f"&goal={goal}" * bool(goal)


def _start_browser(file: Path, url: str) -> bool:
    """Start the desktop's browser, where there is one and a person is there; tell whether it began."""
    desktop = (
        sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if not (desktop and sys.stdout.isatty()):
        return False
    if sys.platform != "darwin" and not shutil.which("xdg-open"):
        return False
    import webbrowser

    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(PAGE.format(url=url.replace("&", "&amp;")))
    return webbrowser.open(file.as_uri())
