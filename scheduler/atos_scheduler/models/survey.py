"""What this machine has and could have: pure rules over catalogue, device, disk and what is here.

fits      = estimated footprint <= what the device could give if nothing else used it
room      = bytes still missing + a margin <= free disk
offered   = the first model of the pools, in their order, that is permissive, obtainable, absent,
fits what is free now, and has room
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from atos_protocol.errors import NoSpaceError, NotFoundError, RefusedError
from atos_scheduler.catalogue.contracts import DEFAULT_CONTEXT
from atos_scheduler.catalogue.entries import Entries, ModelEntry
from atos_scheduler.core.estimate import Shape, footprint
from atos_scheduler.models.sizes import bytes_text

POOLS = ("complex", "orchestrator", "medium", "simple")
"""In which order pools say what is needed most: without a coder there is no result."""
DISK_MARGIN = 256 * 10**6
"""Bytes that are left free for goals and logs."""
FIT_HINT = "`atos-client models fit` shows what does."


@dataclass(frozen=True, slots=True)
class Machine:
    """What limits a model here, in bytes."""

    device: str
    kind: str
    budget: int
    """What models may use now, beside other programs."""
    ceiling: int
    """What they could use if no other program used the device."""
    free_disk: int


@dataclass(frozen=True, slots=True)
class Row:
    """One model of the catalogue as this machine sees it."""

    name: str
    licence: str
    permissive: bool
    bytes: int
    """Of the file; 0 where it is not known."""
    verified: bool
    """Whether its sha256 is known, so that any source will do."""
    here: str
    """Who has it: `atos`, `ollama`, or empty."""
    needs: int
    """Estimated bytes of memory."""
    fits: bool
    pools: tuple[str, ...]
    """Pools that list it."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values by name."""
        return asdict(self)


def needed(entry: ModelEntry, kind: str) -> int:
    """Estimate the memory that a model takes as it would be loaded here."""
    weights = max(entry.weights, entry.download.bytes if entry.download else 0)
    shape = Shape(weights, entry.kv_per_token, entry.compute)
    return footprint(shape, entry.context or DEFAULT_CONTEXT, entry.slots or 1, kind)


def rows(entries: Entries, machine: Machine, here: Mapping[str, str]) -> list[Row]:
    """Return every chat model of the catalogue, those that the pools list first and in their order."""
    ranked = dict.fromkeys(m for pool in POOLS for m in _members(entries, pool))
    names = [*ranked, *(name for name in entries.models if name not in ranked)]
    return [
        _row(name, entries, machine, here)
        for name in names
        if entries.models[name].dialect == "chat"
    ]


def _members(entries: Entries, pool: str) -> tuple[str, ...]:
    return entries.pools[pool].members if pool in entries.pools else ()


def _row(name: str, entries: Entries, machine: Machine, here: Mapping[str, str]) -> Row:
    entry = entries.models[name]
    needs = needed(entry, machine.kind)
    return Row(
        name=name,
        licence=entry.licence or "unknown",
        permissive=entry.permissive,
        bytes=entry.download.bytes if entry.download else 0,
        verified=entry.download is not None,
        here=next((here[n] for n in (name, *entry.aliases) if n in here), ""),
        needs=needs,
        fits=needs <= machine.ceiling,
        pools=tuple(pool for pool in POOLS if name in _members(entries, pool)),
    )


def find(entries: Entries, name: str) -> tuple[str, ModelEntry]:
    """Return a model under its catalogue name or one of its other names.

    Raises:
        NotFoundError: the catalogue has none.
    """
    for known, entry in entries.models.items():
        if entry.dialect == "chat" and name in {known, *entry.aliases}:
            return known, entry
    listed = ", ".join(n for n, e in entries.models.items() if e.dialect == "chat")
    message = f"the catalogue has no model {name[:80]!r}"
    raise NotFoundError(message, next_step=f"Known are: {listed}.")


def check_fit(name: str, entry: ModelEntry, machine: Machine) -> None:
    """Refuse a model that this machine can never run.

    Raises:
        RefusedError: it needs more than the device has.
    """
    needs = needed(entry, machine.kind)
    if needs > machine.ceiling:
        most = bytes_text(machine.ceiling)
        message = f"{name} needs {bytes_text(needs)} of memory, {machine.device} can give {most}"
        data = {"needs": needs, "ceiling": machine.ceiling}
        raise RefusedError(message, next_step=FIT_HINT, data=data)


def check_room(name: str, missing: int, extra: int, machine: Machine) -> None:
    """Refuse a download that would fill the disk.

    Raises:
        NoSpaceError: the message has what is needed and what is free.
    """
    wanted = missing + extra + DISK_MARGIN
    if wanted > machine.free_disk:
        free = bytes_text(machine.free_disk)
        message = (
            f"{name} needs {bytes_text(wanted)} more on the disk"
            f" ({bytes_text(DISK_MARGIN)} of it as a margin), {free} are free"
        )
        step = "Free some room, or set ATOS_HOME to a larger disk."
        raise NoSpaceError(message, next_step=step, data={"needs": wanted})


def offered(
    entries: Entries, machine: Machine, here: Mapping[str, str], *, unverified: bool
) -> Row | None:
    """Return the model to propose where none can do a goal; None where none would help.

    Args:
        entries: the catalogue.
        machine: what it must fit.
        here: name -> who has it.
        unverified: whether a model without a known sha256 can be had.
    """
    for row in rows(entries, machine, here):
        suits = row.pools and row.permissive and (row.verified or unverified)
        room = row.bytes + DISK_MARGIN <= machine.free_disk
        if suits and room and row.needs <= machine.budget:
            return None if row.here else row
    return None
