"""Devices: what they report, and the rule that makes a budget of it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_protocol.errors import UnreachableError
from atos_protocol.settings import Settings
from atos_scheduler.devices.cpu import CpuDevice, Memory, read_memory
from atos_scheduler.devices.nvml import Nvml
from atos_scheduler.devices.protocol import Reading, budget, reading
from atos_scheduler.devices.selection import list_devices
from atos_scheduler.devices.simulated import SimulatedDevice

GIB = 2**30
sizes = st.integers(0, 64 * GIB)


@given(total=sizes, free=st.integers(-GIB, 80 * GIB), ours=sizes, reserve=sizes, limit=sizes)
def test_a_budget_never_exceeds_what_is_there_whatever_is_measured(
    total: int, free: int, ours: int, reserve: int, limit: int
) -> None:
    seen = reading(total, free, ours)
    committed = budget(seen, reserve, limit)
    assert 0 <= seen.foreign <= total
    assert 0 <= committed <= max(0, total - reserve)
    assert committed + seen.foreign <= max(total, seen.foreign)
    assert committed <= (limit or committed)


def test_memory_of_our_own_models_is_not_foreign() -> None:
    seen = reading(total=8 * GIB, free=3 * GIB, ours=4 * GIB)
    assert seen == Reading(8 * GIB, 3 * GIB, foreign=1 * GIB)
    assert budget(seen, reserve=GIB) == 6 * GIB


def memory_in(root: Path, group: str, files: dict[str, str]) -> Memory:
    """Read the memory of a process in this group, on a machine of 8 GiB of which 6 are free."""
    for name, text in {"proc/self/cgroup": group, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_memory(lambda: Memory(8 * GIB, 6 * GIB), root)


def test_without_control_groups_the_machines_memory_stands(tmp_path: Path) -> None:
    assert memory_in(tmp_path, "", {}) == Memory(8 * GIB, 6 * GIB)


def test_a_v2_group_bounds_and_its_reclaimable_cache_counts_as_free(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/a/b/memory.max": f"{2 * GIB}\n",
        "sys/fs/cgroup/a/b/memory.current": f"{1.5 * GIB:.0f}\n",
        "sys/fs/cgroup/a/b/memory.stat": f"anon 5\ninactive_file {GIB // 2}\n",
    }
    assert memory_in(tmp_path, "0::/a/b\n", files) == Memory(2 * GIB, GIB)


def test_a_group_above_ours_may_be_tighter(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/a/b/memory.max": "max\n",
        "sys/fs/cgroup/a/memory.max": f"{4 * GIB}\n",
        "sys/fs/cgroup/a/memory.current": f"{1 * GIB}\n",
        "sys/fs/cgroup/a/memory.stat": "inactive_file 0\n",
    }
    assert memory_in(tmp_path, "0::/a/b\n", files) == Memory(4 * GIB, 3 * GIB)


def test_a_v1_container_that_sees_the_hosts_path_reads_the_mounts_top(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{1 * GIB}\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB // 4}\n",
        "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 0\n",
    }
    group = "9:cpu,cpuacct:/docker/abc\n5:memory:/docker/abc\n"
    assert memory_in(tmp_path, group, files) == Memory(GIB, GIB * 3 // 4)


def test_a_v1_group_without_a_limit_bounds_nothing(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "1\n",
        "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 0\n",
    }
    assert memory_in(tmp_path, "5:memory:/\n", files).total == 8 * GIB


async def test_this_machine_has_memory_and_the_reserve_follows_it() -> None:
    device = CpuDevice()
    seen = await device.read(ours=0)
    assert 0 < seen.free <= seen.total
    assert device.reserve >= 512 * 2**20


async def test_a_system_that_does_not_report_its_memory_says_what_to_do() -> None:
    def no_meminfo() -> Memory:
        raise FileNotFoundError("/proc/meminfo")

    with pytest.raises(UnreachableError, match="Set ATOS_BUDGET"):
        await CpuDevice(no_meminfo).read(0)


async def test_simulation_replaces_every_real_device(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, workspaces=tmp_path, simulate=True)
    assert [d.kind for d in await list_devices(settings)] == ["simulated"]


async def test_a_machine_without_a_driver_has_its_memory_only(tmp_path: Path) -> None:
    found = await list_devices(Settings(home=tmp_path, workspaces=tmp_path))
    assert found[-1].name == "cpu"


async def test_a_simulated_device_lets_others_use_it_and_fails_when_told() -> None:
    device = SimulatedDevice(total=8 * GIB)
    device.foreign = 3 * GIB
    assert await device.read(ours=2 * GIB) == Reading(8 * GIB, 3 * GIB, 3 * GIB)
    device.failure = "unplugged"
    with pytest.raises(UnreachableError, match="unplugged"):
        await device.read(0)


class FakeDriverError(Exception):
    """What pynvml raises."""


class FakeDriver:
    """The part of pynvml that is used, over one 8 GiB card; counts how often it is opened."""

    NVMLError = FakeDriverError

    def __init__(self) -> None:
        self.open = 0
        self.opened = 0
        self.broken = ""

    def nvmlInit(self) -> None:
        self._check()
        self.open += 1
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        return f"handle-{index}"

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        self._check()
        return uuid.replace("GPU", "handle")

    def nvmlDeviceGetUUID(self, handle: str) -> str:
        return handle.replace("handle", "GPU")

    def nvmlDeviceGetMemoryInfo(self, _handle: str) -> Any:
        self._check()
        return SimpleNamespace(total=8 * GIB, free=5 * GIB)

    def nvmlDeviceGetComputeRunningProcesses(self, _handle: str) -> list[Any]:
        self._check()
        return [
            SimpleNamespace(pid=7, usedGpuMemory=3 * GIB),
            SimpleNamespace(pid=8, usedGpuMemory=None),
        ]

    def _check(self) -> None:
        if self.broken:
            raise FakeDriverError(self.broken)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    driver = FakeDriver()
    monkeypatch.setitem(__import__("sys").modules, "fake_pynvml", driver)
    return driver


async def test_an_nvidia_card_is_listed_and_read(driver: FakeDriver) -> None:
    (card,) = await Nvml("fake_pynvml").devices()
    assert (card.name, card.kind) == ("cuda:0", "cuda")
    assert await card.read(ours=2 * GIB) == Reading(8 * GIB, 5 * GIB, foreign=1 * GIB)


async def test_what_a_process_takes_of_a_card_is_known_where_the_driver_says_it(
    driver: FakeDriver,
) -> None:
    nvml = Nvml("fake_pynvml")
    assert [await nvml.used_by(pid) for pid in (7, 8, 9)] == [3 * GIB, 0, 0]
    driver.broken = "GPU is lost"
    assert await nvml.used_by(7) == 0, "the estimate stands"


async def test_a_released_driver_is_shut_down_and_opened_again_on_demand(
    driver: FakeDriver,
) -> None:
    (card,) = await Nvml("fake_pynvml").devices()
    await card.release()
    await card.release()
    assert driver.open == 0
    await card.read(0)
    assert (driver.open, driver.opened) == (1, 2)


async def test_a_driver_that_was_lost_heals_at_a_later_look(driver: FakeDriver) -> None:
    (card,) = await Nvml("fake_pynvml").devices()
    driver.broken = "Driver/library version mismatch"
    with pytest.raises(UnreachableError, match="version mismatch"):
        await card.read(0)
    with pytest.raises(UnreachableError, match="does not answer"):
        await card.read(0)
    driver.broken = ""
    assert (await card.read(0)).total == 8 * GIB
    assert driver.open == 1


async def test_no_driver_and_no_package_both_mean_no_devices(driver: FakeDriver) -> None:
    driver.broken = "Driver Not Loaded"
    assert await Nvml("fake_pynvml").devices() == []
    assert await Nvml("no_such_package").devices() == []
