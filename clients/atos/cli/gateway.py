"""The command `gateway`: ports of other programs, and the place of an Ollama server."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote

from atos.cli.plugging.host_file import replace
from atos.cli.scheduler_call import scheduler_call
from atos.cli.stay import start_at_login
from atos_protocol.daemons import ensure, stop
from atos_protocol.errors import BadRequestError, ConflictError
from atos_protocol.settings import Settings, load_settings

OLLAMA_PORT, MOVED_PORT = 11434, 11435
TAKEOVER = "ollama"
"""Name of the client that stands where an Ollama server stood."""
PROBE_SECONDS = 2.0
MARK = "# by atos-client gateway takeover"


def gateway(arguments: Namespace, settings: Settings) -> int:
    """Carry out `on`, `off`, `list`, `takeover` or `restore`."""
    actions = {"on": on, "off": off, "list": list_clients, "takeover": takeover, "restore": restore}
    return actions[arguments.action](arguments, settings)


def on(arguments: Namespace, settings: Settings) -> int:
    """Give a client a port of its own."""
    name, _, kind = arguments.client.partition(":")
    body = {"kind": kind or "interactive", "port": arguments.port, "weight": arguments.weight}
    ensure("scheduler", settings)
    found = scheduler_call(settings, "PUT", _path(name), body)
    _print(found, arguments, [*usage(found), *start_at_login(settings)])
    return 0


def usage(client: dict[str, Any]) -> list[str]:
    """Return how a client is told where its port is."""
    url = client["url"]
    return [
        f"{client['name']} ({client['kind']}, weight {client['weight']:g}): {url}",
        f"  Ollama clients     OLLAMA_HOST={url}",
        f"  OpenAI clients     OPENAI_BASE_URL={url}/v1  OPENAI_API_KEY=atos",
        f"  Anthropic clients  ANTHROPIC_BASE_URL={url}  ANTHROPIC_API_KEY=atos",
        "  models             any of `atos-client models list`, or atos/simple, atos/medium, atos/complex",
    ]


def off(arguments: Namespace, settings: Settings) -> int:
    """Close a client's port."""
    ensure("scheduler", settings)
    found = scheduler_call(settings, "DELETE", _path(arguments.name))
    _print(found, arguments, [f"{found['name']} is off; port {found['port']} is closed"])
    return 0


def list_clients(arguments: Namespace, settings: Settings) -> int:
    """List the clients."""
    ensure("scheduler", settings)
    found = scheduler_call(settings, "GET", "/atos/v1/clients")
    lines = [
        f"{c['name']:16}{c['kind']:12} weight {c['weight']:<5g} {c['url']}"
        + (f"  not open: {c['trouble']}" if c["trouble"] else "")
        for c in found["clients"]
    ]
    none = ["no client has a port: atos-client gateway on --as NAME:CLASS"]
    _print(found, arguments, lines or none)
    return 0


def takeover(arguments: Namespace, settings: Settings) -> int:
    """Stand where an Ollama server stood, with that server, if there is one, behind us.

    Raises:
        ConflictError: a server has the port; the next step says how it is moved.
    """
    if held := _holder(OLLAMA_PORT):
        ours = scheduler_call(settings, "GET", "/atos/v1/clients") if held == "atos" else {}
        if mine := [c for c in ours.get("clients", []) if c["port"] == OLLAMA_PORT]:
            _print(mine[0], arguments, [f"port {OLLAMA_PORT} is ATOS's already"])
            return 0
        message = f"port {OLLAMA_PORT} is held by {held}"
        raise ConflictError(message, next_step=_how_to_move())
    settings.prepare()
    behind = f"http://127.0.0.1:{MOVED_PORT}" if _holder(MOVED_PORT) == "Ollama" else ""
    _set_ollama(settings.home / ".env", behind)
    stop("scheduler", settings)
    settings = load_settings()
    ensure("scheduler", settings)
    body = {"kind": "interactive", "port": OLLAMA_PORT, "weight": 1.0}
    found = scheduler_call(settings, "PUT", _path(TAKEOVER), body)
    said = f"the Ollama server at {behind} stands behind it" if behind else "no Ollama server is behind it"  # fmt: skip
    lines = [f"port {OLLAMA_PORT} is ATOS's: every Ollama client goes through it; {said}"]
    _print(found, arguments, [*lines, *start_at_login(settings), "back: atos-client gateway restore"])  # fmt: skip
    return 0


def restore(arguments: Namespace, settings: Settings) -> int:
    """Give the port back, and forget where the Ollama server was moved to."""
    ensure("scheduler", settings)
    found = scheduler_call(settings, "DELETE", _path(TAKEOVER))
    _set_ollama(settings.home / ".env", None)
    stop("scheduler", settings)
    step = "now have Ollama listen there again: undo OLLAMA_HOST, and start it anew"
    _print(found, arguments, [f"port {OLLAMA_PORT} is free; {step}"])
    return 0


def _how_to_move() -> str:
    """Return how an Ollama server is moved away."""
    host = f"OLLAMA_HOST=127.0.0.1:{MOVED_PORT}"
    return (
        f"Move it, then try again. As a service: sudo systemctl edit ollama, with the lines"
        f' [Service] and Environment="{host}", then sudo systemctl restart ollama.'
        f" By hand: end it, then {host} ollama serve."
    )


def _holder(port: int) -> str:
    """Return who listens on a loopback port: "Ollama", "atos", another program, or "" for nobody."""
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/api/version")
        reply = connection.getresponse()
        body: dict[str, Any] = json.loads(reply.read())
    except ConnectionRefusedError:
        return ""
    except (OSError, ValueError, HTTPException):
        return "another program"
    finally:
        connection.close()
    return "atos" if "atos" in body else "Ollama" if "version" in body else "another program"


def _set_ollama(env: Path, url: str | None) -> None:
    """Write where Ollama is into the settings file, or take our line out again (None)."""
    lines = env.read_text(encoding="utf-8").splitlines() if env.exists() else []
    kept = [line for line in lines if not re.match(r"(export\s+)?ATOS_OLLAMA_URL\s*=", line)]
    mine = [MARK, f"ATOS_OLLAMA_URL={url}"] if url is not None else []
    theirs = [line for line in lines if line not in kept and MARK not in lines]
    if url is not None and theirs:
        message = f"{env} has a line of yours: {theirs[0][:80]}"
        step = f"Change it to ATOS_OLLAMA_URL={url} yourself, or remove it; then try again."
        raise BadRequestError(message, next_step=step)
    kept = [line for line in kept if line != MARK] + mine + (theirs if url is None else [])
    replace(env, "".join(f"{line}\n" for line in kept), 0o600)


def _path(name: str) -> str:
    return f"/atos/v1/clients/{quote(name, safe='')}"


def _print(found: dict[str, Any], arguments: Namespace, lines: list[str]) -> None:
    print(json.dumps(found) if arguments.json else "\n".join(lines))
