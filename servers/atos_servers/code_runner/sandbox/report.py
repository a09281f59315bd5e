"""The pytest plugin that reports to the host: one authenticated JSON line per event.

Each line carries a MAC over the line and the MAC before it, so nothing can be left out, added or
reordered by somebody without the key. The stream survives `os._exit`, a segfault and SIGKILL as
"incomplete" instead of "passed": only the last record proves that the run finished.

It lives in the process it reports on, so code that searches this process's memory for the key could
forge it; the verdict mentions that. A record that would be too long loses its long fields: a cut line
would be no JSON.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from atos_servers.code_runner.sandbox.wire import Notes

KEY_BYTES = 32
RECORD_BYTES = 6000
WHY_CHARACTERS = 900
EXCERPT_LINES = 6
SHORT_FIELDS = frozenset({"event", "id", "when", "outcome", "seconds", "count", "code"})

Emit = Callable[[dict[str, Any]], None]


def _bounded(record: dict[str, Any]) -> bytes:
    line = json.dumps(record).encode()
    if len(line) <= RECORD_BYTES:
        return line
    kept = {name: value for name, value in record.items() if name in SHORT_FIELDS}
    if isinstance(test := kept.get("id"), str):
        kept["id"] = test[:500]
    return json.dumps({**kept, "why": "(left out: too long)"}).encode()


def chained_writer(descriptor: int, key: bytes) -> Emit:
    """Return a function that writes one chained record; it holds its own references."""
    write, new, digest = os.write, hmac.new, hashlib.sha256
    last = b""

    def emit(record: dict[str, Any]) -> None:
        nonlocal last
        line = _bounded(record)
        last = new(key, last + line, digest).digest()
        data = last.hex().encode() + b" " + line + b"\n"
        while data:
            data = data[write(descriptor, data) :]

    return emit


def excerpt(report: Any) -> str:
    """Return the place, the message and the lines that pytest marks, at most 900 characters."""
    long = report.longrepr
    if long is None:
        return ""
    if isinstance(long, tuple):  # a skip: path, line, reason
        return str(cast("tuple[Any, ...]", long)[-1])[:WHY_CHARACTERS]
    parts: list[str] = []
    crash = getattr(long, "reprcrash", None)
    if crash is not None:
        parts.append(f"{PurePath(crash.path).name}:{crash.lineno}: {crash.message[:500]}")
    try:
        lines = long.reprtraceback.reprentries[-1].lines
    except (AttributeError, IndexError):
        return "\n".join([*parts, str(long)[-WHY_CHARACTERS:]])[:WHY_CHARACTERS]
    parts += [line for line in lines if line[:1] in ">E"][:EXCERPT_LINES]
    return "\n".join(parts)[:WHY_CHARACTERS]


def _outcome(report: Any) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.outcome == "failed" and report.when != "call":
        return "error"
    return report.outcome


class ReportPlugin:
    """Hooks that turn pytest's reports into records."""

    def __init__(self, emit: Emit, notes: Notes | None = None) -> None:
        self._emit, self._notes = emit, notes

    def _note(self, test: str) -> None:
        """Report by what a test was decided; an empty name means all of them."""
        if self._notes and any((found := self._notes.take()).values()):
            self._emit({"event": "noted", "id": test, **found})

    def pytest_collection_finish(self, session: Any) -> None:
        """Report how many tests were found."""
        self._note("")
        self._emit({"event": "collected", "count": len(session.items)})

    def pytest_collectreport(self, report: Any) -> None:
        """Report which file could not be collected, and which was skipped as a whole."""
        if report.failed:
            why = str(report.longrepr)[-WHY_CHARACTERS:]
            self._emit({"event": "not_collected", "id": report.nodeid, "why": why})

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Report how a test, its set-up or its tear-down went."""
        if report.when == "call" or report.outcome != "passed":
            record = {
                "event": "test",
                "id": report.nodeid,
                "when": report.when,
                "outcome": _outcome(report),
                "seconds": round(report.duration, 4),
                "why": excerpt(report),
            }
            self._emit(record)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Report what became known while a test ran."""
        self._note(nodeid)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Report that the run finished."""
        self._emit({"event": "finish", "code": int(exitstatus)})
