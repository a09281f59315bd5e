"""`atos-client doctor`: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import textwrap
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from atos.cli.daemons import database_trouble, device_text, records_text, versions_of
from atos.cli.formatting import bytes_text, columns
from atos.cli.host_connection import HostClient, scheduler_status
from atos.cli.models import ask
from atos.cli.trace_state import trace_state
from atos_protocol.daemons import ensure
from atos_protocol.errors import AtosError
from atos_protocol.printable import printable
from atos_protocol.settings import Settings
from atos_protocol.versions import SETTLE, mismatch

LOW_DISK = 2 << 30
"""Bytes below which a goal, let alone a model, may run out of room."""
NO_OFFER = (
    "Write ATOS_GGUF=/path/to/model.gguf, or ATOS_OPENAI_URL=http://..., into ~/.atos/.env;"
    " then: atos-client down"
)

LANDLOCK = (
    "It takes Linux 5.13 or newer, with landlock among the boot parameter lsm=. It works without."
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    state: Literal["ok", "missing", "broken"]
    what: str
    detail: str
    todo: str = ""


def doctor(arguments: Namespace, settings: Settings) -> int:
    """Examine everything; the exit code is 1 if something that a goal needs is broken."""
    if arguments.host:
        from atos.cli.plugging.host_logs import examine_host

        findings = list(examine_host(arguments.host))
    else:
        findings = list(examine(settings))
    if arguments.json:
        print(json.dumps([asdict(f) for f in findings]))
    else:
        for finding in findings:
            mark = {"ok": "✓", "missing": "·", "broken": "✗"}[finding.state]
            print(f"{mark} {finding.what:13}{_hung(finding.detail)}")
            if finding.todo:
                print(f"  {'':13}→ {_hung(finding.todo)}")
    return 1 if any(f.state == "broken" for f in findings) else 0


def _hung(text: str) -> str:
    """Return text whose further lines begin below its first, on a terminal."""
    lines = textwrap.wrap(
        printable(text),
        max(40, columns(100_000) - 17),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return f"\n{'':15}".join(lines)


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at the system first, then at what the daemons report."""
    yield system()
    yield git()
    yield disk(settings)
    for role in ("scheduler", "servers"):
        try:
            ensure(role, settings)
        except AtosError as error:
            yield Finding("broken", role, error.message, error.next_step)
            return
    checks: list[Callable[[Settings], Iterator[Finding]]] = [daemons, sandbox, models, traces]
    for check in checks:
        try:
            yield from check(settings)
        except AtosError as error:
            yield Finding("broken", check.__name__, error.message, error.next_step)


def system() -> Finding:
    """Name the system and the interpreter."""
    detail = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    if sys.platform == "linux":
        return Finding("ok", "system", f"{detail} ({sys.executable})")
    return Finding("missing", "system", detail, "Only Linux is tested; on Windows use WSL2.")


def git() -> Finding:
    """Ask git for its version; every goal is a repository."""
    if (path := shutil.which("git")) is None:
        return Finding("broken", "git", "not found", "Install it: sudo apt-get install git")
    done = subprocess.run(
        [path, "--version"], capture_output=True, text=True, check=False, timeout=10
    )
    return Finding("ok", "git", done.stdout.strip() or path)


def disk(settings: Settings) -> Finding:
    """Look at the room left below the home."""
    there = (place for place in (settings.home, *settings.home.parents) if place.exists())
    free = shutil.disk_usage(next(there)).free
    detail = f"{bytes_text(free)} free for {settings.home}"
    if free < LOW_DISK:
        return Finding("missing", "disk", detail, "Free some room, or set ATOS_HOME elsewhere.")
    return Finding("ok", "disk", detail)


def daemons(settings: Settings) -> Iterator[Finding]:
    """Report the host's parts."""
    host = HostClient(settings, "host").ask("status")
    worker: dict[str, str] = host.get("worker") or {}
    state = "ok" if worker.get("state") in {"starting", "up"} else "missing"
    detail = f"host pid {host['pid']}, worker {worker.get('state')}"
    yield Finding(state, "daemons", detail)
    if told := mismatch(versions_of({"host": host, "scheduler": scheduler_status(settings)})):
        yield Finding("missing", "versions", told, SETTLE)
    yield from database(host)
    yield from records(host, settings)
    if url := host["http"].get("url"):
        yield Finding("ok", "http", url)
    else:
        yield Finding("missing", "http", f"off: {host['http'].get('error')}")


def database(host: dict[str, Any]) -> Iterator[Finding]:
    """Report whether the goals database can be used."""
    trouble = database_trouble(host)
    if trouble is not None:
        detail = f"away, goals wait: {trouble['why']}"
        yield Finding("broken", "database", detail, trouble["todo"])
    elif host.get("database"):
        yield Finding("ok", "database", "goals can be read and written")


def records(host: dict[str, Any], settings: Settings) -> Iterator[Finding]:
    """Report what is kept of goals, and for how long."""
    kept: dict[str, int] = host.get("records") or {}
    if not kept.get("goals"):
        return
    limits = [f"{settings.keep_days:g} days"] if settings.keep_days else []
    limits += [f"up to {bytes_text(settings.keep_bytes)}"] if settings.keep_bytes else []
    how_long = f"kept for {' and '.join(limits)}" if limits else "kept for ever"
    yield Finding("ok", "records", f"{records_text(kept)}, {how_long}")


def traces(settings: Settings) -> Iterator[Finding]:
    """Report how far traces are that are sent while goals run; nothing where none are."""
    if settings.trace_to:
        well, detail = trace_state(settings)
        yield Finding("ok" if well else "missing", "traces", detail)


def sandbox(settings: Settings) -> Iterator[Finding]:
    """Report the isolation level at which generated code runs, and what would raise it."""
    found = HostClient(settings, "code_runner").call("sandbox_status", {})
    where = f"(uid {found['uid']}, {found['interpreter']})"
    state = "broken" if found["level"] in {"", "none"} else "ok"
    detail = f"{found['level']}: {found['description']} {where}"
    if denied := found.get("denied"):
        detail += f"; tried just now and denied: {', '.join(denied)}"
    for level, why in found.get("missing", {}).items():
        detail += f"; {level}: {why}"
    yield Finding(state, "sandbox", detail, " ".join(found.get("remedies", [])))


def models(settings: Settings) -> Iterator[Finding]:
    """Report devices, engines and which pools have a model."""
    status = scheduler_status(settings)
    for device in status["devices"]:
        yield Finding(
            "ok", device["kind"], f"{device_text(device)}{bytes_text(device['budget'])} for models"
        )
    if notice := status.get("notice"):
        problem, _, command = notice.partition(". ")
        yield Finding("missing", "gpu", problem, command)
    for engine in status["engines"]:
        detail = (
            f"{engine['models']} model{'s' * (engine['models'] != 1)}"
            if engine["ok"]
            else engine["reason"]
        )
        yield Finding("ok" if engine["ok"] else "missing", engine["name"], detail)
        if shortfall := engine.get("shortfall"):
            yield Finding("missing", engine["name"], shortfall, LANDLOCK)
    general = [p for p in status["pools"] if p["dialect"] == "chat"]
    if any(p["members"] for p in general):
        for pool in general:
            detail = ", ".join(pool["members"]) or "none"
            yield Finding("ok" if pool["members"] else "missing", pool["name"], detail)
    yield from catalogue(only_mini=not any(p["members"] for p in general))


def catalogue(*, only_mini: bool) -> Iterator[Finding]:
    """Report which models of the catalogue are here, and which others would fit."""
    found = ask("fit")
    rows: list[dict[str, Any]] = found["models"]
    here = [f"{row['name']} ({row['licence']})" for row in rows if row["here"]]
    fits = [row["name"] for row in rows if row["fits"] and not row["here"] and row["permissive"]]
    if here:
        yield Finding("ok", "models", f"here: {', '.join(here)}")
    elif only_mini:
        detail = "only atos-mini, a demonstration model with a small catalogue"
        offered = found["offer"]
        todo = f"atos-client models pull {offered['name']}" if offered else NO_OFFER
        yield Finding("missing", "models", detail, todo)
    if fits:
        yield Finding("ok", "would fit", ", ".join(fits))
