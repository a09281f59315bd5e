"""How wide the terminal is, asked as `shutil` asks; importing that takes longer than `status` may wait for."""

from __future__ import annotations

import os
import sys

WITHOUT = 80
"""Columns where there is no terminal, and nobody says how many."""


def terminal_columns() -> int:
    """Return the columns that `COLUMNS` or the terminal of standard output has."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or WITHOUT  # pyright: ignore[reportOptionalMemberAccess]
    except (AttributeError, ValueError, OSError):  # closed, replaced, or no terminal
        return WITHOUT
