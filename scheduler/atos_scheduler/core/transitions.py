"""The states of a residency and of a demand, and what moves them, as data.

`Memory` and `Demands` apply these tables, and `design.md` shows them. A pair that is missing can't
happen: an event from outside is ignored then, an effect of our own is a bug.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from atos_protocol.scheduler_api import ResidencyState
from atos_scheduler.core.effects import Effect, Evict, Grant, Load, Refuse, Revoke
from atos_scheduler.core.events import (
    Adopted,
    EngineLost,
    Event,
    Evicted,
    Loaded,
    LoadFailed,
    Released,
    Requested,
)

Absent = Literal["absent"]
Cause = type[Event] | type[Effect]
DemandState = Literal["absent", "waiting", "held"]

RESIDENCY: Mapping[ResidencyState | Absent, Mapping[Cause, ResidencyState | Absent]] = {
    "absent": {Load: "loading", Adopted: "resident"},
    "loading": {Loaded: "resident", LoadFailed: "absent"},
    "resident": {Evict: "evicting", EngineLost: "absent"},
    "evicting": {Evicted: "absent"},
}
"""A model is charged in every state but `absent`."""

DEMAND: Mapping[DemandState, Mapping[Cause, DemandState]] = {
    "absent": {Requested: "waiting", Refuse: "absent"},
    "waiting": {Grant: "held", Refuse: "absent", Released: "absent"},
    "held": {Released: "absent", Revoke: "absent"},
}
"""A demand is forgotten when it ends."""
