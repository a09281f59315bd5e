"""What the vram server's tools return; sizes are in bytes, durations in seconds."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Shown(BaseModel):
    """Built from the scheduler's own dataclasses, field by field of the same name."""

    model_config = ConfigDict(from_attributes=True)


class DeviceInfo(_Shown):
    """One memory budget."""

    name: str
    kind: Literal["cuda", "cpu", "simulated"]
    total: int
    budget: int = Field(description="Bytes that ATOS may commit.")
    committed: int = Field(description="Bytes of models that are loading, resident or evicting.")
    foreign: int = Field(description="Bytes that other programs use.")


class Resident(_Shown):
    """A model in memory."""

    model: str
    engine: str
    device: str
    state: Literal["loading", "resident", "evicting"]
    bytes: int
    measured: bool = Field(description="False while `bytes` is an estimate.")
    leases: int = Field(description="Requests that it is answering.")


class LeaseInfo(_Shown):
    """A request that is being answered, or waits."""

    state: Literal["waiting", "held"]
    model: str
    pool: str
    goal: str
    task: str
    seconds: float = Field(description="How long it has waited or been held.")


class PoolInfo(_Shown):
    """A pool of models, to which requests are addressed as `atos/<name>`."""

    name: str
    members: list[str] = Field(description="Models that can be used now, first choice first.")
    missing: list[str] = Field(description="Listed models that can't be used, and why.")


class EngineInfo(_Shown):
    """An engine that runs models."""

    name: str
    ok: bool
    models: int
    reason: str


class VramStatus(BaseModel):
    """What occupies the budget, and what waits for it."""

    summary: str
    devices: list[DeviceInfo]
    residents: list[Resident]
    leases: list[LeaseInfo] = Field(description="The longest first, 20 at most.")
    waiting: int = Field(description="How many requests wait, listed or not.")
    pools: list[PoolInfo]
    engines: list[EngineInfo]


class ModelInfo(BaseModel):
    """An installed model."""

    name: str
    bytes: int = Field(description="Size of its file.")
    parameters: str = Field(description="Such as 7.6B; empty if unknown.")
    quantization: str
    loaded: bool
    pools: list[str] = Field(description="Pools in which it can be used.")


class ModelList(BaseModel):
    """The installed models."""

    models: list[ModelInfo]


class Loaded(BaseModel):
    """The state of a load."""

    model: str
    state: Literal["resident", "loading"]
    next: str = Field(description="What to do; empty when the model is resident.")


class Unloaded(BaseModel):
    """A model that was unloaded."""

    model: str
    state: Literal["unloaded"] = "unloaded"
