"""NVIDIA devices, read through NVML (`nvidia-ml-py`, imported as `pynvml`).

Neither package nor driver is touched before the first reading; without a driver there are no
devices. While nothing happens the library is shut down: an open handle keeps a laptop's GPU from sleeping, and
survives neither a driver update nor some suspends.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any, Literal

import anyio
import anyio.to_thread

from atos_protocol.errors import UnreachableError
from atos_scheduler.devices.protocol import MIB, Reading, reading

logger = logging.getLogger(__name__)

RESERVE = 384 * MIB
RESERVED_SHARE = 0.05
"""Of the total: CUDA contexts and fragmentation."""


class Nvml:
    """The library, opened when it is needed; shared by all devices."""

    def __init__(self, module: str = "pynvml") -> None:
        self._module = module
        self._library: Any = None
        self._lock = anyio.Lock()

    async def devices(self) -> list[NvmlDevice]:
        """List the devices of this machine; none without a driver."""
        try:
            found = await self._call(_list_devices)
        except UnreachableError as error:
            logger.info("no NVIDIA device", extra={"why": error.message})
            return []
        return [NvmlDevice(self, i, uuid, total) for i, (uuid, total) in enumerate(found)]

    async def memory(self, uuid: str) -> tuple[int, int]:
        """Return total and free bytes of a device.

        Raises:
            UnreachableError: NVML does not answer, or does not know the device any more.
        """
        return await self._call(_memory, uuid)

    async def used_by(self, pid: int) -> int:
        """Return the bytes that a process takes of all devices; 0 where the driver does not say.

        It does not inside most containers, whose process ids are others, and not on Windows.
        """
        try:
            return await self._call(_used_by, pid)
        except UnreachableError:
            return 0

    async def release(self) -> None:
        """Shut the library down; the next reading opens it again."""
        async with self._lock:
            library, self._library = self._library, None
            if library is not None:
                await anyio.to_thread.run_sync(_shut_down, library)

    async def _call(self, function: Any, *args: Any) -> Any:
        """Open the library if needed and call it; a failure closes it, so the next call starts afresh."""
        async with self._lock:
            try:
                if self._library is None:
                    self._library = await anyio.to_thread.run_sync(_open, self._module)
                return await anyio.to_thread.run_sync(function, self._library, *args)
            except UnreachableError:
                self._library = None
                raise


class NvmlDevice:
    """One NVIDIA GPU."""

    kind: Literal["cuda"] = "cuda"

    def __init__(self, nvml: Nvml, index: int, uuid: str, total: int) -> None:
        self.name = f"cuda:{index}"
        self.uuid = uuid
        self.reserve = max(RESERVE, int(total * RESERVED_SHARE))
        self._nvml = nvml

    async def read(self, ours: int) -> Reading:
        """Read the device's memory.

        Raises:
            UnreachableError: NVML does not answer.
        """
        total, free = await self._nvml.memory(self.uuid)
        return reading(total, free, ours)

    async def release(self) -> None:
        """Close NVML, for all devices."""
        await self._nvml.release()


def _open(module: str) -> Any:
    try:
        library = importlib.import_module(module)
    except ImportError as error:
        message = f"the package that reads NVIDIA devices is missing: {error}"
        raise UnreachableError(message, next_step="Install nvidia-ml-py.") from error
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        message = f"the NVIDIA driver does not answer: {error}"
        raise UnreachableError(message, next_step="See whether nvidia-smi works.") from error
    return library


def _list_devices(library: Any) -> list[tuple[str, int]]:
    try:
        handles = [
            library.nvmlDeviceGetHandleByIndex(i) for i in range(library.nvmlDeviceGetCount())
        ]
        return [
            (library.nvmlDeviceGetUUID(h), library.nvmlDeviceGetMemoryInfo(h).total)
            for h in handles
        ]
    except library.NVMLError as error:
        raise _lost(library, error) from error


def _memory(library: Any, uuid: str) -> tuple[int, int]:
    try:
        info = library.nvmlDeviceGetMemoryInfo(library.nvmlDeviceGetHandleByUUID(uuid))
    except library.NVMLError as error:
        raise _lost(library, error) from error
    return int(info.total), int(info.free)


def _used_by(library: Any, pid: int) -> int:
    try:
        handles = [
            library.nvmlDeviceGetHandleByIndex(i) for i in range(library.nvmlDeviceGetCount())
        ]
        running = [p for h in handles for p in library.nvmlDeviceGetComputeRunningProcesses(h)]
    except library.NVMLError as error:
        raise _lost(library, error) from error
    return sum(int(p.usedGpuMemory or 0) for p in running if p.pid == pid)


def _lost(library: Any, error: Exception) -> UnreachableError:
    _shut_down(library)
    message = f"NVML does not answer: {error}"
    return UnreachableError(message, next_step="See whether nvidia-smi works.")


def _shut_down(library: Any) -> None:
    try:
        library.nvmlShutdown()
    except library.NVMLError as error:
        logger.info("NVML did not shut down", extra={"why": str(error)})
