"""A person at a terminal of 80 columns: runs a command in a pseudo-terminal, reads, types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

DEADLINE = 30.0
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Terminal:
    """One command in a pseudo-terminal; `seen` is everything that it printed, without escape codes."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._process = subprocess.Popen(
            list(command), stdin=theirs, stdout=theirs, stderr=theirs, env=dict(environment)
        )
        os.close(theirs)
        self._raw = b""
        self._read_to = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    @property
    def raw(self) -> str:
        """Everything that was printed, with escape codes."""
        return self._raw.decode()

    @property
    def seen(self) -> str:
        """Everything that was printed, as text."""
        return ESCAPES.sub("", self._raw.decode(errors="replace")).replace("\r\n", "\n")

    def until(self, text: str) -> str:
        """Read until a text appears behind what was read before; return what was printed up to it.

        Raises:
            AssertionError: it did not appear.
        """
        deadline = time.monotonic() + DEADLINE
        while (found := self.seen.find(text, self._read_to)) < 0:
            assert self._read(deadline), f"{text!r} did not appear in {self.seen!r}"
        begun, self._read_to = self._read_to, found + len(text)
        return self.seen[begun : self._read_to]

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        os.write(self._ours, line.encode() + b"\n")

    def interrupt(self) -> None:
        """Do what Ctrl-C does, once the command waits for what is typed: a signal just before a read does not end it.

        Raises:
            AssertionError: it computes on.
        """
        deadline = time.monotonic() + DEADLINE
        stat = Path(f"/proc/{self._process.pid}/stat")
        while stat.read_text().rpartition(")")[2].split()[0] != "S":
            assert time.monotonic() < deadline, f"it does not wait: {self.seen!r}"
            time.sleep(0.01)
        self._process.send_signal(signal.SIGINT)

    def ended(self) -> int:
        """Read to the end; return the exit code."""
        deadline = time.monotonic() + DEADLINE
        while self._read(deadline):
            pass
        return self._process.wait(DEADLINE)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        try:
            more = os.read(self._ours, 65536) if ready else b""
        except OSError:  # the other end is closed
            more = b""
        self._raw += more
        return bool(more)
