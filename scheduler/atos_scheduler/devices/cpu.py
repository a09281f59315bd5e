"""The machine's memory as a device, within what the control groups of this process allow.

`/proc/meminfo` tells what the machine has; a container sees the same file and may use far less. Its
limits stand in cgroup files (v1 or v2), and every group above it may be tighter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from atos_protocol.errors import UnreachableError
from atos_scheduler.devices.protocol import MIB, Reading, reading

RESERVE = 512 * MIB
RESERVED_SHARE = 0.15
"""Of the total: the person's other programs grow and shrink."""


class Memory(NamedTuple):
    """Bytes that this process could ever have, and could still get."""

    total: int
    available: int


class _Files(NamedTuple):
    """Where one cgroup version keeps its numbers."""

    limit: str
    usage: str
    reclaimable: str
    """Row of `memory.stat`: page cache that goes when somebody needs the room."""


V1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = _Files("memory.max", "memory.current", "inactive_file")


class CpuDevice:
    """The memory of this machine or container."""

    name = "cpu"
    kind: Literal["cpu"] = "cpu"

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._total = 0

    @property
    def reserve(self) -> int:
        """Half a GiB, or 15 % of the total where that is more."""
        return max(RESERVE, int(self._total * RESERVED_SHARE))

    async def read(self, ours: int) -> Reading:
        """Read meminfo and the cgroup files.

        Raises:
            UnreachableError: this system has no /proc/meminfo.
        """
        memory = read_memory(self._root)
        self._total = memory.total
        return reading(memory.total, memory.available, ours)

    async def release(self) -> None:
        """Do nothing: nothing is held."""


def read_memory(root: Path = Path("/")) -> Memory:
    """Return the memory of this process; `root` is where /proc and /sys are found.

    Raises:
        UnreachableError: there is no /proc/meminfo.
    """
    try:
        text = (root / "proc/meminfo").read_text(encoding="ascii")
        rows = {k: int(v) * 1024 for k, v in re.findall(r"(\w+):\s+(\d+) kB", text)}
        memory = Memory(rows["MemTotal"], rows["MemAvailable"])
    except (OSError, ValueError, KeyError) as error:
        message = f"the machine's memory can't be read: {error}"
        raise UnreachableError(message, next_step="Set ATOS_BUDGET.") from error
    for folder, files in _groups(root):
        memory = _within(memory, folder, files)
    return memory


def _groups(root: Path) -> Iterator[tuple[Path, _Files]]:
    """Yield the control groups of this process that may bound its memory, innermost first."""
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
    """Tighten a reading by one control group; a group that can't be read bounds nothing."""
    try:
        limit = int((folder / files.limit).read_text(encoding="ascii"))  # "max" is no number
        used = int((folder / files.usage).read_text(encoding="ascii"))
        stat = (folder / "memory.stat").read_text(encoding="ascii")
    except (OSError, ValueError):
        return memory
    if limit >= memory.total:
        return memory
    rows = dict(line.split() for line in stat.splitlines())
    available = limit - used + int(rows.get(files.reclaimable, "0"))
    return Memory(limit, max(0, min(memory.available, available)))
