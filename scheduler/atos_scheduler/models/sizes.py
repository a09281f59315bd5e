"""Sizes and times as a person reads them: decimal, as shops and makers of models write them."""

from __future__ import annotations

UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def bytes_text(size: float) -> str:
    """Return `1.1 GB`, `503 MB`, `12 kB` or `7 B`."""
    for factor, unit in UNITS:
        if size >= factor:
            value = size / factor
            return f"{value:.1f} {unit}" if unit == "GB" else f"{value:.0f} {unit}"
    return f"{size:.0f} B"


def share_text(part: int, whole: int) -> str:
    """Return `2.0 of 17.4 GB`; both units where they differ."""
    first, second = bytes_text(part), bytes_text(whole)
    same = first.rpartition(" ")[2] == second.rpartition(" ")[2]
    return f"{first.rpartition(' ')[0] if same else first} of {second}"


def seconds_text(seconds: float) -> str:
    """Return `0:08`, `12:30` or `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
