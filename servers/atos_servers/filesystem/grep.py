"""Starts searches of contents in processes of their own, and ends them at a deadline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from atos_protocol.errors import BadRequestError, BusyError, from_wire
from atos_servers.filesystem.grep_process import Request
from atos_servers.filesystem.pages import Reply, rest

SECONDS = 8.0
"""How long one search takes at most, in seconds of the clock."""
AT_ONCE = 2
"""Searches of the whole host that run at the same time."""
WAIT_SECONDS = 20.0
PATTERN_LENGTH = 1_000

_turns = anyio.CapacityLimiter(AT_ONCE)


async def grep(request: Request, seconds: float = SECONDS) -> Reply:
    """Return what matches; what was found by the deadline, with a cursor, where that is not all.

    Raises:
        BadRequestError: the pattern is no regular expression, or takes too long on the first file.
        BusyError: too many searches run.
    """
    if not 0 < len(request.pattern) <= PATTERN_LENGTH:
        message = (
            f"the pattern has {len(request.pattern)} characters, 1 to {PATTERN_LENGTH} are allowed"
        )
        raise BadRequestError(message, next_step="Use another pattern.")
    with anyio.move_on_after(WAIT_SECONDS) as waited:
        async with _turns:
            waited.deadline = float("inf")
            answers = await _run(request, seconds)
            return _reply(request, answers)
    message = f"{AT_ONCE} searches run already"
    raise BusyError(message, next_step="Try again in some seconds.")


async def _run(request: Request, seconds: float) -> list[dict[str, Any]]:
    """Return what the process said before its end, or the deadline."""
    command = [sys.executable, "-S", "-P", "-m", "atos_servers.filesystem.grep_process"]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"}
    process = await anyio.open_process(command, env=environment, cwd="/", stderr=subprocess.DEVNULL)
    said: list[str] = []
    try:
        with anyio.move_on_after(seconds):
            await _talk(process, request, said)
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.aclose()
    complete = "".join(said).split("\n")[:-1]
    return [json.loads(line) for line in complete]


async def _talk(process: Process, request: Request, said: list[str]) -> None:
    if process.stdin is None or process.stdout is None:
        raise OSError
    await process.stdin.send(json.dumps(request._asdict()).encode())
    await process.stdin.aclose()
    async for text in TextReceiveStream(process.stdout, errors="replace"):
        said.append(text)  # noqa: PERF401 - what has come must be there at the deadline
    await process.wait()


def _reply(request: Request, answers: list[dict[str, Any]]) -> Reply:
    last = answers[-1] if answers else {}
    if "bad_pattern" in last:
        message = f"{request.pattern[:100]!a} is no regular expression: {last['bad_pattern']}"
        raise BadRequestError(message, next_step="Escape special characters, or set literal.")
    if "error" in last:
        raise from_wire(last["error"])
    rows = [
        row if row == "--" else f"{answer['file']}:{row}"
        for answer in answers
        for row in answer.get("rows", ())
    ]
    text = "\n".join(rows)
    if last.get("done"):
        skipped = last["skipped"]
        note = f"[{skipped} files of more than 8 MiB were not searched]" if skipped else ""
        return Reply(text or "No matches found", {}, note)
    reached = last.get("cursor") or last.get("reached")
    if reached is None or reached == request.cursor:
        message = "the search took too long without getting through one file"
        raise BadRequestError(message, next_step="Use a simpler pattern, or search fewer files.")
    return Reply(text, {"nextCursor": reached}, rest("the search goes on", reached))
