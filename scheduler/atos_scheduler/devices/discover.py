"""Find the devices of this machine."""

from __future__ import annotations

from atos_protocol.settings import Settings
from atos_scheduler.devices.cpu import CpuDevice
from atos_scheduler.devices.nvml import Nvml
from atos_scheduler.devices.protocol import Device
from atos_scheduler.devices.simulated import SimulatedDevice


async def discover(settings: Settings) -> list[Device]:
    """Return the GPUs first, then the machine's memory; one simulated device where that is asked."""
    if settings.simulate:
        return [SimulatedDevice()]
    return [*await Nvml().devices(), CpuDevice()]
