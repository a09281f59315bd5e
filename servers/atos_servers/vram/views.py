"""The scheduler's state as the tools show it, most important first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atos_protocol.scheduler_api import POOL_PREFIX, Lease, Status
from atos_servers.vram.models import (
    DeviceInfo,
    EngineInfo,
    LeaseInfo,
    ModelInfo,
    ModelList,
    PoolInfo,
    Resident,
    VramStatus,
)

MOST_LEASES = 20
GIB = 2**30


def status_view(status: Status, *, show_goals: bool = True) -> VramStatus:
    """Return what `status` shows; a caller who does not see all goals is not told whose requests run."""
    waiting = sum(lease.state == "waiting" for lease in status.leases)
    longest = sorted(status.leases, key=lambda lease: -lease.seconds)[:MOST_LEASES]
    return VramStatus(
        summary=_summary(status, waiting),
        devices=[DeviceInfo.model_validate(device) for device in status.devices],
        residents=[Resident.model_validate(one) for one in status.residencies],
        leases=[_lease(lease, show_goals) for lease in longest],
        waiting=waiting,
        pools=[PoolInfo.model_validate(pool) for pool in status.pools],
        engines=[EngineInfo.model_validate(engine) for engine in status.engines],
    )


def _lease(lease: Lease, show_goals: bool) -> LeaseInfo:
    shown = LeaseInfo.model_validate(lease)
    return shown if show_goals else shown.model_copy(update={"goal": "", "task": ""})


def _summary(status: Status, waiting: int) -> str:
    budgets = [
        f"{device.name}: {device.committed / GIB:.1f} of {device.budget / GIB:.1f} GiB committed"
        for device in status.devices
    ]
    loaded = [one.model for one in status.residencies if one.state == "resident"]
    usable = [POOL_PREFIX + pool.name for pool in status.pools if pool.members]
    return "; ".join(
        [
            *(budgets or ["no device"]),
            f"loaded: {', '.join(loaded) or 'nothing'}",
            f"{waiting} waiting" if waiting else "no requests waiting",
            f"usable pools: {', '.join(usable) or 'none'}",
        ]
    )


def model_list(tags: Sequence[dict[str, Any]], status: Status) -> ModelList:
    """Return what `list_models` shows of Ollama's tags."""
    loaded = {one.model for one in status.residencies if one.state == "resident"}
    pools = {pool.name: pool.members for pool in status.pools}
    return ModelList(
        models=[
            ModelInfo(
                name=tag["name"],
                bytes=tag.get("size", 0),
                parameters=tag.get("details", {}).get("parameter_size") or "",
                quantization=tag.get("details", {}).get("quantization_level") or "",
                loaded=tag["name"] in loaded,
                pools=[
                    POOL_PREFIX + name for name, members in pools.items() if tag["name"] in members
                ],
            )
            for tag in tags
        ]
    )
