"""The machine's memory as a device, within what the control groups of this process allow.

psutil reports what the machine has; a container sees the same numbers and may use far less. Its
limits are in cgroup files (v1 or v2), and every group above it may be tighter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from atos_protocol.errors import UnreachableError
from atos_scheduler.devices.protocol import MIB, Reading, reading

RESERVE = 512 * MIB
RESERVED_SHARE = 0.15
"""Of the total, for the person's other programs, which grow and shrink."""


class Memory(NamedTuple):
    """Bytes that this process could ever have, and could still get."""

    total: int
    available: int


class _Files(NamedTuple):
    """Where one cgroup version keeps its numbers."""

    limit: str
    usage: str
    reclaimable: str
    """Row of `memory.stat`: page cache that the kernel drops under pressure."""


V1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = _Files("memory.max", "memory.current", "inactive_file")


def machine_memory() -> Memory:
    """Return the memory of the whole machine."""
    found = psutil.virtual_memory()
    return Memory(found.total, found.available)


class CpuDevice:
    """The memory of this machine or container."""

    name = "cpu"
    kind: Literal["cpu"] = "cpu"

    def __init__(self, machine: Callable[[], Memory] = machine_memory) -> None:
        self._machine = machine
        self._total = 0

    @property
    def reserve(self) -> int:
        """Half a GiB, or 15 % of the total where that is more."""
        return max(RESERVE, int(self._total * RESERVED_SHARE))

    async def read(self, ours: int) -> Reading:
        """Read the machine's memory and the cgroup files.

        Raises:
            UnreachableError: this system does not report its memory.
        """
        memory = read_memory(self._machine)
        self._total = memory.total
        return reading(memory.total, memory.available, ours)

    async def release(self) -> None:
        """Do nothing: no driver is open."""


def read_memory(machine: Callable[[], Memory], root: Path = Path("/")) -> Memory:
    """Return the memory that this process may use; the cgroup files are below `root`.

    Raises:
        UnreachableError: this system does not report its memory.
    """
    try:
        memory = machine()
    except (OSError, psutil.Error) as error:
        message = f"the machine's memory can't be read: {error}"
        raise UnreachableError(message, next_step="Set ATOS_BUDGET.") from error
    for folder, files in _groups(root):
        memory = _within(memory, folder, files)
    return memory


def _groups(root: Path) -> Iterator[tuple[Path, _Files]]:
    """Yield the control groups of this process that may limit its memory, innermost first."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _number, controllers, path = line.split(":", 2)
        if not controllers:
            top, files = root / "sys/fs/cgroup", V2
        elif "memory" in controllers.split(","):
            top, files = root / "sys/fs/cgroup/memory", V1
        else:
            continue
        # inside a container the path may be the host's: only the mount's top is there then
        inner = Path(path.lstrip("/"))
        for folder in (inner, *inner.parents):
            yield top / folder, files


def _within(memory: Memory, folder: Path, files: _Files) -> Memory:
    """Limit a reading by one control group; a group that can't be read sets no limit."""
    try:
        limit = int((folder / files.limit).read_text(encoding="ascii"))  # fails for "max"
        used = int((folder / files.usage).read_text(encoding="ascii"))
        stat = (folder / "memory.stat").read_text(encoding="ascii")
    except (OSError, ValueError):
        return memory
    if limit >= memory.total:
        return memory
    rows = dict(line.split() for line in stat.splitlines())
    available = limit - used + int(rows.get(files.reclaimable, "0"))
    return Memory(limit, max(0, min(memory.available, available)))
