"""`make bench NAME=mcp-calls`: what a call costs over stdio, beside the TypeScript reference in the same run.

Three calls that both servers have, in interleaved rounds of warm processes. CPU is that of every process that takes
part: of ATOS the shim and the host.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from atos_protocol.daemons import connect, ensure, peer_pid
from bench.filesystem import SHIM, Session, once, reference, workspace
from bench.private_home import private_home
from bench.table import Row, report, row

ROUNDS = int(os.environ.get("ROUNDS", "7"))
CALLS = 200
SHARE = 1.4
"""Of the reference's CPU, the most that is wanted; 1.0 is aimed at."""


def operations(session: Session, folder: Path) -> Mapping[str, Callable[[int], object]]:
    """Return the calls, by what they are."""
    file = f"{folder}/small.txt"
    return {
        "read 240 B": lambda _: session.call("read_text_file", path=file),
        "list a folder": lambda _: session.call("list_directory", path=str(folder)),
        "facts of a file": lambda _: session.call("get_file_info", path=file),
    }


def rows_of(cpu: Mapping[str, Mapping[str, list[float]]]) -> list[Row]:
    """Return two rows for each call."""
    rows: list[Row] = []
    for what, found in cpu.items():
        peer = row(f"{what}: the reference", found["reference"], "ms")
        limit = SHARE * peer.median
        rows += [row(f"{what}: ATOS, CPU, limit {SHARE} x", found["atos"], "ms", limit), peer]
    return rows


def main() -> None:
    """Measure, print the table and write `build/bench/mcp-calls.json`."""
    node = ["node", str(reference())]
    with private_home() as settings, workspace() as folder:
        ensure("servers", settings)
        with connect("servers", settings) as connection:
            host = peer_pid(connection)
        shim = [sys.executable, "-S", "-I", str(SHIM), "filesystem", str(folder)]
        sessions = {
            "atos": Session(shim, [host]),
            "reference": Session([*node, str(folder)]),
        }
        cpu: dict[str, dict[str, list[float]]] = {}
        try:
            for lap in range(ROUNDS + 1):
                for name, session in sessions.items():
                    for what, operation in operations(session, folder).items():
                        used, _ = once(session, operation, range(CALLS))
                        if lap:  # the first one warms up
                            cpu.setdefault(what, {}).setdefault(name, []).append(used)
        finally:
            for session in sessions.values():
                session.close()
    report("mcp-calls", rows_of(cpu))


if __name__ == "__main__":
    main()
