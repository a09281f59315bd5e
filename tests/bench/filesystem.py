"""`make bench NAME=filesystem`: reads, writes, edits and searches beside the reference server, over stdio.

The reference is `@modelcontextprotocol/server-filesystem`, installed with npm into a temporary folder
(or REFERENCE=path of its `dist/index.js`). Rounds of both are interleaved. CPU is that of every process
which takes part: of ATOS the shim and the host.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from atos_protocol.daemons import connect, ensure, peer_pid
from bench.private_home import private_home
from bench.table import Row, report, row

SHIM = Path(__file__).parents[2] / "servers" / "atos_servers" / "shim" / "main.py"
PACKAGE = "@modelcontextprotocol/server-filesystem"
ROUNDS, CALLS, AT_ONCE = int(os.environ.get("ROUNDS", "4")), 25, 8
FILES = int(os.environ.get("FILES", "20000"))
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}


class Session:
    """One stdio server and what its processes have used."""

    def __init__(self, command: Sequence[str], others: Sequence[int] = ()) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
        )
        self._pids = (self._process.pid, *others)
        self._number = 0
        self.ask("initialize", HELLO)
        self._say({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return its result."""
        self._number += 1
        self._say({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        while True:
            if self._process.stdout is None or not (line := self._process.stdout.readline()):
                raise EOFError
            answer = json.loads(line)
            if answer.get("id") == self._number:
                return answer["result"]

    def call(self, tool: str, **arguments: Any) -> str:
        """Call a tool; return its text."""
        result = self.ask("tools/call", {"name": tool, "arguments": arguments})
        if result.get("isError"):
            raise RuntimeError(result["content"])
        return result["content"][0]["text"]

    def cpu(self) -> float:
        """Return the processor seconds so far."""
        times = [psutil.Process(pid).cpu_times() for pid in self._pids]
        return sum(used.user + used.system for used in times)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.communicate()

    def _say(self, message: dict[str, Any]) -> None:
        if self._process.stdin is None:
            raise OSError
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()


def reference() -> Path:
    """Return the reference server's entry; install it if need be."""
    if named := os.environ.get("REFERENCE"):
        return Path(named)
    folder = Path(tempfile.gettempdir()) / "atos-bench-reference"
    entry = folder / "node_modules" / PACKAGE / "dist" / "index.js"
    if not entry.exists():
        folder.mkdir(exist_ok=True)
        subprocess.run(["npm", "install", "--silent", PACKAGE], cwd=folder, check=True)
    return entry


@contextmanager
def workspace() -> Generator[Path]:
    """Make the files."""
    with tempfile.TemporaryDirectory(prefix="atosfs") as name:
        folder = Path(name).resolve()
        (folder / "small.txt").write_text("x" * 239 + "\n")
        (folder / "edited.py").write_text("value = 0\n" + "# line\n" * 200)
        for number in range(FILES):
            place = folder / "many" / f"d{number % 100}"
            if number < 100:
                place.mkdir(parents=True)
            (place / f"f{number}.txt").touch()
        yield folder


Measured = dict[str, dict[str, list[float]]]


def once(
    session: Session, operation: Callable[[int], object], rounds: range
) -> tuple[float, float]:
    """Return milliseconds of CPU and of the clock for one call."""
    cpu, clock = session.cpu(), time.perf_counter()
    for number in rounds:
        operation(number)
    took = time.perf_counter() - clock
    return (session.cpu() - cpu) * 1000 / len(rounds), took * 1000 / len(rounds)


def edit(session: Session, folder: Path, number: int) -> None:
    """Turn a value over and over."""
    text = (folder / "edited.py").read_text().partition("\n")[0]
    new = {"oldText": text, "newText": f"value = {number + 1000 * (number % 7)}"}
    session.call("edit_file", path=f"{folder}/edited.py", edits=[new])


def measure(sessions: dict[str, Session], folder: Path) -> Measured:
    """Run all operations in interleaved rounds."""
    taken: Measured = {}
    for lap in range(ROUNDS):
        for name, session in sessions.items():
            operations: dict[str, tuple[Callable[[int], object], range]] = {
                "read 240 B": (
                    lambda _n, s=session: s.call("read_text_file", path=f"{folder}/small.txt"),
                    range(CALLS * 4),
                ),
                "write 240 B": (
                    lambda n, s=session: s.call(
                        "write_file", path=f"{folder}/w.txt", content=f"{n:0239}\n"
                    ),
                    range(CALLS),
                ),
                "edit": (lambda n, s=session: edit(s, folder, n), range(lap * CALLS, (lap + 1) * CALLS)),
                "search, no hits": (
                    lambda _n, s=session: s.call("search_files", path=str(folder), pattern="**/*.none"),
                    range(1),
                ),
                "search, 200 hits": (
                    lambda _n, s=session: s.call("search_files", path=str(folder), pattern="**/f77*.txt"),
                    range(1),
                ),
            }  # fmt: skip
            for what, (operation, rounds) in operations.items():
                cpu, clock = once(session, operation, rounds)
                found = taken.setdefault(what, {})
                found.setdefault(f"{name} cpu", []).append(cpu)
                found.setdefault(f"{name} clock", []).append(clock)
    return taken


def eight_at_once(command: Sequence[str], folder: Path) -> list[float]:
    """Return the milliseconds of reads by eight clients of one server at the same time."""
    sessions = [Session(command) for _ in range(AT_ONCE)]
    taken: list[float] = []

    def read_all(session: Session) -> None:
        for _ in range(CALLS):
            began = time.perf_counter()
            session.call("read_text_file", path=f"{folder}/small.txt")
            taken.append((time.perf_counter() - began) * 1000)

    threads = [threading.Thread(target=read_all, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for session in sessions:
        session.close()
    return taken


def rows_of(taken: Measured) -> list[Row]:
    """Return the rows: CPU for single files, the clock for searches."""
    rows: list[Row] = []
    for what, found in taken.items():
        kind, factor = ("clock", 0.2) if what.startswith("search") else ("cpu", 1.6)
        peer = row(f"{what}: the reference, {kind}", found[f"reference {kind}"], "ms")
        limit = factor * peer.median
        title = f"{what}: ATOS, {kind}, limit {factor} x"
        rows += [row(title, found[f"atos {kind}"], "ms", limit), peer]
    return rows


def main() -> None:
    """Measure, print the table and write `build/bench/filesystem.json`."""
    with private_home() as settings, workspace() as folder:
        theirs = ["node", str(reference()), str(folder)]
        ours = [sys.executable, "-S", "-I", str(SHIM), "filesystem", str(folder)]
        ensure("servers", settings, seconds=120)  # its start is not measured
        with connect("servers", settings) as connection:
            host = peer_pid(connection)
        sessions = {"reference": Session(theirs), "atos": Session(ours, [host])}
        for session in sessions.values():
            session.call("read_text_file", path=f"{folder}/small.txt")
        rows = rows_of(measure(sessions, folder))
        for session in sessions.values():
            session.close()
        peer = row("8 readers: the reference, clock", eight_at_once(theirs, folder), "ms")
        mine = eight_at_once(ours, folder)
        rows += [row("8 readers: ATOS, clock, limit 1.5 x", mine, "ms", 1.5 * peer.median), peer]
    report("filesystem", rows)


if __name__ == "__main__":
    main()
