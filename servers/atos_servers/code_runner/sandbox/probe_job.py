"""Tries the doors of the sandbox from inside, so that a rung counts only where it holds."""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Callable
from typing import Any

from atos_servers.code_runner.sandbox.job import Job
from atos_servers.code_runner.sandbox.split import RemoteModules


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, ImportError):
        return True
    return False


def _connect_to_host(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as door:
        door.settimeout(1.0)
        door.connect(("127.0.0.1", port))


def run(job: Job, remote: RemoteModules | None) -> dict[str, Any]:
    """Return which attempts were refused, and whether Python still works; `job.target` is outside.

    Writing beside it is tried too, but whether that had an effect is for the host to see: the
    sandbox may have a place of the same name.
    """
    target, port = job.target, int(job.arguments[0])
    write = os.O_WRONLY | os.O_CREAT
    _refused(lambda: os.close(os.open(target + ".new", write, 0o600)))
    attempts: dict[str, Callable[[], object]] = {"network": lambda: _connect_to_host(port)}
    if job.rung != "seccomp":  # there it is the code's own process that can't open a file
        attempts["read"] = lambda: os.close(os.open(target, os.O_RDONLY))
    # pytest last: it is what runs here, and an installation that lacks it is no model's failure
    works = not any(
        _refused(lambda n=n: importlib.import_module(n)) for n in ("html.entities", "pytest")
    )
    works = works and (remote is None or remote.answers())
    held = {name: _refused(do) for name, do in attempts.items()}
    return {"event": "probe", "held": held, "works": works}
