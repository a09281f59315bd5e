"""Folders nested deeper than any path that the kernel takes."""

import os
from pathlib import Path


def nest(top: Path, depth: int, *, name: str = "d") -> None:
    """Make `depth` folders, each in the one before it."""
    top.mkdir(exist_ok=True)
    current = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=current)
        below = os.open(name, os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = below
    os.close(current)
