"""The devices of this machine, and the one whose budget is kept."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from atos_protocol import scheduler_api
from atos_protocol.errors import BadConfigError, UnreachableError
from atos_protocol.settings import Settings
from atos_scheduler.devices.cpu import CpuDevice
from atos_scheduler.devices.nvml import Nvml
from atos_scheduler.devices.protocol import Device, Reading, budget
from atos_scheduler.devices.simulated import SimulatedDevice


@dataclass(frozen=True, slots=True)
class SelectedDevice:
    """The device that models are loaded on, and its state at the start."""

    device: Device
    limit: int
    """The person's own bound in bytes; 0 for none."""
    initial: scheduler_api.Device
    others: tuple[SelectedDevice, ...] = ()
    """Further GPUs and the machine's memory, each with a ledger of its own; set for the first one only."""

    @property
    def all(self) -> tuple[SelectedDevice, ...]:
        """This device, on which models are loaded where the engine can, and the others."""
        return (self, *self.others)

    def budget(self, reading: Reading) -> int:
        """Return the bytes that may be committed while the device reads like this."""
        return budget(reading, self.device.reserve, self.limit)

    @property
    def ceiling(self) -> int:
        """The bytes that could be committed if no other program used the device."""
        most = max(self.initial.budget, self.initial.total - self.device.reserve)
        return min(most, self.limit) if self.limit else most


async def list_devices(settings: Settings) -> list[Device]:
    """Return the GPUs first, then the machine's memory; one simulated device where that is set."""
    if settings.simulate:
        return [SimulatedDevice(settings.budget) if settings.budget else SimulatedDevice()]
    return [*await Nvml().devices(), CpuDevice()]


async def select_device(settings: Settings) -> SelectedDevice:
    """Choose the first GPU that can be read, else the machine's memory; the others stand beside it.

    Raises:
        BadConfigError: no device's memory can be measured.
    """
    readable = list[SelectedDevice]()
    for device in await list_devices(settings):
        with suppress(UnreachableError):
            limit = 0 if readable else settings.budget
            found = await device.read(0)
            ours = budget(found, device.reserve, limit)
            initial = scheduler_api.Device(
                device.name, device.kind, found.total, ours, 0, found.foreign
            )
            readable.append(SelectedDevice(device, limit, initial))
    if readable:
        first, *others = readable
        return replace(first, others=tuple(others))
    message = "no device's memory can be measured"
    raise BadConfigError(message, next_step="Set ATOS_BUDGET, such as ATOS_BUDGET=4GiB.")
