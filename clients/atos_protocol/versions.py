"""Which version runs and which is installed: an upgrade replaces the files below daemons that run.

Nothing breaks then: goals are durable, and what a version recorded is replayed by the next (`docs/execution.md`). An
outdated daemon ends by itself once nobody uses it and no goal is at work; `atos-client up` does not wait for that.

Standard library only, and of that little: `atos-client status` is waited for. `importlib.metadata`, which reads mails and
archives, takes longer to import than all the rest of it; the folder beside the packages is named after the version.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

BEGIN, END = "atos-", ".dist-info"
"""What the name of that folder has around the version."""
SETTLE = "Run `atos-client up`, which restarts what is outdated; goals go on."


def installed() -> str:
    """Return the version on the disk as it is now; an empty text where that can't be told."""
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - pathlib is the next that takes its time
        except OSError:
            continue
        found = (name for name in names if name.startswith(BEGIN) and name.endswith(END))
        if (name := next(found, "")) != "":
            return name.removeprefix(BEGIN).removesuffix(END)
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
