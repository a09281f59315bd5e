"""Finding processes of a test by a word in their command line or environment-free arguments."""

import time
from pathlib import Path


def running_with(word: str) -> list[int]:
    """Return the pids of live processes that have the word among their arguments."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().decode(errors="replace")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if word in arguments and state != "Z":
            found.append(int(entry.name))
    return found


def wait_until_gone(word: str, seconds: float = 5.0) -> list[int]:
    """Return what still runs with the word after at most so many seconds."""
    deadline = time.monotonic() + seconds
    while (left := running_with(word)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left
