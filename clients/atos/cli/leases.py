"""The commands about memory as a whole: lease, scheduler pause, scheduler resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from argparse import Namespace

from atos.cli.scheduler_call import checked, open_call, scheduler_call
from atos_protocol.daemons import ensure
from atos_protocol.errors import BadRequestError
from atos_protocol.setting_values import read_size
from atos_protocol.settings import Settings

WAIT_SECONDS = 660.0
"""Longest wait for the grant; the scheduler gives up after 600 s."""


def lease(arguments: Namespace, settings: Settings) -> int:
    """Run a program while memory is reserved for it; return the program's exit code.

    Raises:
        BadRequestError: size or program are not understood.
        RefusedError: it can never be granted.
    """
    command = arguments.program[1:] if arguments.program[:1] == ["--"] else arguments.program
    if not command:
        message = "no program is named"
        raise BadRequestError(message, next_step="Write: atos-client lease 3GiB -- PROGRAM ...")
    try:
        size = read_size(arguments.size)
    except ValueError as error:
        message = f"{arguments.size!r} is no size"
        raise BadRequestError(message, next_step="Write bytes, or a size such as 3GiB.") from error
    ensure("scheduler", settings)
    body = {"bytes": size, "name": os.path.basename(command[0])[:60]}  # noqa: PTH119
    connection, reply = open_call(settings, "POST", "/atos/v1/lease", body, WAIT_SECONDS)
    try:
        granted = checked(reply, reply.readline() if reply.status == 200 else reply.read())
        print(f"lease {granted['lease']}: {size} bytes, after {granted['waited']:.1f} s", file=sys.stderr)  # fmt: skip
        return _run(command)
    finally:
        connection.close()  # which ends the lease


def _run(command: list[str]) -> int:
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        message = f"{command[0]} can't be started: {error.strerror}"
        raise BadRequestError(message, next_step="Check its name and its path.") from error

    def end(
        *_: object,
    ) -> None:  # without the lease the program would hold memory that others are given
        process.terminate()

    signal.signal(signal.SIGTERM, end)
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            continue  # the terminal has told it as well, and it ends by itself
        return code if code >= 0 else 128 - code


def pause(arguments: Namespace, settings: Settings) -> int:
    """Take every model out of memory; demands wait until `scheduler resume`."""
    ensure("scheduler", settings)
    found = scheduler_call(settings, "POST", "/atos/v1/pause", {})
    names = ", ".join(found["unloaded"]) or "none was in memory"
    print(json.dumps(found) if arguments.json else f"paused; models unloaded: {names}\ngo on: atos-client scheduler resume")  # fmt: skip
    return 0


def resume(arguments: Namespace, settings: Settings) -> int:
    """Let models be loaded again."""
    ensure("scheduler", settings)
    found = scheduler_call(settings, "POST", "/atos/v1/resume", {})
    text = "models are loaded again" if found["was_paused"] else "nothing was paused"
    print(json.dumps(found) if arguments.json else text)
    return 0
