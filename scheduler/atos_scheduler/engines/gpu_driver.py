"""Begins NVIDIA's driver library before an engine worker is confined: afterwards it refuses to begin.

Seen on an H100 with driver 13.0: `cuInit` under Landlock or seccomp, either alone and with every file allowed, ends
with 304 (operating system); begun before, contexts, memory and kernels work in confinement. Nothing of the model has
been read by then. What llama.cpp does later finds the library begun. Standard library only.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

LIBRARY = "libcuda.so.1"
CONTROL = Path("/dev/nvidiactl")


def begin() -> str:
    """Begin the driver's library where there is an NVIDIA device; return why that failed, or ""."""
    if not CONTROL.exists():
        return ""
    try:
        status = int(ctypes.CDLL(LIBRARY).cuInit(0))
    except OSError as error:
        return f"{LIBRARY} can't be loaded: {error}"
    return f"{LIBRARY} gives error {status}" if status else ""
