"""Named crash points: places where a test makes this very process die by SIGKILL.

`ATOS_CRASHPOINT=name` arms one point. It fires once per home: a marker file is made first, so the
process that takes over, with the same environment, lives. Unarmed, a point costs one comparison.
"""

from __future__ import annotations

import os
import signal

from atos_protocol.settings import load_settings

NAMES: list[str] = []
"""Every point that this process has declared, in the order of declaration."""

_armed = os.environ.get("ATOS_CRASHPOINT", "")


def declare(name: str) -> str:
    """Register a crash point at import time, so that the kill tests can list them all."""
    NAMES.append(name)
    return name


def crashpoint(name: str) -> None:
    """Die by SIGKILL here if this point is armed and has not fired yet in this home."""
    if name != _armed:
        return
    marker = load_settings().run / f"crashed-{name}"
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
