"""The sha256 of a file, which alone decides whether it is the model that was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from atos_protocol.errors import WrongBytesError
from atos_scheduler.catalogue.origin import Download

BLOCK = 4 << 20


def sha256_of(path: Path, seen: Callable[[int], None] = lambda _: None) -> str:
    """Return a file's sha256; `seen` is told how many bytes have been read so far."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            done += len(block)
            seen(done)
    return digest.hexdigest()


def check(path: Path, wanted: Download, seen: Callable[[int], None] = lambda _: None) -> None:
    """Compare a file with what was published.

    Raises:
        WrongBytesError: it is another file; the message has both sizes or both hashes.
        OSError: it can't be read.
    """
    size = path.stat().st_size
    if size != wanted.bytes:
        message = f"{path.name} has {size} bytes, published are {wanted.bytes}"
        raise WrongBytesError(message, next_step="Fetch it again.")
    if (found := sha256_of(path, seen)) != wanted.sha256:
        message = (
            f"{path.name} has the sha256 {found[:16]}..., published is {wanted.sha256[:16]}..."
        )
        raise WrongBytesError(message, next_step="Fetch it again.")
