"""Find the devices of this machine."""

from __future__ import annotations

from atos.scheduler.devices.cpu import CpuDevice
from atos.scheduler.devices.nvml import Nvml
from atos.scheduler.devices.protocol import Device
from atos.scheduler.devices.simulated import SimulatedDevice
from atos.scheduler.settings import Settings


async def discover(settings: Settings) -> list[Device]:
    """Return the GPUs first, then the machine's memory; one simulated device where that is asked."""
    if settings.simulate:
        return [SimulatedDevice()]
    return [*await Nvml().devices(), CpuDevice()]
