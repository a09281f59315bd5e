"""Which version runs and which is installed: an upgrade replaces the files below daemons that run.

Nothing breaks then: goals are durable, and what a version recorded is replayed by the next (`docs/execution.md`). An
outdated daemon ends by itself once nobody uses it and no goal is at work; `atos-client up` does not wait for that.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "atos"
SETTLE = "Run `atos-client up`, which restarts what is outdated; goals go on."


def installed() -> str:
    """Return the version on the disk as it is now; an empty text where that can't be told."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return ""


RUNNING = installed()
"""The version of the present process: what was installed when it started."""


def replacement() -> str:
    """Return the version that was installed over the running one; an empty text where it is the same."""
    now = installed()
    return now if now and RUNNING and now != RUNNING else ""


def mismatch(parts: Mapping[str, str]) -> str:
    """Say which parts are of different versions, in one sentence; an empty text where all are the same.

    Args:
        parts: name -> version; one that is empty is not known.
    """
    known = {name: number for name, number in parts.items() if number}
    if len(set(known.values())) < 2:
        return ""
    told = ", ".join(f"{name} {number}" for name, number in known.items())
    return f"different versions run together: {told}"
