"""Says why pip failed, in one sentence that a person can act on. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from atos_protocol.errors import AtosError, NoSpaceError, PackagesError
from atos_servers.code_runner.packages.pip_process import REFUSED

QUOTED = 300
CREDENTIALS = re.compile(r"//[^/@\s]+@")
OFFLINE = re.compile(
    r"Failed to establish a new connection|Name or service not known|Max retries exceeded"
    r"|name resolution|NewConnectionError|ConnectTimeoutError|Network is unreachable|Read timed out"
    r"|connection broken by",
    re.IGNORECASE,
)
NOT_FOUND = re.compile(r"No matching distribution found for ([^\s(]+)")
CONFLICT = re.compile(r"ResolutionImpossible|conflicting dependencies|Double requirement given")

WHEELS_ONLY = "Only wheels are installed: a package's own build code is never run."


def explain(stderr: str, requirements: Sequence[str]) -> AtosError:
    """Return the error for what pip wrote when it failed."""
    named = ", ".join(requirements)
    if "No space left on device" in stderr:
        message = f"{named} can't be installed: no space left on the disk"
        return NoSpaceError(message, next_step="Free some space.")
    if "No module named pip" in stderr:
        message = "pip is missing beside ATOS, so no package can be installed"
        return PackagesError(message, next_step="Install ATOS again, or run `python -m ensurepip`.")
    if REFUSED in stderr:
        message = f"{named}: one of the packages that they need must be built from source"
        return PackagesError(message, next_step=WHEELS_ONLY)
    if OFFLINE.search(stderr):
        message = f"no package index can be reached for {named}"
        step = "Check the network, or the index that `pip config list` names; then start again."
        return passing(PackagesError(message, next_step=step))
    if found := NOT_FOUND.search(stderr):
        message = f"there is no wheel of {found[1][:80]} for this Python on this system"
        return PackagesError(message, next_step=f"Check its name and version. {WHEELS_ONLY}")
    if CONFLICT.search(stderr):
        message = f"{named} can't be installed together: {_last_line(stderr)}"
        return PackagesError(message, next_step="Name other versions.")
    message = f"{named} can't be installed: {_last_line(stderr)}"
    return PackagesError(message, next_step="Try `pip install` with the same names to see more.")


def passing(error: PackagesError) -> PackagesError:
    """Return an error as one of which the same request may succeed a little later."""
    error.retry = True
    return error


def _last_line(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines
    text = errors[-1] if errors else "pip wrote nothing"
    return CREDENTIALS.sub("//", text)[:QUOTED]
