"""Reads the packages that a release asks for: plain lines of `requirements.txt`, nothing that pip would obey. Pure."""

from __future__ import annotations

FILE = "requirements.txt"


def requirements_in(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the requirements, and the lines that are none (options, addresses, paths)."""
    lines = (line.split(" #")[0].strip() for line in text.splitlines())
    wanted = [line for line in lines if line and not line.startswith("#")]
    odd = [
        line for line in wanted if line.startswith(("-", ".", "/")) or "://" in line or "@" in line
    ]
    return tuple(line for line in wanted if line not in odd), tuple(odd)
