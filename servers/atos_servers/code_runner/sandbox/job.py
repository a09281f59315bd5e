"""The job: all that the launcher needs to know, as one JSON object over its control socket."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["pytest", "script", "syntax", "probe", "evaluate"]
IsolationLevel = Literal["bwrap", "landlock", "seccomp"]
Cause = Literal[
    "",
    "timeout",
    "memory_limit",
    "process_limit",
    "disk_limit",
    "cancelled",
]
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use. Bytes and seconds."""

    wall: float = 30.0
    memory: int = 512 * MIB
    """Resident bytes of all its processes together, watched from outside."""
    address_space: int = 1024 * MIB
    """Virtual bytes of each process."""
    file_size: int = 64 * MIB
    disk: int = 128 * MIB
    """Bytes below the writable directory, watched from outside."""
    processes: int = 64
    threads: int = 256
    """Of all its processes together, watched from outside: nothing else binds root in bubblewrap."""
    open_files: int = 256


@dataclass(frozen=True, slots=True)
class Job:
    """One run. Paths are absolute and outside the sandbox's reach unless listed."""

    kind: Kind
    level: IsolationLevel
    folder: str
    """The staged copy; read-only for pytest, writable for a script."""
    scratch: str
    readable: tuple[str, ...] = ()
    site: tuple[str, ...] = ()
    """Where pytest is, and the rest of ATOS's environment, which the code can't import."""
    packages: tuple[str, ...] = ()
    """Folders of the packages that the code may import."""
    prefix: str = ""
    executable: str = sys.executable
    limits: Limits = field(default_factory=Limits)
    landlock: int = 0
    arguments: tuple[str, ...] = ()
    """pytest: what to collect. Script: its arguments."""
    script: str = ""
    catalogue: bool = False
    outside: bool = False
    """pytest: the code runs in another process than the tests, see `outside`."""
    coverage: bool = False
    """pytest: report which lines run, see `coverage_plugin`."""
    canary: str = ""
    """Name of the file with the canaries, which is not one of the caller's tests."""
    bwrap: tuple[str, ...] = ()
    """The command that starts the inner launcher, for the bwrap level."""
    run_folder: str = ""
    """Removed by the supervisor at the end, so that a killed host leaves nothing."""
    target: str = ""
    """Syntax: the text's file. Probe: a file outside that must stay out of reach."""

    @property
    def writable(self) -> tuple[str, ...]:
        """The folders that the code may write to."""
        return (self.scratch, self.folder) if self.kind == "script" else (self.scratch,)

    def to_json(self) -> str:
        """Return the one line that crosses the socket."""
        return json.dumps(asdict(self))


def job_from_json(text: str | bytes) -> Job:
    """Read the line that `Job.to_json` wrote."""
    raw: dict[str, Any] = json.loads(text)
    lists = ("readable", "site", "packages", "arguments", "bwrap")
    raw |= {name: tuple(raw[name]) for name in lists}
    raw["limits"] = Limits(**raw["limits"])
    return Job(**raw)
