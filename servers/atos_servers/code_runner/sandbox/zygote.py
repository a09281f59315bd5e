"""A zygote: a process that has imported what runs need, and forks a launcher for each run.

It saves the start of Python and the import of pytest, and nothing else: what it forks reads its job, confines itself
and supervises exactly as a fresh launcher does. Only ATOS's own files and its own pytest are imported here, never
anything of a workspace or of the packages that code asks for. It holds no key and no job: those reach the launcher
after the fork, over sockets that this process has closed by then.

What its launchers share is what was decided at its start: the addresses of memory and the seed of hashes. It is
therefore replaced from time to time (`warm_start`).
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from atos_servers.code_runner.sandbox import guest_imports, jobs, report
from atos_servers.code_runner.sandbox.job import Job

REQUEST_BYTES = 65536
STREAMS = 3
"""The first descriptors of a request become standard input, output and error; the others are handed on."""
DESCRIPTORS = STREAMS + 2
IDLE_SECONDS = 600.0
"""Without a request for this long it ends: it holds about 35 MB."""


def _preload(site: list[str]) -> None:
    """Import pytest and the plugins that it always loads, as a launcher's child would before any test."""
    importlib.import_module("atos_servers.code_runner.sandbox.outside")
    fresh = frozenset(sys.modules)
    with guest_imports.pytest_from(site):
        importlib.import_module("pytest")
        config = importlib.import_module("_pytest.config")
        for plugin in config.default_plugins:
            if plugin not in jobs.DISABLED_PLUGINS:
                importlib.import_module(f"_pytest.{plugin}")
        _rehearse()
    guest_imports.remember_preloaded(frozenset(sys.modules) - fresh)


def _rehearse() -> None:
    """Run two tests of ATOS's own, and leave nothing of them but what pytest and the library now know."""
    here, known = Path(__file__).parent, frozenset(sys.modules)
    names = ("rehearsal.py",)
    job = Job("pytest", "landlock", str(here), "", arguments=names, canary=names[0], outside=True)
    pytest = importlib.import_module("pytest")
    os.chdir(here)
    pytest.main(jobs.pytest_arguments(job), plugins=[report.ReportPlugin(lambda _: None)])
    os.chdir("/")
    sys.stdout.flush()  # to nowhere; what is left in a buffer every launcher would write again
    sys.stderr.flush()
    tempfile.tempdir = None  # each run has its own
    for name in frozenset(sys.modules) - known:
        if name.partition(".")[0] == "rehearsal":
            del sys.modules[name]


def _become_launcher(environment: dict[str, str], descriptors: list[int]) -> tuple[int, int]:
    """Leave nothing in this process that tells it from one that was started afresh."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for standard, given in enumerate(descriptors[:STREAMS]):
        os.dup2(given, standard)
        os.close(given)
    os.environ.clear()
    os.environ.update(environment)
    control, report = descriptors[STREAMS:]
    return control, report


def _announce(connection: socket.socket, child: int) -> None:
    """Tell the host which process it was, with a handle that no other process can inherit the meaning of."""
    try:
        handle = os.pidfd_open(child)
    except OSError:  # it has ended already
        connection.sendall(json.dumps(child).encode())
        return
    socket.send_fds(connection, [json.dumps(child).encode()], [handle])
    os.close(handle)


def _request(connection: socket.socket) -> tuple[dict[str, str], list[int]] | None:
    try:
        data, descriptors, _, _ = socket.recv_fds(connection, REQUEST_BYTES, DESCRIPTORS)
    except (TimeoutError, ConnectionResetError):
        return None
    if not data or len(descriptors) != DESCRIPTORS:
        return None
    return json.loads(data), descriptors


def _wait_for_children() -> None:
    """Stay until the runs have ended: a container's first process may not collect them."""
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        return


def serve(connection: socket.socket, launch: Callable[[int, int], None]) -> None:
    """Fork a launcher at each request, until the host closes its end or asks for nothing any more.

    Args:
        connection: the host's; it sends first where pytest is, or null for a zygote that is to hold nothing but the
            launcher; then requests: variables and descriptors.
        launch: supervises one run, in the forked process.
    """
    first = connection.recv(REQUEST_BYTES)
    if not first:
        return
    if (site := json.loads(first)) is not None:
        _preload(site)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are collected by the kernel
    gc.collect()
    gc.freeze()  # a collection would write to every page that the launchers share
    connection.sendall(b"ready")
    connection.settimeout(IDLE_SECONDS)
    while (request := _request(connection)) is not None:
        child = os.fork()
        if child == 0:
            connection.close()
            launch(*_become_launcher(*request))
            return
        for descriptor in request[1]:
            os.close(descriptor)
        _announce(connection, child)
    connection.close()
    _wait_for_children()
